"""Apply the options of the command lines to a config."""
import inspect
import logging
import time
from copy import deepcopy
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import OPTIM_WRAPPERS, VISUALIZERS
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.runner import Runner

from ..command_line import message_of, wrong_config
from ..compat import replace_removed_functions
from ..config_variables import apply_variables, truth_files

NUMBERS = {  # entry of a config: the least whole number that each of its keys may be
    'randomness': dict(seed=0),
    'train_cfg': dict(max_epochs=1, max_iters=1, val_interval=1),
    **{f'{name}_dataloader': dict(batch_size=1, num_workers=0) for name in ('train', 'val', 'test')}}
# Entries that need not be in a config for mmengine, mmdet or this package to read them.
READ = {*inspect.signature(Runner.__init__).parameters, 'image_size', 'classes', 'auto_scale_lr', 'tta_model',
        'tta_pipeline', 'model_wrapper_cfg', 'find_unused_parameters', 'sync_bn', 'cudnn_benchmark', 'compile',
        'activation_checkpointing', 'efficient_conv_bn_eval', 'custom_imports'}


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
    replace_removed_functions()
    try:
        cfg = Config.fromfile(path)
    except Exception as error:  # the file is a program, which can raise anything
        if isinstance(error, OSError) and error.filename:
            raise
        kind = '' if type(error) is ValueError else f'{type(error).__name__}: '
        raise ValueError(f'{path}: {kind}{message_of(error)}') from error
    options = options or {}
    _check_new_entries(cfg, options, path)
    _check_variables(cfg, options, path)
    with wrong_config(path):
        truths = truth_files(cfg)
        cfg.merge_from_dict(options)
        apply_variables(cfg, truths, always=bool({'image_size', 'classes'} & options.keys()),
                        with_classes='classes' in options)
    _check_numbers(cfg, path)
    _keep_no_workers(cfg)
    cfg.work_dir = work_dir or cfg.get('work_dir') or f'./work_dirs/{Path(path).stem}'
    cfg.launcher = launcher
    return cfg


def _check_new_entries(cfg: Config, options: dict, path: str) -> None:
    """Raise a ValueError for an option that would add an entry which nothing reads, if its name is like a known one."""
    for key in options:
        entry = key.partition('.')[0]
        known = {*cfg.keys(), *READ}
        if entry not in known and (close := get_close_matches(entry, known, n=3, cutoff=0.75)):
            raise ValueError(f'{path} has no {entry!r} for {key}={options[key]!r} to replace, did you mean '
                             f'{" or ".join(close)}?')


def _check_variables(cfg: Config, options: dict, path: str) -> None:
    """Raise a ValueError for an option that replaces a variable of the file, such as `lr`, after the values that the
    file makes of it."""
    for key in options.keys() & cfg.keys() - READ:
        made = [name for name in _entries_named(dict(cfg.items()), key, cfg[key]) if name != key]
        if made and not options.keys() & set(made):
            raise ValueError(f'{path}: {key}={options[key]!r} changes nothing, for the file has made other values of '
                             f'{key} already: change it in the file, or give {" or ".join(made)}')


def _entries_named(node: Any, key: str, value: Any, prefix: str = '') -> list[str]:
    """Dotted names of the entries in nested dicts that have a key and a value."""
    if not isinstance(node, dict):
        return []
    here = [prefix + key] if key in node and node[key] == value else []
    return here + [name for part in node for name in _entries_named(node[part], key, value, f'{prefix}{part}.')]


def _check_numbers(cfg: Config, path: str) -> None:
    """Raise a ValueError for numbers with which mmengine trains nothing, or fails without naming the key."""
    for entry, least_numbers in NUMBERS.items():
        values = cfg.get(entry) or {}
        if not isinstance(values, dict):
            raise ValueError(f'{path}: {entry} should be a dict, got {values!r}')
        for key, least in least_numbers.items():
            number = values.get(key)
            if number is not None and not (isinstance(number, (int, float)) and number % 1 == 0 and number >= least):
                raise ValueError(f'{path}: {entry}.{key} should be a whole number of at least {least}, got {number!r}')


def _keep_no_workers(cfg: Config) -> None:
    """Where there are no data workers, none can be kept between epochs: PyTorch takes that for an error."""
    for name in ('train', 'val', 'test'):
        loader = cfg.get(f'{name}_dataloader') or {}
        if loader.get('num_workers') == 0 and loader.get('persistent_workers'):
            loader.persistent_workers = False


def use_checked_data_sets(cfg: Config) -> None:
    """Put `CheckedCocoDataset`, which takes the same arguments, in the place of mmdet's `CocoDataset`."""
    for name in ('train', 'val', 'test'):
        if _replace_type(cfg.get(f'{name}_dataloader'), 'CocoDataset', 'CheckedCocoDataset'):
            print_log(f'{name}_dataloader: CheckedCocoDataset, which checks the annotation file and the sizes of '
                      'images, is used in the place of CocoDataset.')


def use_large_visualizer(cfg: Config) -> None:
    """Put `LargeVisualizer`, which takes the same arguments, in the place of mmdet's `DetLocalVisualizer`."""
    _replace_type(cfg.get('visualizer'), 'DetLocalVisualizer', 'LargeVisualizer')


def use_new_visualizer(cfg: Config) -> None:
    """Give the visualizer a name that no visualizer of this process has. mmengine would take the one of that name, and
    write the scalars of this run to the folder of the run before."""
    visualizer = cfg.get('visualizer') or {}
    name, kind = visualizer.get('name'), VISUALIZERS.get(visualizer.get('type'))
    if name and kind is not None and kind.check_instance_created(name):
        visualizer.name = f'{name}_{time.strftime("%Y%m%d_%H%M%S")}_{time.monotonic_ns()}'


def _replace_type(values: Any, usual: str, checked: str) -> int:
    """Replace a `type` in nested dicts and lists; return how many were replaced."""
    if isinstance(values, (list, tuple)):
        return sum(_replace_type(value, usual, checked) for value in values)
    if not isinstance(values, dict):
        return 0
    is_usual = values.get('type') == usual
    if is_usual:
        values['type'] = checked
    return is_usual + sum(_replace_type(value, usual, checked) for value in values.values())


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
