import json
from math import nan

import pytest
import torch
from mmdet.registry import METRICS
from mmdet_ext.evaluation import AgnosticCocoMetric

FIRST, SECOND, WRONG = [0., 0., 20., 20.], [40., 0., 60., 20.], [70., 70., 90., 90.]


@pytest.fixture
def ann_file(tmp_path) -> str:
    """Captions 0 and 1 with one box each, of different categories; the ids of annotations begin with 0."""
    images = [dict(id=i, file_name='a.jpg', width=100, height=100, caption='thing') for i in range(2)]
    rows = [dict(id=i, image_id=i, category_id=i + 1, bbox=[x, 0, 20, 20], area=400, iscrowd=0)
            for i, x in enumerate((0, 40))]
    categories = [dict(id=i, name=f'c{i}') for i in (1, 2)]
    path = tmp_path / 'grounding.json'
    path.write_text(json.dumps(dict(images=images, annotations=rows, categories=categories)))
    return str(path)


def evaluate(ann_file: str, *samples: tuple[int, list, list]) -> dict[str, float]:
    metric = METRICS.build(dict(type='AgnosticCocoMetric', ann_file=ann_file))
    for img_id, boxes, scores in samples:
        prediction = dict(bboxes=torch.tensor(boxes).view(-1, 4), scores=torch.tensor(scores))
        metric.process({}, [dict(img_id=img_id, pred_instances=prediction)])
    return metric.evaluate(size=len(samples))


def test_categories_do_not_count(ann_file):
    metrics = evaluate(ann_file, (0, [FIRST], [0.9]), (1, [SECOND], [0.8]))
    assert metrics == {f'agnostic/bbox_{name}': pytest.approx(value, nan_ok=True) for name, value in dict(
        mAP=1, mAP_50=1, mAP_75=1, mAP_s=1, mAP_m=nan, mAP_l=nan).items()}


def test_ap_by_hand(ann_file):
    # the wrong box is between the right ones: precision 1 up to a recall of 1/2 (51 of 101 points), then 2/3
    metrics = evaluate(ann_file, (0, [FIRST, WRONG], [0.9, 0.85]), (1, [SECOND], [0.8]))
    assert metrics['agnostic/bbox_mAP_50'] == pytest.approx((51 + 50 * 2 / 3) / 101)
    # IoU 0.775: found up to 0.75, 6 of 10 thresholds; an image without predictions is missed
    metrics = evaluate(ann_file, (0, [[0., 0., 20., 15.5]], [0.9]))
    assert metrics['agnostic/bbox_mAP'] == pytest.approx(0.6 * 51 / 101)


def test_a_model_that_detects_nothing_has_an_ap_of_0(ann_file):
    metrics = evaluate(ann_file, (0, [], []), (1, [], []))
    assert metrics['agnostic/bbox_mAP'] == metrics['agnostic/bbox_mAP_s'] == 0


def test_an_unknown_image_is_an_error(ann_file):
    with pytest.raises(ValueError, match='grounding.json has no image 2'):
        AgnosticCocoMetric(ann_file).process({}, [dict(img_id=2)])
