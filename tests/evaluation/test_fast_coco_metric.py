"""`FastCocoMetric` says what mmdet's `CocoMetric` says."""
import json

import numpy as np
import pytest
import torch
from coco_scene import CLASSES, predictions, write_scene
from mmdet.evaluation import CocoMetric
from mmdet_ext.evaluation import FastCocoMetric


def evaluate(kind: type, samples: list[dict], *args, **options) -> dict[str, float]:
    metric = kind(*args, **options)
    metric.dataset_meta = dict(classes=CLASSES)
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(size=len(samples))


@pytest.mark.parametrize('options', [
    dict(), dict(metric=['bbox', 'segm', 'proposal'], classwise=True), dict(metric='proposal'),
    dict(iou_thrs=np.array([0.3, 0.5])), dict(metric_items=['mAP_s', 'AR@300'], proposal_nums=(2, 20, 200)),
])
def test_results_are_those_of_mmdet(tmp_path, options):
    ann_file = write_scene(tmp_path)
    metrics, expected = (evaluate(kind, predictions(ann_file), ann_file, **options)
                         for kind in (FastCocoMetric, CocoMetric))
    assert metrics.keys() == expected.keys() and len(metrics) > 1
    for key, value in expected.items():
        assert metrics[key] == value or (np.isnan(metrics[key]) and (np.isnan(value) or value == -1)), key
    assert 'segm' not in options.get('metric', ()) or metrics['coco/segm_mAP_50'] > 0.05


def test_truth_may_come_with_the_samples():
    instances = [dict(bbox=[10., 10., 50., 60.], bbox_label=1, ignore_flag=0)]
    results = [evaluate(kind, [dict(hit(), instances=instances)], classwise=True)
               for kind in (FastCocoMetric, CocoMetric)]
    assert results[0]['coco/bbox_mAP'] == results[1]['coco/bbox_mAP'] == 0.7
    assert results[0]['coco/dog_precision'] == results[1]['coco/dog_precision'] == 0.7


def hit() -> dict:
    """A dog with an IoU of 0.82, which 7 of 10 thresholds are below."""
    return dict(img_id=0, ori_shape=(120, 160), pred_instances=dict(
        bboxes=torch.tensor([[10., 10., 50., 51.]]), scores=torch.tensor([0.9]), labels=torch.tensor([1])))


def test_files_for_a_test_server_are_mmdets(tmp_path):
    ann_file = write_scene(tmp_path)
    for kind in (FastCocoMetric, CocoMetric):
        assert evaluate(kind, predictions(ann_file), ann_file, metric=['bbox', 'segm'], format_only=True,
                        outfile_prefix=str(tmp_path / kind.__name__)) == {}
    for name in ('bbox', 'segm'):
        rows, rows_of_mmdet = (json.loads((tmp_path / f'{kind}.{name}.json').read_text())
                               for kind in ('FastCocoMetric', 'CocoMetric'))
        assert len(rows) == 480 and rows == rows_of_mmdet


def test_a_model_that_detects_nothing_has_figures_of_0(tmp_path):
    ann_file = write_scene(tmp_path)
    samples = [dict(sample, pred_instances={key: values[:0] for key, values in sample['pred_instances'].items()})
               for sample in predictions(ann_file)]
    assert set(evaluate(FastCocoMetric, samples, ann_file, metric=['bbox', 'segm']).values()) == {0}


@pytest.mark.parametrize('options, message', [
    (dict(proposal_nums=(1, 100)), r'proposal_nums should be three numbers of detections, got \[1, 100\]'),
    (dict(metric_items=['mAP_99']), "got \\['mAP_99'\\]"),
    (dict(proposal_nums=(1, 10, 500)), r'should have 100, .* got \[1, 10, 500\]'),
    (dict(proposal_nums=(1, 10, 500), metric=['proposal', 'segm']), 'should have 100'),
    (dict(proposal_nums=(1, 10, 500), metric='proposal', metric_items=['mAP']), 'should have 100'),
])
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        FastCocoMetric(**options)


def test_without_100_detections_what_is_not_computed_there_may_be_asked_for():
    FastCocoMetric(proposal_nums=(1, 10, 500), metric_items=['mAP_50'])
    FastCocoMetric(proposal_nums=(1, 10, 500), metric=['proposal', 'proposal_fast'])


def test_nothing_to_evaluate_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='no predictions to evaluate on .*scene.json'):
        FastCocoMetric(write_scene(tmp_path)).compute_metrics([])


def test_masks_that_are_asked_for_and_not_there_are_an_error(tmp_path):
    ann_file = write_scene(tmp_path)
    with pytest.raises(ValueError, match='the predictions have no masks'):
        evaluate(FastCocoMetric, [hit()], ann_file, metric='segm')
