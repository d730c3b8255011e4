"""Apply the options of the command lines to a config."""
import logging
from copy import deepcopy
from pathlib import Path

import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.config import Config
from mmengine.logging import print_log

from ..command_line import wrong_config


def load_config(
        path: str, *, options: dict | None = None, work_dir: str | None = None, launcher: str = 'none') -> Config:
    """Read a config file and apply the options of the command line to it.

    Args:
        path: Config file, relative to the current folder.
        options: Values that replace the file's, by dotted key.
        work_dir: Folder of logs and checkpoints; None: the config's, or ``./work_dirs/NAME_OF_CONFIG``.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no config file {path} (seen from {Path.cwd()})')
    with wrong_config(path):
        cfg = Config.fromfile(path)
        cfg.merge_from_dict(options or {})
    cfg.work_dir = work_dir or cfg.get('work_dir') or f'./work_dirs/{Path(path).stem}'
    cfg.launcher = launcher
    return cfg


def pin_batches(cfg: Config) -> None:
    """On CUDA, copy training batches from pinned memory, so that the host does not wait for the device at each batch.

    If the config sets `train_dataloader.pin_memory` or the preprocessor's `non_blocking`, they are not changed.
    """
    if torch.cuda.is_available():
        cfg.train_dataloader.setdefault('pin_memory', True)
        preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
        if preprocessor:
            preprocessor.setdefault('non_blocking', True)


def use_amp(cfg: Config) -> None:
    """Replace the config's optimizer wrapper by the one for mixed precision, whose name has ``Amp`` in front."""
    if not torch.cuda.is_available():
        raise ValueError('--amp trains in mixed precision on a GPU, and no CUDA device is visible')
    name = cfg.optim_wrapper.get('type', 'OptimWrapper')
    name = name if isinstance(name, str) else name.__name__
    if name.startswith('Amp'):
        print_log(f'optim_wrapper is a {name} already: --amp changes nothing.', level=logging.WARNING)
        return
    if OPTIM_WRAPPERS.get(f'Amp{name}') is None:
        raise ValueError(f'--amp: optim_wrapper.type is {name}, and no Amp{name} is registered')
    cfg.optim_wrapper.type = f'Amp{name}'
    cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')


def use_auto_scale_lr(cfg: Config) -> None:
    """Multiply the learning rate by the batch size divided by the config's `auto_scale_lr.base_batch_size`."""
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise ValueError('--auto-scale-lr: the config has no auto_scale_lr=dict(base_batch_size=...)')
    cfg.auto_scale_lr.enable = True


def use_tta(cfg: Config) -> None:
    """Evaluate with the config's test-time augmentation or, if it has none, on each image and its mirror image."""
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    if not cfg.get('tta_model'):
        test_cfg = cfg.model.get('test_cfg') or {}
        tta_cfg = dict(nms=test_cfg.get('nms') or dict(type='nms', iou_threshold=0.5),
                       max_per_img=test_cfg.get('max_per_img') or 100)
        cfg.tta_model = dict(type='FlipTTAModel', tta_cfg=tta_cfg)
    if not cfg.get('tta_pipeline'):
        load, *others, pack = deepcopy(dataset.pipeline)
        if 'meta_keys' in pack:
            pack.meta_keys = (*pack.meta_keys, 'flip', 'flip_direction')
        flips = [dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)]
        cfg.tta_pipeline = [load, dict(type='TestTimeAug', transforms=[flips, *([step] for step in others), [pack]])]
    dataset.pipeline = cfg.tta_pipeline
    cfg.model = dict(**cfg.tta_model, module=cfg.model)
