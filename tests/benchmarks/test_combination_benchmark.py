"""The benchmark of the combination, on few images."""
import json
from pathlib import Path

import pytest
from benchmarks import combination, inputs

TOOL = Path(__file__).parents[2] / 'tools/data/build_mdetr_combined.py'


def test_two_sizes_are_measured_and_the_published_one_follows(monkeypatch):
    monkeypatch.setattr(combination, 'PUBLISHED_PAIRS', 1000)
    (small, first), (large, second), (published, third) = combination.combination(TOOL, (4, 20))
    assert small.startswith('4 images') and large.startswith('20 images') and published.startswith('1,000 combined')
    assert first.seconds > 0 and min(first.peak_bytes, second.peak_bytes) > 2**20
    pairs = [int(label.split()[-1]) for label in (small, large)]
    share = (1000 - pairs[0]) / (pairs[1] - pairs[0])
    assert third.seconds == pytest.approx(first.seconds + share * (second.seconds - first.seconds))
    assert third.peak_bytes == pytest.approx(first.peak_bytes + share * (second.peak_bytes - first.peak_bytes))


def test_generated_captions_are_annotations(tmp_path):
    count = combination.write_captions(tmp_path, 6)
    contents = [json.loads((tmp_path / f'{name}.json').read_text()) for name in combination.SHARES]
    assert count == sum(len(content['images']) for content in contents) >= 60
    for content in contents:
        captions = {image['id']: image['caption'] for image in content['images']}
        for row in content['annotations']:
            begin, end = row['tokens_positive'][0]
            assert captions[row['image_id']][begin:end] in inputs.WORDS


def test_a_tool_that_fails_is_named(tmp_path):
    tool = tmp_path / 'broken.py'
    tool.write_text('import sys; sys.exit("no disk")')
    with pytest.raises(ChildProcessError, match='(?s)broken.py .* failed.*no disk'):
        list(combination.combination(tool, (2, 3)))
