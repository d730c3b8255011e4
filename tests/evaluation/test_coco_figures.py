"""The figures of both evaluators are pycocotools', through its own way of reading results."""
import copy

import numpy as np
import pytest
from coco_scene import predictions, write_scene
from mmdet.datasets.api_wrappers import COCO, COCOeval
from mmdet_ext.evaluation import FastCocoMetric, coco_figures
from numpy.testing import assert_allclose, assert_array_equal


@pytest.fixture(params=['faster_coco_eval', 'pycocotools'])
def evaluator(request, monkeypatch) -> str:
    if request.param == 'pycocotools':
        monkeypatch.setattr(coco_figures, 'COCOeval_faster', None)
    else:
        pytest.importorskip('faster_coco_eval')
    return request.param


def rows_of(ann_file: str, kind: str) -> tuple[COCO, list[dict]]:
    truth = COCO(ann_file)
    metric = FastCocoMetric(ann_file)
    metric.cat_ids = truth.get_cat_ids()
    metric.process({}, predictions(ann_file))
    return truth, metric.detections([result for _, result in metric.results], kind)


def test_the_evaluator_is_the_one_that_is_there(evaluator):
    assert coco_figures.evaluator().__module__.split('.')[0] == evaluator


@pytest.mark.parametrize('max_dets', [(1, 10, 100), (1, 3, 10), (100, 300, 1000)])
@pytest.mark.parametrize('kind', ['bbox', 'segm'])
@pytest.mark.parametrize('by_class', [True, False])
def test_figures_are_those_of_pycocotools(evaluator, tmp_path, kind, max_dets, by_class):
    truth, rows = rows_of(write_scene(tmp_path), kind)
    before = copy.deepcopy(truth.dataset)
    figures = coco_figures.coco_figures(truth, copy.deepcopy(rows), kind, max_dets=max_dets, by_class=by_class)
    assert truth.dataset == before
    expected = COCOeval(truth, truth.loadRes(rows), kind)
    expected.params.maxDets, expected.params.useCats = list(max_dets), int(by_class)
    expected.evaluate()
    expected.accumulate()
    expected.summarize()
    assert figures.precision.shape == expected.eval['precision'].shape == (10, 101, 4 if by_class else 1, 4, 3)
    assert_allclose(figures.stats, expected.stats, rtol=1e-12)
    assert_allclose(figures.precision, expected.eval['precision'], rtol=1e-12)
    assert_array_equal(figures.recall, expected.eval['recall'])
    assert len(set(figures.stats.round(6))) > 6 and 0.05 < figures.stats[1] < 0.9  # there is something to get wrong


def test_classes_of_a_part_of_the_file_alone_count(evaluator, tmp_path):
    truth, rows = rows_of(write_scene(tmp_path), 'bbox')
    of_class = coco_figures.coco_figures(truth, [dict(row) for row in rows if row['category_id'] == 2], cat_ids=[2])
    every = coco_figures.coco_figures(truth, rows)
    assert_array_equal(of_class.precision[:, :, 0], every.precision[:, :, 1])


def test_an_annotation_with_the_id_0_is_found_as_any_other(evaluator, tmp_path):
    ann_file = write_scene(tmp_path)
    truth, rows = rows_of(ann_file, 'bbox')
    expected = coco_figures.coco_figures(truth, copy.deepcopy(rows))
    for row in truth.dataset['annotations']:
        row['id'] -= 1
    assert_array_equal(coco_figures.coco_figures(truth, rows).recall, expected.recall)


def test_ids_may_be_texts(evaluator, tmp_path):
    ann_file = write_scene(tmp_path)
    truth, rows = rows_of(ann_file, 'bbox')
    expected = coco_figures.coco_figures(truth, copy.deepcopy(rows))
    content = truth.dataset
    for row in [*content['annotations'], *rows]:
        row['image_id'] = f'image {row["image_id"]}'
    for image in content['images']:
        image['id'] = f'image {image["id"]}'
    truth.createIndex()
    assert_array_equal(coco_figures.coco_figures(truth, rows).precision, expected.precision)


def test_nothing_found_is_a_figure_of_0(evaluator, tmp_path):
    figures = coco_figures.coco_figures(COCO(write_scene(tmp_path)), [])
    assert_array_equal(figures.stats, np.zeros(12))


@pytest.mark.parametrize('change, message', [
    (dict(max_dets=(10, 100)), r'max_dets should be three numbers of detections, got \[10, 100\]'),
    (dict(detections=[dict(image_id=5000, category_id=1, bbox=[0, 0, 1, 1], score=1.)]), 'the image 5000'),
])
def test_bad_input_is_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        coco_figures.coco_figures(**dict(truth=COCO(write_scene(tmp_path)), detections=[]) | change)
