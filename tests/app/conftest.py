"""Small models with random weights, and a folder with a handful of Shapes images to show them."""
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_ext.shapes import ShapesConfig, make_shapes
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = dict(rd='configs/yolo_rd/yolov9t_rd_shapes.py', smca='configs/smca/smca_r18_shapes.py',
               mdetr='configs/mdetr/mdetr_r18_shapes.py')
TEXTS = ['a red circle left of the blue square', 'two small green stars and a white cross']


@pytest.fixture(scope='session')
def shapes(tmp_path_factory) -> Path:
    """A folder with data/shapes, data/shapes_text and a text encoder, as the configs of Shapes name them."""
    folder = tmp_path_factory.mktemp('app')
    make_shapes(folder / 'data' / 'shapes', ShapesConfig(train=4, val=1, test=3))
    (folder / 'data' / 'shapes_text').symlink_to('shapes')
    save_encoder_folder(train_tokenizer(TEXTS, 300), folder / 'data' / 'text' / 'shapes', layers=1, hidden_size=32,
                        heads=2)
    return folder


@pytest.fixture(scope='session')
def checkpoints(shapes) -> dict[str, Path]:
    """Random weights by the names of `CONFIGS`, with scores above the page's thresholds."""
    init_default_scope('mmdet')
    files = {}
    for name, config in CONFIGS.items():
        torch.manual_seed(0)
        cfg = Config.fromfile(ROOT / config).model
        if name == 'mdetr':
            cfg.text_encoder.name = str(shapes / 'data' / 'text' / 'shapes')
        model = MODELS.build(cfg)
        if name == 'rd':
            for tower in model.bbox_head.class_towers:
                torch.nn.init.constant_(tower[-1].bias, 0.)  # scores around 0.5
        files[name] = shapes / f'{name}.pth'
        torch.save(dict(state_dict=model.state_dict()), files[name])
    return files
