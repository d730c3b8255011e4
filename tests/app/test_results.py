"""What is shown of detections: their order, the caption's colours, differences of two models, files."""
import json
import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from mmdet_ext.app.comparison import compare, pair_html
from mmdet_ext.app.result import Result, joined, result_of, split_names
from mmdet_ext.app.saved import coco_of, save_coco, save_drawn
from mmdet_ext.app.stage import caption_html, label_sides, stage_html, summary_html, table_html
from mmdet_ext.predict import Detections

CAPTION = 'a <red> circle left of a star'


def detections(scores, names, boxes=None, spans=None) -> Detections:
    count = len(scores)
    boxes = np.float32(boxes if boxes is not None else [[10 * row, 0, 10 * row + 10, 20] for row in range(count)])
    sample = DetDataSample(metainfo=dict(text=CAPTION))
    sample.pred_instances = InstanceData(scores=np.float32(scores), **({} if spans is None else dict(spans=spans)))
    return Detections(boxes.reshape(-1, 4), np.float32(scores), np.arange(count), list(names), 'a.png', (40, 80),
                      sample if spans is not None else None)


def result(scores=(0.9, 0.5, 0.2), names=('cat', 'dog', 'cat'), boxes=None, image=Path('a.png')) -> Result:
    return Result('model', image, detections(scores, names, boxes))


@pytest.fixture
def grounded() -> Result:
    """Three boxes: 'a <red> circle', 'a star', and 'a <red> circle' and 'a star' at once."""
    spans = [[[0, 14]], [[23, 29]], [[0, 14], [23, 29]]]
    return Result('model', Path('a.png'), detections((0.9, 0.8, 0.7), ('circle', 'star', 'both'), spans=spans), spans,
                  CAPTION)


def test_the_best_come_first_with_their_phrases():
    shuffled = detections((0.2, 0.9), ('star', 'circle'), spans=[[[23, 29]], [[0, 14]]])
    shuffled.sample.pred_instances = InstanceData(scores=np.float32([0.2, 0.9]), spans=[[[23, 29]], [[0, 14]]])
    ordered = result_of('model', Path('a.png'), [shuffled], None, CAPTION, 0.5)
    assert ordered.detections.names == ['circle', 'star']
    assert ordered.spans == [[[0, 14]], [[23, 29]]]
    assert ordered.detections.boxes[0].tolist() == [10, 0, 20, 20]


@pytest.mark.parametrize('threshold, names, expected', [
    (0.1, (), [0, 1, 2]), (0.5, (), [0]), (0.1, ('cat', ), [0, 2]), (0.95, (), []), (0.1, ('bird', ), [])])
def test_threshold_and_filter(threshold, names, expected):
    assert result().shown(threshold, names) == expected


def test_names_that_were_looked_for_are_the_labels():
    both = joined([detections((0.9, 0.1), 'xy'), detections((0.5, ), 'z')], ['circle', 'star'])
    assert both.names == ['circle', 'circle', 'star']
    assert both.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize('text, expected', [
    ('circle, star', ['circle', 'star']), ('red star\ncircle\n\n', ['red star', 'circle']), (' , ', []), (None, []),
    ('cat, cat', ['cat'])])
def test_names_are_split_at_commas_and_lines(text, expected):
    assert split_names(text) == expected


def test_small_boxes_lie_on_large_ones():
    html = stage_html(result(boxes=[[0, 0, 10, 10], [0, 0, 80, 40], [0, 0, 20, 20]]), [0, 1, 2])
    assert re.findall(r'data-box="(\d)"', html) == ['1', '2', '0']


def test_a_box_lies_where_it_is_in_the_image():
    html = stage_html(result(boxes=[[20, 10, 40, 30], [-5, -5, 90, 50], [0, 0, 1, 1]]), [0, 1])
    assert 'left:25.00%;top:25.00%;width:25.00%;height:50.00%' in html
    assert 'left:0.00%;top:0.00%;width:100.00%;height:100.00%' in html


def test_labels_at_the_border_stand_inside_of_the_image():
    html = stage_html(result(boxes=[[70, 0, 80, 10], [0, 30, 10, 40], [0, 0, 1, 1]]), [0, 1])
    assert 'label above from-left' in html
    assert 'label in from-right' in html


def test_labels_do_not_cover_each_other_the_best_have_the_first_choice_and_those_without_a_place_wait():
    here, there = [40, 40, 60, 60], [40.2, 40, 60, 60]
    sides = label_sides(np.array([here, there, here, here, here, here, here, here, here]), [12] * 9)
    assert sides[:3] == ['above from-left', 'in from-left', 'below from-left']
    assert len(set(sides[:4])) == 4 and sides[-1].endswith('quiet')
    assert label_sides(np.array([[90, 96, 100, 100], [0, 0, 10, 10]]), [30, 99]) == ['above from-right', 'in from-left']


def test_of_boxes_at_the_same_place_the_best_is_on_top():
    html = stage_html(result(boxes=[[0, 0, 20, 20], [0, 0, 20.01, 20], [0, 0, 40, 20]]), [0, 1, 2])
    assert re.findall(r'data-box="(\d)"', html) == ['2', '1', '0']


def test_the_caption_has_the_colours_of_its_boxes(grounded):
    html = caption_html(grounded, [0, 1])
    spans = re.findall(r'--color:(#\w+)" data-keys="([^"]*)" data-shows="([^"]*)">(.*?)</span>', html)
    assert [(keys, shows, words) for _, keys, shows, words in spans] == [
        ('p0', 'p0 b0', 'a &lt;red&gt; circle'), ('p1', 'p1 b1', 'a star')]
    colors = dict(re.findall(r'data-box="(\d)".*?--color:(#\w+)', stage_html(grounded, [0, 1])))
    assert [colors['0'], colors['1']] == [color for color, *_ in spans]
    assert re.sub('<.*?>', '', html) == 'a &lt;red&gt; circle left of a star'


def test_words_that_two_phrases_share_show_the_boxes_of_both(grounded):
    html = caption_html(grounded, [0, 1, 2])
    assert 'data-keys="p0 p1" data-shows="p0 p1 b0 b2">a &lt;red&gt; circle<' in html
    assert 'data-keys="p1 p2" data-shows="p1 p2 b2 b1">a star<' in html


def test_masks_are_polygons_below_the_boxes():
    masks = np.zeros((3, 40, 80), bool)
    masks[0, 10:20, 30:60] = True
    plain = detections((0.9, 0.5, 0.2), ('cat', 'dog', 'cat'))
    html = stage_html(Result('model', Path('a.png'), replace(plain, masks=masks)), [0, 1])
    assert re.findall(r'points="(.*?)"', html) == ['30,10 30,19 59,19 59,10']
    assert html.index('<svg') < html.index('data-box')
    assert '<svg' not in stage_html(result(), [0, 1])


def test_the_answer_stands_first(grounded):
    html = summary_html(replace(grounded, answer='<yes>', seconds=0.25), [0])
    assert html.startswith('<p class="summary"><b class="answer">Answer: &lt;yes&gt;</b>')
    assert '1 box shown, 2 hidden' in html
    assert 'a.png, 80 x 40 pixels, took 0.25 s' in html


def test_names_are_no_html():
    html = table_html(result(names=('<b>', 'dog', 'cat')), [0])
    assert '<b>' not in html
    assert '&lt;b&gt;' in html


def test_boxes_of_two_models_are_paired_by_name_and_place():
    boxes = [[0, 0, 20, 20], [40, 0, 60, 20], [0, 20, 20, 40]]
    left = result(names=('cat', 'dog', 'cat'), boxes=boxes)
    right = result((0.8, 0.7, 0.6), ('Cat', 'cat', 'cat'), [[1, 0, 20, 20], [40, 0, 60, 20], [0, 10, 20, 30]])
    comparison = compare(left, right, [0, 1, 2], [0, 1, 2])
    assert comparison == ([(0, 0)], [1, 2], [1, 2])
    summary, first, second, table = pair_html(left, right, comparison)
    assert '1 in both, 2 only left, 2 only right' in summary
    assert [first.count('box only'), second.count('box only')] == [2, 2]
    assert [table.count('>only left<'), table.count('>only right<')] == [2, 2]
    assert re.findall('data-keys="m0"', first + second) == ['data-keys="m0"'] * 2


def test_a_box_is_in_one_pair_the_nearest():
    left = result((0.9, 0.8), ('cat', 'cat'), [[0, 0, 20, 20], [0, 0, 20, 18]])
    right = result((0.9, ), ('cat', ), [[0, 0, 20, 18]])
    assert compare(left, right, [0, 1], [0]) == ([(1, 0)], [0], [])


@pytest.mark.parametrize('left_rows, right_rows', [([], [0]), ([0], []), ([], [])])
def test_nothing_to_compare(left_rows, right_rows):
    assert compare(result(), result(), left_rows, right_rows) == ([], left_rows, right_rows)


def test_coco_json_has_boxes_scores_and_the_classes_of_the_model():
    content = coco_of(result(), [0, 1], ['dog', 'cat'])
    assert content['categories'] == [dict(id=1, name='dog'), dict(id=2, name='cat')]
    assert content['images'] == [dict(id=1, file_name='a.png', width=80, height=40)]
    assert content['annotations'][0] == dict(id=1, image_id=1, category_id=2, bbox=[0, 0, 10, 20], area=200, iscrowd=0,
                                             score=0.9)
    assert json.loads(save_coco(result(), [0, 1], ['dog', 'cat']).read_text()) == content


def test_the_drawn_image_has_the_boxes(tmp_path):
    cv2.imwrite(str(tmp_path / 'a.png'), np.zeros((40, 80, 3), np.uint8))
    box = Detections(np.float32([[10, 10, 30, 30]]), np.float32([0.9]), np.array([0]), ['cat'], str(tmp_path / 'a.png'),
                     (40, 80))
    one = Result('model', tmp_path / 'a.png', box)
    drawn, empty = cv2.imread(str(save_drawn(one, [0]))), cv2.imread(str(save_drawn(one, [])))
    assert drawn.any()
    assert not empty.any()
