"""tools/data/build_lvis_prompts.py on a small Shapes set."""
import json
from pathlib import Path

import pytest
from mmdet_ext.annotations.grounding_checks import grounding_problems

TOOL = 'tools/data/build_lvis_prompts.py'


@pytest.fixture
def source(workplace) -> Path:
    return workplace / 'data/shapes/annotations/instances_train.json'


def test_the_same_file_gives_the_same_bytes(in_process, source, tmp_path):
    for name in ('one.json', 'new/two.json'):
        message, out = in_process(TOOL, source, '--negatives', 2, '--out', tmp_path / name)
        assert not message and ' 8  images' in out and ' 0  left out: bad boxes' in out
    assert (tmp_path / 'one.json').read_bytes() == (tmp_path / 'new/two.json').read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['new', 'one.json']


def test_its_prompts_have_nothing_wrong(in_process, source, tmp_path):
    in_process(TOOL, source, '--negatives', 1, '--fraction', 0.5, '--out', tmp_path / 'out.json')
    content = json.loads((tmp_path / 'out.json').read_text())
    assert list(grounding_problems(content, folders=dict(img=str(source.parents[1] / 'train')))) == []
    assert len({image['original_id'] for image in content['images']}) == 4


def test_a_file_is_replaced_on_request_only(in_process, source, tmp_path):
    (tmp_path / 'out.json').write_text('dear')
    message, _ = in_process(TOOL, source, '--out', tmp_path / 'out.json')
    assert 'out.json is there already' in message and (tmp_path / 'out.json').read_text() == 'dear'
    assert in_process(TOOL, source, '--out', tmp_path / 'out.json', '--overwrite')[0] == ''


@pytest.mark.parametrize('options, message', [
    (('--fraction', 0), '--fraction should be above 0 and at most 1, got 0.0'),
    (('--negatives', -1), '--negatives should be 0 or more, got -1'),
])
def test_bad_arguments_are_refused_before_the_file_is_read(in_process, tmp_path, options, message):
    assert message in in_process(TOOL, 'gone.json', '--out', tmp_path / 'out.json', *options)[0]


@pytest.mark.parametrize('content, message', [
    (None, 'No such file'),
    ('no json', 'in.json is no json that can be read'),
    ('[]', 'in.json: Expected object, got array, got []'),
    ('{"images": [], "categories": []}', "in.json: 'images' is missing or empty"),
    ('{"images": [{}], "categories": [{"id": 1}]}', 'in.json: row 0 of images has no id'),
])
def test_what_is_no_annotation_file_is_one_line(in_process, tmp_path, content, message):
    if content is not None:
        (tmp_path / 'in.json').write_text(content)
    end, _ = in_process(TOOL, tmp_path / 'in.json', '--out', tmp_path / 'out.json')
    assert message in end and '\n' not in end and not (tmp_path / 'out.json').exists()
