"""To which sizes the configs of SMCA-DETR on COCO bring an image: those of the published recipe, by hand."""
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mmdet.registry import TRANSFORMS
from mmengine.config import Config

CONFIGS = sorted((Path(__file__).resolve().parents[2] / 'configs/smca').glob('smca_*_coco*.py'))
assert len(CONFIGS) > 10
EVALUATION = dict(type='FloorResize', scales=[(800, 1333)])
SHORT_SIDES = (480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800)
TRAINING = dict(type='FloorResize', scales=[(short, 1333) for short in SHORT_SIDES])
BEFORE_CROP = dict(type='FloorResize', scales=[(400, None), (500, None), (600, None)])


def resizes(steps: list) -> Iterator[dict]:
    """The steps of a pipeline that change an image's size, those inside of other steps too."""
    for step in steps:
        if isinstance(step, list):
            yield from resizes(step)
        elif 'transforms' in step:
            yield from resizes(step['transforms'])
        elif 'Resize' in step['type']:
            yield dict(step)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_images_are_resized_by_the_published_rule(path, monkeypatch):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    cfg = Config.fromfile(path)
    assert list(resizes(cfg.train_dataloader.dataset.pipeline)) == [TRAINING, BEFORE_CROP, TRAINING]
    assert list(resizes(cfg.val_dataloader.dataset.pipeline)) == [EVALUATION]
    assert list(resizes(cfg.test_dataloader.dataset.pipeline)) == [EVALUATION]


@pytest.mark.parametrize('size, resized', [
    ((640, 427), (1199, 800)),  # 640 * 800 / 427 = 1199.06
    ((427, 640), (800, 1199)),
    ((640, 480), (1066, 800)),  # 1066.67: mmdet's Resize gives 1067
    ((1000, 400), (1332, 533)),  # limited by 1333: 533.2 is rounded, 533 * 2.5 = 1332.5 is rounded down
])
def test_that_rule_by_hand(size, resized):
    img = np.zeros((*size[::-1], 3), np.uint8)
    assert TRANSFORMS.build(EVALUATION)(dict(img=img))['img'].shape == (*resized[::-1], 3)
