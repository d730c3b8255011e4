"""The mixed pre-training data: which picture a caption goes to, shards, going on after an interruption."""
import json
import pickle
from collections import Counter
from pathlib import Path

import pytest
from mixed_files import pair, write_coco, write_pairs, write_vg
from mmdet_ext.datasets.builders import mixed_split
from mmdet_ext.datasets.builders.id_lists import read_ids
from mmdet_ext.datasets.builders.mixed import write_mixed
from mmdet_ext.datasets.builders.mixed_pictures import MixedPictures, Picture, Place
from mmdet_ext.datasets.builders.mixed_split import MixedSplit

BOX = [10., 20., 30., 40.]
TRAIN_5 = Picture('coco', '5', 'COCO_train2014_000000000005.jpg', 300, 400)


def coco_name(id_: int) -> str:
    return f'COCO_train2014_{id_:012d}.jpg'


@pytest.fixture
def places(tmp_path):
    """COCO's 5, and Visual Genome's 71, which is the same picture, and 72, which is not."""
    coco, vg = write_coco(tmp_path / 'coco.json', 5, 6, 7), write_vg(tmp_path / 'vg.json', {71: 5, 72: None, 73: 900})
    return lambda **options: MixedPictures(coco, vg, **options)


@pytest.fixture
def build(places, tmp_path):
    """Write out.json of some inputs; returns the file, the counts and the split."""

    def run(*inputs: Path, key: str = '', on_pictures=lambda count: None) -> tuple[bytes, Counter, MixedSplit]:
        split = MixedSplit(tmp_path / 'split', inputs, places, key=key)
        counts = write_mixed(split, tmp_path / 'out.json', on_pictures=on_pictures)
        return (tmp_path / 'out.json').read_bytes(), counts, split

    return run


@pytest.mark.parametrize('fields, place', [
    (dict(file_name=coco_name(5)), Place(TRAIN_5)),
    (dict(file_name='000000000005.jpg'), Place(TRAIN_5)),
    (dict(file_name='VG_100K/71.jpg'), Place(TRAIN_5, (2., 2.), moved=True)),
    (dict(file_name='72.jpg'), Place(Picture('vg', '72', '72.jpg', 150, 200))),
    (dict(file_name='n12.jpg', height='8', width='9'), Place(Picture('vg', 'n12', 'n12.jpg', 8, 9))),
    (dict(file_name='000000000071.jpg', data_source='vg'), Place(TRAIN_5, (2., 2.), moved=True)),
    (dict(file_name=coco_name(8)), 'not in coco.json'),
    (dict(file_name='73.jpg'), 'not in coco.json'),
])
def test_a_caption_goes_to_the_picture_of_its_file_name(places, fields, place):
    assert places().place(fields, 'x') == place


@pytest.mark.parametrize('fields, message', [
    (dict(file_name=None), 'x has the file_name None'),
    (dict(file_name='5.jpg', data_source='coco'), "a number of 12 digits in its file_name, got '5.jpg'"),
    (dict(file_name='5.jpg', data_source='lvis'), "data_source should be 'coco' or 'vg', got 'lvis'"),
    (dict(file_name='9.jpg', width=0, height=5), 'x has width 0 and height 5'),
])
def test_a_caption_without_a_picture_is_an_error(places, fields, message):
    with pytest.raises(ValueError, match=message):
        places().place(fields, 'x')


def test_lists_of_one_source_do_not_touch_the_other_unless_they_are_twins(places, tmp_path):
    (tmp_path / 'five.txt').write_text('5\n')
    (tmp_path / 'both.txt').write_text('71\n72\n')
    rows = [dict(file_name=name, width=2, height=2) for name in (coco_name(5), '71.jpg', '72.jpg', '5.jpg')]

    def left_out(**options) -> list:
        return [place if isinstance(place, str) else '' for row in rows for place in [places(**options).place(row, '')]]

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
    ('a.txt', b'', 'a.txt has no id'), ('a.json', b'[1.5]', 'a.json: 1.5 is no id'),
    ('a.json', b'[{}]', 'null is no id'),
    ('a.pkl', pickle.dumps(7), 'a.pkl should be a list of ids, got 7'), ('a.pkl', b'x', 'not a pickle'),
    ('a.pkl', pickle.dumps(print), 'refused'),
])
def test_what_is_no_list_of_ids_is_an_error(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_ids(tmp_path / name)


def test_boxes_of_a_moved_picture_are_rescaled_and_areas_are_as_published(build, tmp_path):
    file = write_pairs(tmp_path / 'a.json', [pair('71.jpg', 'a dog', (BOX, [[2, 5]]))])
    content, counts, split = build(file)
    row, = json.loads(content)['annotations']
    assert row['bbox'] == [20, 40, 60, 80] and row['area'] == 1200 and row['tokens_positive'] == [[2, 5]]
    assert split.counts == [dict(read=1, moved=1)]
    assert counts == dict(captions=1, boxes=1, pictures=1, **{'kept captions': 1}, **{'too long': 0},
                          **{'boxes without words': 0})


def test_coco_comes_first_and_each_source_in_the_order_of_the_inputs(build, tmp_path):
    names = ['72.jpg', '90.jpg', coco_name(6), '71.jpg', coco_name(7), '72.jpg']
    files = [write_pairs(tmp_path / f'{number}.json', [pair(name, f'caption {number}') for name in part])
             for number, part in enumerate((names[:3], names[3:]))]
    content, _, _ = build(*files)
    assert [(row['original_id'], row['caption']) for row in json.loads(content)['images']] == [
        ('6', 'caption 0.'), ('5', 'caption 1.'), ('7', 'caption 1.'), ('72', 'caption 1. caption 0.'),
        ('90', 'caption 0.')]


def test_a_box_without_a_word_is_left_out_and_counted(build, tmp_path):
    file = write_pairs(tmp_path / 'a.json', [pair('72.jpg', 'a dog, lost', (BOX, [[5, 6]]), (BOX, [[2, 5]]))])
    content, counts, _ = build(file)
    assert len(json.loads(content)['annotations']) == counts['boxes'] == counts['boxes without words'] == 1


@pytest.fixture
def many(tmp_path, monkeypatch) -> list[Path]:
    """Two files of 12 pictures, in shards of 3 pictures."""
    monkeypatch.setattr(mixed_split, '_SHARD_PICTURES', 3)
    return [write_pairs(tmp_path / f'{name}.json', [
        pair(f'{100 + place * step % 12}.jpg', f'{name} dog number {place}', ([place, 0., 10., 10.], [[2, 5]]))
        for place in range(30)]) for name, step in (('a', 5), ('b', 7))]


def test_shards_change_nothing(build, many, monkeypatch):
    content, counts, split = build(*many)
    split.remove()
    monkeypatch.setattr(mixed_split, '_SHARD_PICTURES', 1000)
    assert (split.num_shards, split.shard_sizes()) == (4, [3] * 4)
    assert build(*many)[:2] == (content, counts)
    assert counts['kept captions'] == 60 and counts['pictures'] == 12


def test_an_interrupted_run_goes_on_with_the_same_bytes(build, many, monkeypatch):
    content, counts, split = build(*many)
    split.remove()
    combined = []

    def stop_at_8(count: int) -> None:
        combined.append(count)
        if len(combined) == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(*many, on_pictures=stop_at_8)
    monkeypatch.setattr(MixedSplit, '_sort', None)  # is not to be called again
    combined.clear()
    assert build(*many, on_pictures=combined.append)[:2] == (content, counts)
    assert combined == [3, 3] + [1] * 6


def test_inputs_that_were_sorted_are_kept_when_a_later_one_is_broken(build, many, tmp_path, monkeypatch):
    sound = many[1].read_text()
    many[1].write_text(sound.replace('[2, 5]', '[2, "5"]', 1))
    with pytest.raises(ValueError, match=r"b.json: annotation 0 has the spans \[\[2, '5'\]\]"):
        build(*many)
    many[1].write_text(sound)
    sort, sorted_files = MixedSplit._sort, []
    monkeypatch.setattr(MixedSplit, '_sort', lambda self, path, *rest: (sorted_files.append(path),
                                                                        sort(self, path, *rest)))
    again = build(*many)
    assert sorted_files == many[1:]
    again[2].remove()
    assert build(*many)[0] == again[0]


def test_another_key_begins_anew(build, many):
    build(*many, key='one')
    assert build(many[0], key='two')[1]['kept captions'] == 30


@pytest.mark.parametrize('image, row, message', [
    (dict(caption=' '), {}, "a.json: image 0 has the caption ' '"),
    (dict(tokens_negative=[[0]]), {}, r'image 0 has the spans \[\[0\]\], should be \[\[begin, end\]'),
    ({}, dict(bbox=[1, 2, 3]), r'annotation 0 has the bbox \[1, 2, 3\]'),
    ({}, dict(bbox=[1, 2, 3, float('nan')]), r'annotation 0 has the bbox \[1, 2, 3, nan\]'),
    ({}, dict(tokens_positive=None), 'annotation 0 has no tokens_positive'),
    ({}, dict(image_id=9), 'annotation 0 has no image_id of an image'),
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
    with pytest.raises(ValueError, match='a.json: image 3 is there twice'):
        build(tmp_path / 'a.json')


def test_nothing_left_is_an_error(build, tmp_path):
    with pytest.raises(ValueError, match='a.json: no caption has a picture that is kept'):
        build(write_pairs(tmp_path / 'a.json', [pair(coco_name(99), 'a dog')]))
