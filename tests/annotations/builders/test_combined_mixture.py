"""The mixed pre-training data: which image a caption goes to, and what is written of it."""
import json
import pickle
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from mixed_files import pair, write_coco, write_pairs, write_vg

from mmdet_ext.annotations.builders.combined.mixture import (CaptionRow, Image, ImageTable, Mixture, Placement,
                                                             mixed_pairs)
from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.annotations.builders.image_lists import read_ids

BOX = [10., 20., 30., 40.]
TRAIN_5 = Image('coco', '5', 'COCO_train2014_000000000005.jpg', 300, 400)


def coco_name(id_: int) -> str:
    return f'COCO_train2014_{id_:012d}.jpg'


@pytest.fixture
def table(tmp_path):
    """COCO's 5, and Visual Genome's 71, which is the same image, and 72, which is not."""
    coco, vg = write_coco(tmp_path / 'coco.json', 5, 6, 7), write_vg(tmp_path / 'vg.json', {71: 5, 72: None, 73: 900})
    return lambda **options: ImageTable(coco, vg, **options)


@pytest.fixture
def build(table, tmp_path):
    """Write out.json of some inputs; returns its content, the counts, and those of each input."""

    def run(*inputs: Path) -> tuple[dict, Counter, list[Counter]]:
        mixture, counts = Mixture(table()), Counter()
        of_inputs = [mixture.add(path) for path in inputs]
        write_grounding(tmp_path / 'out.json', mixed_pairs(mixture, counts), counts, ())
        return json.loads((tmp_path / 'out.json').read_text()), counts, of_inputs

    return run


def place(table: ImageTable, **fields) -> Placement | str:
    return table.place(msgspec.convert(dict(id=0, caption='x') | fields, CaptionRow), 'x')


@pytest.mark.parametrize('fields, placement', [
    (dict(file_name=coco_name(5)), Placement(TRAIN_5)),
    (dict(file_name='000000000005.jpg'), Placement(TRAIN_5)),
    (dict(file_name='VG_100K/71.jpg'), Placement(TRAIN_5, (2., 2.), moved=True)),
    (dict(file_name='72.jpg'), Placement(Image('vg', '72', '72.jpg', 150, 200))),
    (dict(file_name='n12.jpg', height='8', width='9'), Placement(Image('vg', 'n12', 'n12.jpg', 8, 9))),
    (dict(file_name='000000000071.jpg', data_source='vg'), Placement(TRAIN_5, (2., 2.), moved=True)),
    (dict(file_name=coco_name(8)), 'not in coco.json'),
    (dict(file_name='73.jpg'), 'not in coco.json'),
])
def test_a_caption_goes_to_the_image_of_its_file_name(table, fields, placement):
    assert place(table(), **fields) == placement


@pytest.mark.parametrize('fields, message', [
    (dict(file_name='5.jpg', data_source='coco'), "a number of 12 digits in its file_name, got '5.jpg'"),
    (dict(file_name='9.jpg', width=0, height=5), 'x has width 0 and height 5'),
])
def test_a_caption_without_an_image_is_an_error(table, fields, message):
    with pytest.raises(ValueError, match=message):
        place(table(), **fields)


def test_lists_of_one_source_do_not_touch_the_other_unless_they_are_twins(table, tmp_path):
    (tmp_path / 'five.txt').write_text('5\n')
    (tmp_path / 'both.txt').write_text('71\n72\n')
    rows = [dict(file_name=name, width=2, height=2) for name in (coco_name(5), '71.jpg', '72.jpg', '5.jpg')]

    def left_out(**options) -> list:
        placements = [place(table(**options), **row) for row in rows]
        return [placement if isinstance(placement, str) else '' for placement in placements]

    five, both = 'listed in five.txt', 'listed in both.txt'
    assert left_out(exclude_coco=[tmp_path / 'five.txt']) == [five, five, '', '']
    assert left_out(exclude_vg=[tmp_path / 'five.txt']) == ['', '', '', five]
    assert left_out(exclude_vg=[tmp_path / 'both.txt']) == ['', both, both, '']
    assert left_out(exclude_vg=[tmp_path / 'both.txt'], exclude_twins=True) == [both, both, both, '']


def test_ids_are_read_from_each_kind_of_file(tmp_path):
    (tmp_path / 'a.pkl').write_bytes(pickle.dumps({71, '72', 'n5'}))
    (tmp_path / 'a.json').write_text('[71, "72", "n5"]')
    (tmp_path / 'a.txt').write_text('0071\n72\nn5\n')
    (tmp_path / 'coco.json').write_text('{"images": [{"id": 71}, {"id": 72}, {"id": "n5"}]}')
    assert [read_ids(tmp_path / name) for name in ('a.pkl', 'a.json', 'a.txt', 'coco.json')] == [{'71', '72', 'n5'}] * 4


@pytest.mark.parametrize('name, content, message', [
    ('a.txt', b'', 'a.txt has no id'), ('a.json', b'[1.5]', 'a.json: row 0: Expected .*, got 1.5'),
    ('a.json', b'[{}]', 'row 0: Object missing required field id'),
    ('a.pkl', pickle.dumps(7), 'a.pkl should be a list of ids, got 7'), ('a.pkl', b'x', 'not a pickle'),
    ('a.pkl', pickle.dumps(print), 'refused'),
])
def test_what_is_no_list_of_ids_is_an_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_ids(tmp_path / name)


def test_boxes_of_a_moved_image_are_rescaled_and_areas_are_as_published(build, tmp_path):
    file = write_pairs(tmp_path / 'a.json', [pair('71.jpg', 'a dog', (BOX, [[2, 5]]))])
    content, counts, of_inputs = build(file)
    row, = content['annotations']
    assert row['bbox'] == [20, 40, 60, 80] and row['area'] == 1200 and row['tokens_positive'] == [[2, 5]]
    assert of_inputs == [Counter({'captions': 1, 'moved to the same image of COCO': 1})]
    assert counts == Counter({'captions': 1, 'boxes': 1, 'images': 1, 'captions before they were combined': 1})


def test_coco_comes_first_and_each_source_in_the_order_of_the_inputs(build, tmp_path):
    names = ['72.jpg', '90.jpg', coco_name(6), '71.jpg', coco_name(7), '72.jpg']
    files = [write_pairs(tmp_path / f'{number}.json', [pair(name, f'caption {number}') for name in part])
             for number, part in enumerate((names[:3], names[3:]))]
    content, _, _ = build(*files)
    assert [(row['original_id'], row['caption']) for row in content['images']] == [
        ('6', 'caption 0.'), ('5', 'caption 1.'), ('7', 'caption 1.'), ('72', 'caption 1. caption 0.'),
        ('90', 'caption 0.')]


def test_a_box_without_a_word_is_left_out_and_counted(build, tmp_path):
    file = write_pairs(tmp_path / 'a.json', [pair('72.jpg', 'a dog, lost', (BOX, [[5, 6]]), (BOX, [[2, 5]]))])
    content, counts, _ = build(file)
    assert len(content['annotations']) == counts['boxes'] == counts['left out: boxes without words'] == 1


@pytest.mark.parametrize('image, row, message', [
    (dict(caption=' '), {}, "a.json: row 0 of images: caption: Expected str that is not blank, got ' '"),
    (dict(file_name=None), {}, 'row 0 of images: file_name: Expected str, got null, got None'),
    (dict(data_source='lvis'), {}, "row 0 of images: data_source: Invalid enum value 'lvis'"),
    (dict(tokens_negative=[[0]]), {}, r'tokens_negative\[0\]: Expected array of length 2, got \[0\]'),
    ({}, dict(bbox=[1, 2, 3]), r'row 0 of annotations: bbox: Expected array of length 4, got \[1, 2, 3\]'),
    ({}, dict(bbox=[1, 2, 3, float('nan')]), r'a.json is no json that can be read: .*byte'),
    ({}, dict(tokens_positive=None), 'row 0 of annotations has no tokens_positive'),
    ({}, dict(image_id=9), 'row 0 of annotations: image_id 9 is the id of no image'),
    ({}, dict(image_id='0'), "row 0 of annotations: image_id '0' is the id of no image"),
])
def test_a_bad_row_is_named(build, tmp_path, image, row, message):
    first, boxes = pair('72.jpg', 'a dog', (BOX, [[2, 5]]))
    file = write_pairs(tmp_path / 'a.json', [(first | image, boxes)])
    content = json.loads(file.read_text())
    content['annotations'][0].update(row)
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message):
        build(file)
    assert not (tmp_path / 'out.json').exists()


def test_an_id_that_is_there_twice_is_an_error(build, tmp_path):
    row = dict(pair('72.jpg', 'a dog')[0], id=3)
    (tmp_path / 'a.json').write_text(json.dumps(dict(images=[row, row], annotations=[])))
    with pytest.raises(ValueError, match='a.json: row 1 of images: the id 3 is there twice'):
        build(tmp_path / 'a.json')


def test_nothing_left_is_an_error(build, tmp_path):
    with pytest.raises(ValueError, match='no caption has an image that is kept'):
        build(write_pairs(tmp_path / 'a.json', [pair(coco_name(99), 'a dog')]))
