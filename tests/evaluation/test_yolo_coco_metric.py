import json

import numpy as np
import pytest
import torch
from mmdet_ext.evaluation import YOLOCocoMetric

CLASSES = ('cat', 'dog')


@pytest.fixture
def ann_file(tmp_path) -> str:
    """An image with a cat and a dog."""
    rows = [dict(id=i, image_id=1, category_id=i, bbox=[10 * i, 10, 20, 20], area=400, iscrowd=0) for i in (1, 2)]
    content = dict(
        images=[dict(id=1, file_name='1.png', width=100, height=80)], annotations=rows,
        categories=[dict(id=i, name=name) for i, name in enumerate(CLASSES, 1)])
    path = tmp_path / 'ann.json'
    path.write_text(json.dumps(content))
    return str(path)


def evaluate(metric: YOLOCocoMetric, boxes, scores, labels) -> dict[str, float]:
    metric.dataset_meta = dict(classes=CLASSES)
    labels = torch.tensor(labels, dtype=torch.long)
    predictions = dict(bboxes=torch.tensor(boxes).view(-1, 4), scores=torch.tensor(scores), labels=labels)
    metric.process({}, [dict(img_id=1, ori_shape=(80, 100), pred_instances=predictions)])
    return metric.evaluate(size=1)


CAT, DOG = [10., 10., 30., 30.], [20., 10., 40., 30.]


def test_fitness_by_hand(ann_file):
    metrics = evaluate(YOLOCocoMetric(ann_file), [CAT], [0.9], [0])  # one class found, the other missed
    assert metrics['coco/bbox_mAP'] == metrics['coco/bbox_mAP_50'] == 0.5
    assert metrics['coco/fitness'] == pytest.approx(0.5)
    loose = [20., 10., 40., 25.5]  # IoU 0.775: found up to 0.75, 6 of 10 thresholds
    metrics = evaluate(YOLOCocoMetric(ann_file), [CAT, loose], [0.9, 0.8], [0, 1])
    assert (metrics['coco/bbox_mAP'], metrics['coco/bbox_mAP_50']) == (0.8, 1.0)
    assert metrics['coco/fitness'] == pytest.approx(0.1 * 1.0 + 0.9 * 0.8)


def test_a_model_that_detects_nothing_has_a_fitness_of_0(ann_file):
    metrics = evaluate(YOLOCocoMetric(ann_file), [], [], [])
    assert metrics['coco/fitness'] == metrics['coco/bbox_mAP'] == metrics['coco/bbox_mAP_s'] == 0


def test_what_is_written_is_rounded(ann_file, tmp_path):
    metric = YOLOCocoMetric(ann_file, format_only=True, outfile_prefix=str(tmp_path / 'out'))
    assert evaluate(metric, [[10.00049, 10.12345, 30.1, 30.99999]], [0.1234567], [1]) == {}
    row, = json.loads((tmp_path / 'out.bbox.json').read_text())
    assert row == dict(image_id=1, category_id=2, bbox=[10.0, 10.123, 20.1, 20.877], score=0.12346)


def test_only_100_detections_of_an_image_count(ann_file):
    boxes = [[50., 50., 60., 60.]] * 100 + [CAT]
    scores = np.linspace(0.9, 0.5, 101).tolist()
    metrics = evaluate(YOLOCocoMetric(ann_file), boxes, scores, [0] * 101)
    assert metrics['coco/bbox_mAP_50'] == 0
    metrics = evaluate(YOLOCocoMetric(ann_file, proposal_nums=(1, 100, 1000)), boxes, scores, [0] * 101)
    assert metrics['coco/bbox_mAP_50'] > 0


@pytest.mark.parametrize('wrong', [dict(metric=['bbox', 'segm']), dict(metric_items=['mAP'])])
def test_rejects_what_leaves_no_fitness(wrong):
    with pytest.raises(ValueError, match='segm|metric_items'):
        YOLOCocoMetric(**wrong)
