"""Groups of the optimizers of our configs."""
from pathlib import Path

import pytest

from mmdet_ext.benchmarks.optimizer import GroupCounts, parameter_groups

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@pytest.mark.parametrize('name, expected', [
    ('yolov9/yolov9t_shapes', GroupCounts(897, 897, 3)),  # weights, norms, biases
    ('smca/smca_r50_50e_coco', GroupCounts(277, 277, 2)),  # backbone and the rest
    ('mdetr/mdetr_r101_refcoco', GroupCounts(491, 491, 3)),  # the text encoder is alone, at the backbone's rate
    ('mdetr/mdetr_r18_shapes', GroupCounts(365, 1, 1)),  # no paramwise_cfg
    ('mix/rd_rtmdet_tiny_8xb32-300e_coco', GroupCounts(249, 249, 2)),
])
def test_groups_before_and_after(name, expected):
    assert parameter_groups(CONFIGS / f'{name}.py') == expected


def test_the_model_may_be_changed_before():
    counts = parameter_groups(CONFIGS / 'smca/smca_r50_50e_coco.py', lambda cfg: cfg.backbone.update(frozen_stages=4))
    assert counts.ours == 1 and counts.parameters == counts.mmengine < 277
