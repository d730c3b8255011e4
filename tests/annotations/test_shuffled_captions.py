"""Captions of other images as a control."""
import json
import runpy
import sys
from pathlib import Path

import pytest

from mmdet_ext.annotations.shuffled_captions import shuffle_captions

ROOT = Path(__file__).resolve().parents[2]


def content() -> dict:
    """Eight images with two captions; caption i has its phrases at [0, i + 1) and, on every second image, [20, 22)."""
    images, annotations = [], []
    for i in range(16):
        phrases = [[[0, i + 1]], [[20, 22]]][:1 + i // 2 % 2]
        images.append(dict(id=i, file_name=f'{i // 2}.png', caption=f'caption {i}', tokens_positive_eval=phrases,
                           dataset_name='shapes', sentence_id=i % 2))
        for phrase in phrases:
            annotations.append(dict(id=len(annotations), image_id=i, bbox=[i, 0, 5, 5], tokens_positive=phrase))
    return dict(images=images, annotations=annotations, categories=[])


def test_each_caption_comes_from_another_image_with_as_many_phrases():
    truth = {image['caption']: image for image in content()['images']}
    shuffled = shuffle_captions(content(), seed=0)
    assert shuffled.left_out == 0 and len(shuffled.content['images']) == 16
    for before, after in zip(content()['images'], shuffled.content['images']):
        source = truth[after['caption']]
        assert source['file_name'] != before['file_name'] == after['file_name']
        assert after['tokens_positive_eval'] == source['tokens_positive_eval']
        assert len(source['tokens_positive_eval']) == len(before['tokens_positive_eval'])
        assert source['sentence_id'] == before['sentence_id']


def test_boxes_stay_and_belong_to_the_phrase_of_the_same_number():
    shuffled = shuffle_captions(content(), seed=0).content
    phrases = {image['id']: image['tokens_positive_eval'] for image in shuffled['images']}
    for before, after in zip(content()['annotations'], shuffled['annotations']):
        assert (before['bbox'], before['image_id']) == (after['bbox'], after['image_id'])
        number = content()['images'][before['image_id']]['tokens_positive_eval'].index(before['tokens_positive'])
        assert after['tokens_positive'] == phrases[after['image_id']][number]


def test_a_caption_that_fits_no_other_image_is_left_out_with_its_boxes():
    grounding = content()
    grounding['images'][0]['tokens_positive_eval'] = [[[0, 1]], [[1, 2]], [[2, 3]]]
    shuffled = shuffle_captions(grounding)
    assert shuffled.left_out == 1 and {row['image_id'] for row in shuffled.content['annotations']} == set(range(1, 16))


def test_the_seed_decides():
    assert shuffle_captions(content(), 1) == shuffle_captions(content(), 1)
    assert any(shuffle_captions(content(), 1) != shuffle_captions(content(), seed) for seed in range(2, 8))


def test_errors_name_the_image():
    grounding = content()
    del grounding['images'][3]['tokens_positive_eval']
    with pytest.raises(ValueError, match='image 3 has no tokens_positive_eval'):
        shuffle_captions(grounding)
    with pytest.raises(ValueError, match='no two images'):
        shuffle_captions(dict(images=content()['images'][:2], annotations=[]))


def test_the_tool_writes_a_file_or_one_line(tmp_path, monkeypatch, capsys):
    file, out = tmp_path / 'a.json', tmp_path / 'new' / 'b.json'
    file.write_text(json.dumps(content()))

    def run(*arguments: object) -> int | None:
        tool = str(ROOT / 'tools/data/shuffle_captions.py')
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            runpy.run_path(tool, run_name='__main__')
        return end.value.code

    assert not run(file, '--out', out)
    assert json.loads(out.read_text()) == shuffle_captions(content()).content
    assert run(file, '--out', file) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith('shuffle_captions.py: error: --out')
    assert json.loads(file.read_text()) == content()
