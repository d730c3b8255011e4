"""The work directory of a training that was written by hand: data, config, checkpoint, logs."""
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from report_runs import STARTS, write_logs

from mmdet_ext.shapes import ShapesConfig, make_shapes

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='session')
def shapes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    make_shapes(folder, ShapesConfig(train=8, val=4, test=4))
    return folder


@pytest.fixture(scope='session')
def run_folder(shapes, tmp_path_factory) -> Path:
    """YOLOv9-T on Shapes with random weights."""
    init_default_scope('mmdet')
    folder = tmp_path_factory.mktemp('runs') / 'the_run'
    folder.mkdir()
    cfg = Config.fromfile(ROOT / 'configs/yolov9/yolov9t_shapes.py')
    text = cfg.pretty_text.replace('data/shapes/', f'{shapes}/')
    (folder / 'yolov9t_shapes.py').write_text(text)
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), folder / 'epoch_3.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'epoch_3.pth'))
    write_logs(folder, STARTS)
    return folder
