"""Data sets and metrics count the same boxes, and what is not defined is never the best: values worked out by hand."""
import json
from math import isnan, nan

import pytest
import torch
from mmdet.registry import DATASETS, METRICS
from mmengine.hooks import CheckpointHook
from mmengine.logging import MMLogger

CLASSES = dict(classes=('dog', ))
COCO_METRICS = ('FastCocoMetric', 'YOLOCocoMetric')
COCO_SETS = ('CheckedCocoDataset', 'YOLOCocoDataset')


@pytest.fixture
def write(tmp_path):
    """Write an annotation file of one image with these annotations."""

    def write(*rows: dict) -> str:
        rows = [dict(id=i, image_id=1, category_id=1, tokens_positive=[[0, 3]], **row) for i, row in enumerate(rows, 1)]
        image = dict(id=1, file_name='1.png', width=96, height=64, caption='dog', tokens_positive_eval=[[[0, 3]]])
        (tmp_path / 'ann.json').write_text(json.dumps(dict(images=[image], annotations=rows,
                                                           categories=[dict(id=1, name='dog')])))
        return str(tmp_path / 'ann.json')

    return write


def evaluate(kind: str, file: str, *boxes: list[float]) -> dict[str, float]:
    """Metrics of these boxes (x1, y1, x2, y2), with falling scores."""
    metric = METRICS.build(dict(type=kind, ann_file=file))
    metric.dataset_meta = CLASSES
    boxes = torch.tensor(boxes).view(-1, 4).float()
    scores = 1 - torch.arange(len(boxes)) / 10
    instances = dict(bboxes=boxes, scores=scores, labels=torch.zeros(len(boxes), dtype=torch.long),
                     phrase_scores=scores[:, None])
    metric.process({}, [dict(img_id=1, ori_shape=(64, 96), pred_instances=instances)])
    return {name.partition('/')[2]: value for name, value in metric.evaluate(1).items()}


def counted(kind: str, file: str) -> tuple[int, int]:
    """Boxes to be found, and boxes to be ignored."""
    options = dict(metainfo=CLASSES) if kind in COCO_SETS else {}
    dataset = DATASETS.build(dict(type=kind, ann_file=file, data_prefix=dict(img=''), **options))
    flags = [instance['ignore_flag'] for instance in dataset.get_data_info(0)['instances']]
    return flags.count(0), flags.count(1)


FIRST, SECOND, CROWD = [5, 5, 30, 40], [50, 5, 30, 40], [0, 0, 96, 64]  # (x, y, w, h), 1200 pixels: medium
FOUND = [5, 5, 35, 45]  # FIRST
OUTSIDE = [60, 50, 90, 60]  # no object


@pytest.mark.parametrize('rows, objects', [
    ([dict(bbox=FIRST), dict(bbox=SECOND)], 2),
    ([dict(bbox=FIRST, area=None, iscrowd=None), dict(bbox=SECOND, area=0, iscrowd=0)], 2),
    ([dict(bbox=FIRST), dict(bbox=SECOND, iscrowd=1)], 1),
    ([dict(bbox=FIRST), dict(bbox=SECOND, iscrowd=True, area=5)], 1),
    ([dict(bbox=FIRST), dict(bbox=SECOND, ignore=1)], 1),
])
def test_data_sets_and_metrics_count_the_same_objects(write, rows, objects):
    file = write(*rows)
    assert {kind: counted(kind, file)[0] for kind in COCO_SETS} == dict.fromkeys(COCO_SETS, objects)
    for kind in COCO_METRICS:
        metrics = evaluate(kind, file, FOUND)
        # one of two is found: precision 1 up to a recall of 1/2, which 51 of 101 recalls are
        assert metrics['bbox_mAP'] == (1 if objects == 1 else round(51 / 101, 3))
        assert metrics['bbox_mAP_m'] == metrics['bbox_mAP']


def test_the_boxes_of_a_file_of_boxes_alone_have_their_size(write):
    file = write(dict(bbox=[5, 5, 30, 30]), dict(bbox=[50, 5, 40, 40]))  # 900 pixels: small; 1600: medium
    for kind in COCO_METRICS:
        metrics = evaluate(kind, file, [5, 5, 35, 35])
        assert (metrics['bbox_mAP_s'], metrics['bbox_mAP_m']) == (1, 0) and isnan(metrics['bbox_mAP_l'])


def test_crowds_are_to_be_ignored_and_what_lies_in_them_costs_nothing(write):
    file = write(dict(bbox=FIRST), dict(bbox=CROWD, iscrowd=1))
    assert {counted(kind, file) for kind in COCO_SETS} == {(1, 1)} and counted('MDETRDataset', file) == (1, 0)
    kinds = (*COCO_METRICS, 'AgnosticCocoMetric')
    assert {evaluate(kind, file, OUTSIDE, FOUND)['bbox_mAP'] for kind in kinds} == {1}
    file = write(dict(bbox=FIRST))
    assert {evaluate(kind, file, OUTSIDE, FOUND)['bbox_mAP'] for kind in kinds} == {0.5}  # 1/2 at all recalls


def test_crowds_are_no_targets_of_phrases_and_expressions(write):
    file = write(dict(bbox=SECOND, iscrowd=1), dict(bbox=FIRST))
    assert evaluate('ReferringMetric', file, FOUND)['unnamed_precision@1'] == 1
    assert evaluate('PhraseGroundingMetric', file, [50, 5, 80, 45])['recall@1_all'] == 0
    assert evaluate('PhraseGroundingMetric', file, FOUND)['recall@1_all'] == 1


@pytest.mark.parametrize('kind', COCO_METRICS)
@pytest.mark.parametrize('rows', [[], [dict(bbox=FIRST, iscrowd=1)], [dict(bbox=FIRST, ignore=1)]])
def test_without_any_object_nothing_is_measured(write, kind, rows, caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    for boxes in ([FOUND], []):
        assert all(map(isnan, evaluate(kind, write(*rows), *boxes).values()))
    logger.removeHandler(caplog.handler)
    assert 'bbox_mAP, ' in caplog.text and 'ann.json has no objects that they count' in caplog.text


@pytest.mark.parametrize('kind, message', [
    ('AgnosticCocoMetric', 'no box to be found'), ('PhraseGroundingMetric', 'no annotation of image 1'),
    ('ReferringMetric', 'image 1 .* has 0 annotations')])
def test_grounding_metrics_refuse_a_file_without_any_object(write, kind, message):
    with pytest.raises(ValueError, match=f'ann.json: .*{message}'):
        evaluate(kind, write(dict(bbox=FIRST, iscrowd=1)), FOUND)


@pytest.mark.parametrize('rule', ['greater', 'less'])
def test_save_best_never_chooses_what_is_not_defined(rule):
    hook = CheckpointHook(save_best='coco/bbox_mAP_l', rule=rule)
    better = hook.rule_map[rule]
    assert not better(nan, hook.init_value_map[rule]) and not better(nan, 0.3)
    assert better(0.3, hook.init_value_map[rule])
