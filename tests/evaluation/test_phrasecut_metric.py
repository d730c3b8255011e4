"""PhraseCutMetric: the published numbers, figures worked out by hand, both kinds of files, and errors."""
import json

import numpy as np
import pytest
import torch
from golden.cases import load_case
from mmdet.registry import METRICS
from torch.testing import assert_close

from mmdet_ext.evaluation import PhraseCutMetric
from mmdet_ext.evaluation.phrasecut_tasks import box_set_iou, draw_polygons, overlap
from mmdet_ext.shapes import ShapesConfig, make_shapes

SIZE = (10, 20)


@pytest.fixture
def write(tmp_path):
    def write(content) -> str:
        (tmp_path / 'ann.json').write_text(json.dumps(content))
        return str(tmp_path / 'ann.json')

    return write


def task(id_: str, *polygons, boxes=((0, 0, 5, 5), )) -> dict:
    """A task with one instance of the polygons; by default x from 0 to 3, y from 0 to 1, 8 pixels."""
    polygons = polygons or ([[0, 0], [3, 0], [3, 1], [0, 1]], )
    return dict(task_id=id_, image_id=1, phrase='it', Polygons=[list(polygons)], instance_boxes=list(boxes))


def sample(key: str | int, *regions: tuple[int, int, int, int], name: str = 'task_id') -> dict:
    """A prediction of masks that fill regions (x1, y1, x2, y2)."""
    masks = torch.zeros(len(regions), *SIZE, dtype=torch.bool)
    for mask, (x1, y1, x2, y2) in zip(masks, regions):
        mask[y1:y2, x1:x2] = True
    boxes = torch.tensor(regions, dtype=torch.float32).view(-1, 4)
    return {name: key, 'ori_shape': SIZE, 'pred_instances': dict(masks=masks, bboxes=boxes)}


def test_boxes_and_masks_have_the_published_iou():
    case = load_case('mdetr', 'data_phrasecut')
    for row in case.results['box_iou']:
        pair = row['pred_xywh'], row['gt_xywh']
        assert box_set_iou(*pair) == row['iou'] == box_set_iou(*pair[::-1])
    expected = case.results['mask_iou']
    predicted = case['pred_mask'].numpy().astype(bool)
    shared = overlap(predicted, draw_polygons(expected['polygons'], *predicted.shape))
    assert (*shared, shared.iou) == tuple(expected[key] for key in ('intersection', 'union', 'iou'))


def test_polygons_are_drawn_with_their_edges_and_cut_corners():
    polygons = [[(1.9, 1.2), (4.9, 1.2), (4.9, 3.9), (1.9, 3.9)], [(-3, 8), (2, 8), (2, 30), (-3, 30)]]
    drawn = draw_polygons(polygons, *SIZE)
    expected = np.zeros(SIZE, dtype=bool)
    expected[1:4, 1:5] = True
    expected[8:, :3] = True
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize('boxes, iou', [(((-7, -3, 12, 8), ), 1.), ((), 0.), (((0, 0, 1, 9), ), 0.)])
def test_boxes_that_stick_out_or_hold_no_pixel(boxes, iou):
    assert box_set_iou(boxes, [(0, 0, 5, 5)]) == iou


def test_figures_by_hand(write):
    metric = PhraseCutMetric(write([task('a'), task('b'), task('c'), task('d')]))
    metric.process({}, [sample('a', (0, 0, 2, 2), (2, 0, 4, 2))])  # IoU 1, of two masks together
    metric.process({}, [sample('b', (0, 0, 4, 4)), sample('c', (0, 0, 4, 1), (0, 0, 2, 2))])  # 8 of 16, 6 of 8
    metric.process({}, [sample('d')])  # nothing is found
    metrics = metric.evaluate(size=4)
    shares = {0.5: 2, 0.6: 2, 0.7: 2, 0.8: 1, 0.9: 1}  # an IoU of exactly 0.5 is not above it
    expected = {'phrasecut/mean_iou': (1 + 0.5 + 0.75) / 4, 'phrasecut/cumulative_iou': (8 + 8 + 6) / (8 + 16 + 8 + 8)}
    expected |= {f'phrasecut/precision@{threshold}': count / 4 for threshold, count in shares.items()}
    boxes = {name: metrics.pop(name) for name in list(metrics) if name.startswith('phrasecut/box_')}
    assert metrics == pytest.approx(expected)
    # the target has 4 x 4 pixels, the first boxes 1 x 1 each, the second one 3 x 3, the third none and 1 x 1
    assert boxes.pop('phrasecut/box_mean_iou') == pytest.approx((2 / 16 + 9 / 16 + 1 / 16) / 4)
    assert boxes == {f'phrasecut/box_precision@{threshold}': 0.25 if threshold == 0.5 else 0. for threshold in shares}


def test_all_polygons_of_all_instances_count(write):
    polygons = ([[0, 0], [3, 0], [3, 1], [0, 1]], [[8, 0], [9, 0], [9, 1], [8, 1]])
    content = task('a', *polygons) | dict(Polygons=[list(polygons), [[[0, 8], [1, 8], [1, 9], [0, 9]]]])
    metric = PhraseCutMetric(write([content]), thresholds=(0.5, ))
    metric.process({}, [sample('a', (0, 0, 4, 2), (8, 0, 10, 2), (0, 8, 2, 10))])
    assert metric.evaluate(size=1)['phrasecut/mean_iou'] == 1


def test_shapes_masks_are_all_right_where_all_is_found(tmp_path):
    make_shapes(tmp_path / 'shapes', ShapesConfig(train=3, val=1, test=1))
    file = tmp_path / 'shapes/annotations/refexp_train.json'
    content = json.loads(file.read_text())
    metric = METRICS.build(dict(type='PhraseCutMetric', ann_file=str(file)))
    for id_, phrase_task in metric.tasks.items():
        image = next(image for image in content['images'] if image['id'] == id_)
        shape = (image['height'], image['width'])
        masks = torch.from_numpy(metric.rasterise(phrase_task.outlines, *shape))[None]
        (x, y, w, h), = phrase_task.boxes
        metric.process({}, [dict(img_id=id_, ori_shape=shape, pred_instances=dict(
            masks=masks, bboxes=torch.tensor([[x, y, x + w, y + h]])))])
        assert masks.sum() == sum(row['area'] for row in content['annotations'] if row['image_id'] == id_)
    metrics = metric.evaluate(size=len(metric.tasks))
    assert_close(torch.tensor(list(metrics.values())), torch.ones(len(metrics)))


@pytest.mark.parametrize('content, message', [
    ([task('a'), task('a')], 'ann.json: task a is there twice'),
    ([dict(task_id='a', Polygons=[])], 'ann.json: row 0 has no instance_boxes'),
    ([task('a') | dict(Polygons=[])], 'ann.json: task a has no instance'),
    ([task('a', [[1, 2]])], r'ann.json: task a has a polygon that is no list of points \(x, y\): \[\[1, 2\]\]'),
    (dict(images=[]), "'images' is missing or empty"),
    (dict(images=[dict(id=3, file_name='a.png', width=9, height=9)]), 'image 3 has no annotation to be found'),
    (dict(images=[dict(id=3, file_name='a.png')]), r'row 0 of images \(id 3\) has no width'),
    (dict(images=[dict(id=3, file_name='a.png', width=9, height=9)],
          annotations=[dict(id=7, image_id=3, bbox=[0, 0, 1, 1])]),
     'image 3, annotation 7: there is no segmentation'),
])
def test_files_that_cannot_be_measured_with_are_named(write, content, message):
    with pytest.raises(ValueError, match=message):
        PhraseCutMetric(write(content))


def test_wrong_predictions_are_named(write):
    metric = PhraseCutMetric(write([task('a'), task('b')]))
    for wrong_sample, message in ((sample('a', name='img_id'), 'the data samples have no task_id'),
                                  (sample('z'), 'has no task_id z'),
                         (sample('a') | dict(pred_instances=dict(bboxes=torch.zeros(0, 4))), 'task_id a: .* no masks'),
                         (sample('a') | dict(ori_shape=(5, 5)), r'are of \(10, 20\), the image is of \(5, 5\)')):
        with pytest.raises(ValueError, match=message):
            metric.process({}, [wrong_sample])
    metric.process({}, [sample('a')])
    with pytest.raises(ValueError, match='no predictions for 1 of its phrases. The first: b'):
        metric.evaluate(size=1)
