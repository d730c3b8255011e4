"""What the drawings are tested on: an image with made-up features, and a small detector."""
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmdet_ext.visualization.dictionary.capture import Capture, Probe
from mmdet_ext.cell_grid import CellGrid

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def make_capture() -> Callable[..., Capture]:
    """A capture of a grey image of 48 x 32 pixels (width, height): 6 x 4 cells of 8 pixels and 2 rows of padding."""

    def make(coefficients: torch.Tensor | None = None, path: str = 'grey.png') -> Capture:
        grid = CellGrid((32, 48), (6, 6), (0., -8., 48., 40.))
        coefficients = torch.randn(5, 6, 6) if coefficients is None else coefficients
        before, retrieved = torch.randn(2, 8, 6, 6)
        predictions = InstanceData(bboxes=torch.zeros(0, 4), scores=torch.zeros(0))
        return Capture(Path(path), np.full((32, 48, 3), 128, np.uint8), grid, before, coefficients, retrieved,
                       0.2 * before + 0.8 * retrieved, predictions)

    return make


@pytest.fixture
def image_file(tmp_path) -> Path:
    """A image of 96 x 64 pixels (width, height) of random colours."""
    path = tmp_path / 'noise.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
    return path


@pytest.fixture(scope='session')
def probe() -> Probe:
    """YOLOv9-T for 64 pixels with one dictionary in the backbone and another one in the neck, of 16 atoms each."""
    init_default_scope('mmdet')
    cfg = Config.fromfile(ROOT / 'configs/yolo_rd/yolov9t_rd_shapes.py')
    cfg.model.backbone.rd.num_atoms = 16
    cfg.model.neck = [cfg.model.neck, dict(type='RDNeck', in_channels=(64, 96, 128), levels=[1], num_atoms=16)]
    cfg.model.aux_head = None
    cfg.test_pipeline[1].size = 64
    return Probe(MODELS.build(cfg.model), 'backbone.trunk.rd.1', Compose(cfg.test_pipeline))
