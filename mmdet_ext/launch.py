"""What the command lines do to a config before the runner is built from it."""
import logging
import os
from copy import deepcopy
from pathlib import Path
from unittest import mock

import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.logging import print_log
from mmengine.runner import Runner, find_latest_checkpoint
from mmengine.utils.dl_utils import set_multi_processing


def load_config(
        path: str, *, options: dict | None = None, work_dir: str | None = None, launcher: str = 'none') -> Config:
    """Read a config file and lay the command line's choices over it.

    Args:
        path: Config file, relative to the current folder.
        options: Values that replace the file's, by dotted key.
        work_dir: Where logs and checkpoints go; otherwise where the config says, or ``./work_dirs/NAME_OF_CONFIG``.
        launcher: 'none', 'pytorch', 'slurm' or 'mpi'.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no config file {path} (seen from {Path.cwd()})')
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(options or {})
    cfg.work_dir = work_dir or cfg.get('work_dir') or f'./work_dirs/{Path(path).stem}'
    cfg.launcher = launcher
    return cfg


def init_cpu_processes(cfg: Config) -> None:
    """Join the processes of a distributed run where there is no CUDA device; with one it is left to the runner.

    mmengine 0.10.7 means GPUs wherever it says distributed: it calls ``torch.cuda.set_device``, which raises where
    torch finds no driver, and gives DistributedDataParallel a device id, which torch takes for GPUs only. mmdet's
    configs ask for nccl and ours for SyncBN, both of which need GPUs. The runner joins no processes that are joined
    already.
    """
    if cfg.launcher == 'none' or torch.cuda.is_available():
        return
    if os.environ.get('RANK', os.environ.get('SLURM_PROCID', '0')) == '0':
        print_log('No CUDA device is visible: the processes run on the CPU, communicate through gloo and do not share '
                  'batch statistics.')
    cfg.sync_bn = None
    wrapper = dict(broadcast_buffers=False, find_unused_parameters=cfg.get('find_unused_parameters', False))
    cfg.model_wrapper_cfg = dict(wrapper, **cfg.get('model_wrapper_cfg') or dict(type='MMDistributedDataParallel'))
    cfg.model_wrapper_cfg.device_ids = None

    env_cfg = cfg.get('env_cfg', {})
    set_multi_processing(**env_cfg.get('mp_cfg', {}), distributed=True)  # before init_dist, which else sets 'spawn'
    with mock.patch('torch.cuda.set_device'):
        init_dist(cfg.launcher, **{**env_cfg.get('dist_cfg', {}), 'backend': 'gloo'})


def leave_cores_to_workers(dataloader: dict) -> None:
    """On the CPU, compute with the cores that the data workers do not take, unless OMP_NUM_THREADS says otherwise.

    For loops of our own; a runner finds out by `ThreadsHook` whether it may use more.
    """
    from .engine.threads_hook import numbers_to_try, process_cores  # only now: it imports mmdet's hooks

    if not torch.cuda.is_available() and 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(numbers_to_try(process_cores(), dataloader.get('num_workers', 0))[0])


def add_threads_hook(runner: Runner) -> None:
    """Let the runner find out with how many threads to compute on the CPU, unless its config has the hook already.

    The config that the runner writes for later stays as it is.
    """
    from .engine.threads_hook import ThreadsHook  # only now: it imports mmdet's hooks

    if not any(isinstance(hook, ThreadsHook) for hook in runner.hooks):
        runner.register_hook(ThreadsHook())


def pin_batches(cfg: Config) -> None:
    """On CUDA, copy training batches from pinned memory, so that the host does not wait for the device at each of them.

    What the config says of `train_dataloader.pin_memory` and of the preprocessor's `non_blocking` stays.
    """
    if torch.cuda.is_available():
        cfg.train_dataloader.setdefault('pin_memory', True)
        preprocessor = cfg.model.get('data_preprocessor') or cfg.get('data_preprocessor')
        if preprocessor:
            preprocessor.setdefault('non_blocking', True)


def use_amp(cfg: Config) -> None:
    """Replace the config's optimizer wrapper by its mixed-precision twin, which has ``Amp`` before the same name."""
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
    """Scale the learning rate by the batch size over the one that the config was written for."""
    if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
        raise ValueError('--auto-scale-lr: the config has no auto_scale_lr=dict(base_batch_size=...)')
    cfg.auto_scale_lr.enable = True


def use_tta(cfg: Config) -> None:
    """Evaluate with the config's test-time augmentation or, if it has none, on each picture and its mirror image."""
    dataset = cfg.test_dataloader.dataset
    while 'dataset' in dataset:
        dataset = dataset.dataset
    if not cfg.get('tta_model'):
        found = cfg.model.get('test_cfg') or {}
        tta_cfg = dict(nms=found.get('nms') or dict(type='nms', iou_threshold=0.5),
                       max_per_img=found.get('max_per_img') or 100)
        cfg.tta_model = dict(type='FlipTTAModel', tta_cfg=tta_cfg)
    if not cfg.get('tta_pipeline'):
        load, *others, pack = deepcopy(dataset.pipeline)
        if 'meta_keys' in pack:
            pack.meta_keys = (*pack.meta_keys, 'flip', 'flip_direction')
        flips = [dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)]
        cfg.tta_pipeline = [load, dict(type='TestTimeAug', transforms=[flips, *([step] for step in others), [pack]])]
    dataset.pipeline = cfg.tta_pipeline
    cfg.model = dict(**cfg.tta_model, module=cfg.model)


def resume_from(cfg: Config, checkpoint: str) -> None:
    """Go on with a training run, from ``checkpoint`` or, for 'auto', from the last checkpoint in the work directory.

    Where there is none yet, 'auto' begins with the config's `load_from`.
    """
    from .checkpoints.load import check_file  # only now: it imports all models

    if checkpoint == 'auto' and cfg.get('load_from') and find_latest_checkpoint(cfg.work_dir) is None:
        check_file(cfg.load_from)
        return
    cfg.resume = True
    cfg.load_from = None
    if checkpoint != 'auto':
        check_file(checkpoint)
        cfg.load_from = checkpoint


def check_atoms(cfg: Config) -> None:
    """Raise if training would begin from a dictionary (YOLO-RD) whose file is missing."""
    from .models.layers.atoms import rd_options  # only now: it imports all layers

    missing = [options['atoms'] for options in rd_options(cfg.model)
               if options.get('atoms') and not Path(options['atoms']).is_file()]
    if missing:
        raise FileNotFoundError(f'model: there is no atoms file {missing[0]} (seen from {Path.cwd()}): '
                                'tools/build_dictionary.py makes one')
