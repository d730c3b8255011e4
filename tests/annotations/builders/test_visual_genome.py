"""Regions of Visual Genome as captions with boxes."""
import json
from collections import Counter
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hand_parses import rule_parser

from mmdet_ext.annotations.builders import visual_genome
from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.annotations.builders.image_lists import read_sizes
from mmdet_ext.annotations.builders.visual_genome import (ImageRow, Region, merge_regions, read_graphs, read_regions,
                                                          region_pairs)
from mmdet_ext.text.parsing import load_parser
from mmdet_ext.unfinished import Unfinished

TEXT = 'a red cup on the table'
CUP, TABLE, WHOLE = [10, 10, 20, 30], [0, 40, 100, 20], [0, 0, 100, 90]  # x, y, width, height


def thing(synset: str, box: list[int], **fields) -> dict:
    x, y, w, h = box
    return dict(object_id=1, name='', synsets=[synset], x=x, y=y, w=w, h=h) | fields


def region(id_: int = 1, phrase: str = TEXT, *objects: dict, box=WHOLE, words: tuple = ('cup', 'table')) -> dict:
    """With a synset NAME.n.01 for each of the words that is in the phrase."""
    x, y, width, height = box
    synsets = [dict(synset_name=f'{word}.n.01', entity_name=word, entity_idx_start=phrase.index(word),
                    entity_idx_end=phrase.index(word) + len(word)) for word in words if word in phrase]
    return dict(region_id=id_, image_id=3, phrase=phrase, x=x, y=y, width=width, height=height, objects=list(objects),
                synsets=synsets)


def read(*rows: dict, parser=rule_parser) -> tuple[list[Region], Counter]:
    counts = Counter()
    row = msgspec.convert(dict(image_id=3, regions=list(rows)), ImageRow)
    return read_regions(row, parser, counts, 'graphs.json: row 0'), counts


def named(region: Region) -> list[tuple[list[float], list[str]]]:
    """Boxes (x, y, width, height) with the words that they are tied to."""
    return [([*box[:2], *(box[2:] - box[:2])], [region.caption[begin:end] for begin, end in spans])
            for box, spans in zip(region.boxes, region.spans, strict=True)]


def made(id_: int, *boxes: tuple, caption: str = TEXT, key: str = 'cup table', spans=None, has_objects=True) -> Region:
    return Region(id_, caption, key, np.array(boxes, dtype=np.float64), spans or [[[6, 9]]] * len(boxes), has_objects)


def test_objects_on_the_root_are_tied_to_it_and_others_to_their_own_words():
    (result, ), counts = read(region(1, TEXT, thing('cup.n.01', CUP), thing('table.n.01', TABLE)))
    assert named(result) == [(CUP, ['a', 'red', 'cup']), (TABLE, ['table'])]
    assert result.has_objects and counts['region boxes'] == 0


def test_without_an_object_on_the_root_the_region_is_it():
    (result, ), counts = read(region(1, TEXT, thing('table.n.01', TABLE)))
    assert named(result) == [(TABLE, ['table']), (WHOLE, ['a', 'red', 'cup'])]
    assert result.has_objects and counts['region boxes'] == 1


@pytest.mark.parametrize('broken', [
    thing('cup.n.01', CUP, synsets=['cup.n.01', 'mug.n.01']), thing('cup.n.01', CUP, synsets=[]),
    thing('plate.n.01', CUP), thing('cup.n.01', CUP, w=0)
], ids=['two synsets', 'no synset', 'not in the text', 'no width'])
def test_objects_that_are_not_tied_without_doubt_are_left_out(broken):
    (result, ), counts = read(region(1, TEXT, broken))
    assert named(result) == [(WHOLE, ['a', 'red', 'cup'])]
    assert not result.has_objects and counts['objects left out'] == 1


def test_a_synset_that_stands_twice_in_the_text_ties_nothing():
    row = region(1, TEXT, thing('cup.n.01', CUP))
    row['synsets'].append(dict(row['synsets'][0], entity_idx_start=17, entity_idx_end=22))
    assert named(read(row)[0][0]) == [(WHOLE, ['a', 'red', 'cup'])]


def test_words_are_found_again_in_the_clean_caption():
    (result, ), _ = read(region(1, '  a red   cup ,, on the  table', thing('table.n.01', TABLE)))
    assert result.caption == 'a red cup , on the table'
    assert named(result)[0] == (TABLE, ['table'])


def test_boxes_of_one_phrase_that_overlap_are_averaged():
    near, far = [10, 10, 22, 30], [50, 10, 20, 30]
    (result, ), _ = read(region(1, TEXT, *(thing('cup.n.01', box) for box in (CUP, far, near))))
    assert named(result) == [([10, 10, 21, 30], ['a', 'red', 'cup']), (far, ['a', 'red', 'cup'])]


def test_a_text_with_one_noun_is_parsed_too():
    (result, ), _ = read(region(1, 'cup near', thing('cup.n.01', CUP)))
    assert named(result) == [(CUP, ['cup'])]


def test_without_a_parser_objects_have_their_own_words_and_regions_their_whole_text():
    parser = load_parser('none')
    (first, second), counts = read(region(1, TEXT, thing('cup.n.01', CUP)), region(2, 'It is nice'), parser=parser)
    assert named(first) == [(CUP, ['cup'])] and first.key == TEXT
    assert named(second) == [(WHOLE, ['It is nice'])] and counts['region boxes'] == 1


def test_short_captions_and_empty_regions_are_dropped():
    result, counts = read(region(1, ' ab '), region(2, TEXT, box=[0, 0, 0, 5]))
    assert result == [] and counts['regions'] == 2
    assert counts['regions of less than 3 characters'] == counts['regions without area'] == 1


def test_objects_may_have_their_size_as_width_and_height():
    box = dict(zip(('x', 'y', 'width', 'height'), CUP, strict=True))
    (result, ), _ = read(region(1, TEXT, dict(object_id=1, synsets=['cup.n.01'], **box)))
    assert named(result) == [(CUP, ['a', 'red', 'cup'])]


@pytest.mark.parametrize('row, message', [
    (dict(phrase='x'), r"row 0: regions\[0\]: Object missing required field region_id, got {'phrase': 'x'}"),
    (region(9) | dict(x='1'), r"row 0: regions\[0\].x: Expected int \| float, got str, got '1'"),
    (region(9, TEXT, dict(object_id=4, synsets=[], x=1, y=1, w=1)), 'region 9: object 4 has no width and height'),
    (region(9, TEXT, thing('cup.n.01', CUP, synsets=None)), r'regions\[0\].objects\[0\].synsets: Expected array'),
    (region(9) | dict(synsets=[dict(synset_name='x', entity_idx_start=1)]), r'synsets\[0\]: .* field entity_idx_end'),
])
def test_a_broken_region_is_an_error_that_names_it(files, row, message):
    (files / 'graphs.json').write_text(json.dumps([dict(image_id=3, regions=[row])]))
    with pytest.raises(ValueError, match=f'graphs.json: .*{message}'):
        build(files)


def test_duplicates_overlap_by_half_on_shared_words_and_the_one_with_most_boxes_stays():
    counts = Counter()
    few = made(1, (0, 0, 10, 10))
    many = made(2, (0, 0, 10, 12), (50, 50, 60, 60), caption='the red cups', spans=[[[8, 12]], [[8, 12]]])
    far = made(3, (80, 80, 90, 90))
    kept = merge_regions([few, many, far], counts)
    assert [region.id for region in kept] == [2, 3] and counts['duplicates'] == 1
    np.testing.assert_array_equal(kept[0].boxes, [[0, 0, 10, 11], [50, 50, 60, 60]])


@pytest.mark.parametrize('other', [
    made(2, (0, 0, 10, 10), caption='x', key='plate'), made(2, (0, 6, 10, 16), caption='x'),
    made(2, (0, 0, 10, 10), caption='x', spans=[[[17, 22]]])
], ids=['another key', 'little overlap', 'other words'])
def test_other_regions_are_no_duplicates(other):
    assert len(merge_regions([made(1, (0, 0, 10, 10)), other], Counter())) == 2


def test_regions_without_objects_yield_to_those_with():
    counts = Counter()
    regions = [made(1, (0, 0, 10, 10), caption='x', has_objects=False), made(2, (0, 6, 10, 16)),
               made(3, (0, 40, 10, 50), caption='y', has_objects=False)]
    assert [region.id for region in merge_regions(regions, counts)] == [2, 3]
    assert counts['regions without objects that touch one with objects'] == 1


def test_equal_captions_become_one_with_the_boxes_of_all():
    counts = Counter()
    first = made(1, (0, 0, 10, 10), (30, 30, 40, 40))
    second = made(2, (0, 0, 10, 11), key='other', spans=[[[17, 22]]])
    result, = merge_regions([first, second], counts)
    assert result.id == 1 and counts['equal captions'] == 1
    np.testing.assert_array_equal(result.boxes, [[0, 0, 10, 10.5], [30, 30, 40, 40]])
    assert result.spans == [[[6, 9], [17, 22]], [[6, 9]]]


@pytest.mark.parametrize('key, kept', [('wall', 0), ('side building', 0), ('wall brick', 1)])
def test_captions_of_vague_words_alone_go(key, kept):
    assert len(merge_regions([made(1, (0, 0, 10, 10), key=key)], Counter())) == kept


@pytest.fixture
def files(tmp_path) -> Path:
    """Three images; of the second, nothing is left."""
    rows = [region(1, TEXT, thing('cup.n.01', CUP)), region(2, 'a'), region(3, 'a red cup', box=TABLE)]
    graphs = [dict(image_id=image, regions=[row]) for image, row in zip((3, 4, 5), rows, strict=True)]
    (tmp_path / 'graphs.json').write_text(json.dumps(graphs))
    sizes = [dict(image_id=image, width=100, height=90, coco_id=None) for image in (3, 4, 5)]
    (tmp_path / 'sizes.json').write_text(json.dumps(sizes))
    return tmp_path


def build(files: Path, parser=rule_parser) -> tuple[dict, Counter]:
    images, counts, work = read_graphs(files / 'graphs.json'), Counter(), Unfinished(files / 'out.json')
    work.begin({})
    write_grounding(files / 'out.json', region_pairs(images, read_sizes(files / 'sizes.json'), parser, work, counts),
                    counts)
    work.remove()
    return json.loads((files / 'out.json').read_text()), counts


@pytest.mark.parametrize('piece', [1, 2, 3, 1000])
def test_the_file(files, monkeypatch, piece):
    monkeypatch.setattr(visual_genome, 'PIECE_IMAGES', piece)
    content, counts = build(files)
    assert content['images'][0] == dict(
        file_name='3.jpg', height=90, width=100, original_id=1, original_img_id=3, caption=TEXT,
        tokens_negative=[[0, 22]], data_source='vg', dataset_name='VG', id=0)
    assert content['annotations'][0] == dict(area=600, iscrowd=0, category_id=1, bbox=CUP, image_id=0, id=0,
                                             tokens_positive=[[0, 1], [2, 5], [6, 9]])
    assert [(row['image_id'], row['bbox']) for row in content['annotations'][1:]] == [(1, TABLE)]
    assert counts['captions'] == counts['boxes'] == counts['images'] == 2 and counts['regions'] == 3


def test_interrupted_work_goes_on_and_gives_the_same_bytes(files, monkeypatch):
    monkeypatch.setattr(visual_genome, 'PIECE_IMAGES', 2)
    build(files)
    expected = (files / 'out.json').read_bytes()
    (files / 'out.json').unlink()
    asked = []

    def stopping(texts):
        asked.extend(texts := list(texts))
        if 'a red cup' in texts:
            raise KeyboardInterrupt
        return rule_parser(texts)

    with pytest.raises(KeyboardInterrupt):
        build(files, stopping)
    assert not (files / 'out.json').exists()
    again = []

    def noting(texts):
        again.extend(texts := list(texts))
        return rule_parser(texts)

    build(files, noting)
    assert (files / 'out.json').read_bytes() == expected
    assert asked == [TEXT, 'a red cup'] and again == ['a red cup']
    assert sorted(path.name for path in files.iterdir()) == ['graphs.json', 'out.json', 'sizes.json']


@pytest.mark.parametrize('graphs, message', [
    ([dict(image_id=9, regions=[])], 'graphs.json: row 0: image 9 is not in image_data.json'),
    ([dict(image_id=3)], 'graphs.json: row 0: Object missing required field regions'),
])
def test_bad_images_are_an_error(files, graphs, message):
    (files / 'graphs.json').write_text(json.dumps(graphs))
    with pytest.raises(ValueError, match=message):
        build(files)
