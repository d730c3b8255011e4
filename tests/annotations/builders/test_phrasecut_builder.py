"""PhraseCut's phrases as annotation files."""
import json
from collections import Counter
from pathlib import Path

import pytest

from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.annotations.builders.image_lists import read_sizes
from mmdet_ext.annotations.builders.phrasecut import phrasecut_pairs, read_tasks

TRIANGLE = [[1, 2], [10, 2], [10, 9.5]]
SQUARE = [[20, 2], [30, 2], [30, 9], [20, 9]]
SIZES = {'7': (40, 60)}


def task(**fields) -> dict:
    return dict(image_id=7, phrase='red bus', task_id='7__0', Polygons=[[TRIANGLE], [SQUARE, TRIANGLE]],
                instance_boxes=[[1, 2, 9, 7.5], [1, 2, 29, 7.5]]) | fields


@pytest.fixture
def build(tmp_path):

    def run(tasks: object, **options) -> tuple:
        source = tmp_path / 'refer_train.json'
        source.write_text(json.dumps(tasks))
        counts = Counter()
        write_grounding(tmp_path / 'out.json', phrasecut_pairs(read_tasks(source), SIZES, counts, **options), counts)
        return json.loads((tmp_path / 'out.json').read_text()), counts

    return run


def test_the_last_polygon_of_an_instance_is_kept_or_all_are(build):
    content, counts = build([task()])
    triangle, square = [1, 2, 10, 2, 10, 9.5], [20, 2, 30, 2, 30, 9, 20, 9]
    assert [row['segmentation'] for row in content['annotations']] == [[triangle], [triangle]]
    assert counts['left out: polygons before the last of their instance'] == 1
    content, counts = build([task()], polygons='all')
    assert [row['segmentation'] for row in content['annotations']] == [[triangle], [square, triangle]]
    assert [row['area'] for row in content['annotations']] == [67.5, 217.5] and counts['boxes'] == 2


def test_polygons_without_area_and_instances_without_polygons_are_left_out_and_counted(build):
    content, counts = build([task(Polygons=[[TRIANGLE, TRIANGLE[:2]], [[]]]), task(Polygons=[], instance_boxes=[])])
    assert [row['segmentation'] for row in content['annotations']] == [[[1, 2, 10, 2, 10, 9.5]]]
    assert counts['left out: polygons of fewer than three points'] == 2
    assert counts['left out: instances without a polygon'] == 1 and counts['captions without boxes'] == 1


def test_the_same_input_gives_the_same_bytes(build, tmp_path):
    build([task(), task(phrase='größer')])
    first = (tmp_path / 'out.json').read_bytes()
    build([task(), task(phrase='größer')])
    assert (tmp_path / 'out.json').read_bytes() == first and first.endswith(b'}\n')


@pytest.mark.parametrize('change, message', [
    (dict(phrase=' '), r": phrase: Expected str that is not blank, got ' '"),
    (dict(image_id=8), ', task 7__0: there is no size of image 8'),
    (dict(instance_boxes=[[1, 2, 3, 4]]), r', task 7__0: .* lists of one length, got \[2, 1\]'),
    (dict(Polygons=None), ': Polygons: Expected array, got null, got None'),
    (dict(instance_boxes=[[1, 2, 3, 4], [1, 2, '3', 4]]), r": instance_boxes\[1\]\[2\]: Expected .*, got '3'"),
    (dict(Polygons=[[TRIANGLE], [[[1, 2], [3], [4, 5]]]]), r': Polygons\[1\]\[0\]\[1\]: Expected .*, got \[3\]'),
    (dict(Polygons=[[TRIANGLE], 5]), r': Polygons\[1\]: Expected array, got int, got 5'),
])
def test_a_broken_phrase_is_an_error_that_names_row_and_value(build, tmp_path, change, message):
    with pytest.raises(ValueError, match=f'refer_train.json: row 1{message}'):
        build([task(), task() | change])
    assert not (tmp_path / 'out.json').exists()


@pytest.mark.parametrize('content, message', [
    ('[{"height": 3}]', 'row 0: Object missing required field image_id'), ('5', 'Expected object | array, got int'),
    ('[', 'is no json'),
    ('[{"image_id": 4, "height": 3, "width": 0}]', r'row 0: width: Expected int >= 1, got 0'),
    ('{"4": [3, "5"]}', r"image 4: \[1\]: Expected int, got str, got '5'"),
])
def test_broken_sizes_are_an_error_that_names_the_image(tmp_path: Path, content, message):
    (tmp_path / 'sizes.json').write_text(content)
    with pytest.raises(ValueError, match=f'sizes.json.*{message}'):
        read_sizes(tmp_path / 'sizes.json')
