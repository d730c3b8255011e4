"""The processes of a run, and the threads of each."""
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing

from ..compat import without_cuda


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
    with without_cuda():
        init_dist(cfg.launcher, **{**env_cfg.get('dist_cfg', {}), 'backend': 'gloo'})


@contextmanager
def named_data_workers() -> Iterator[None]:
    """Turn what comes of a killed data worker into a ChildProcessError that says so.

    torch raises a RuntimeError with the worker's number, or, where it was sending a batch, one of the connection only.
    """
    try:
        yield
    except (RuntimeError, OSError, EOFError) as error:
        modules = [frame.f_globals.get('__name__', '') for frame, _ in traceback.walk_tb(error.__traceback__)]
        killed = str(error).startswith('DataLoader worker (pid')
        if not (killed or any(module.startswith(('multiprocessing.', 'torch.multiprocessing')) for module in modules)):
            raise
        cause = error if killed else _killed_worker()
        if cause is None:
            raise
        raise ChildProcessError(f'{str(cause).strip()} The memory of the machine or of the job may be too small: fewer '
                                'num_workers need less') from error


def _killed_worker() -> RuntimeError | None:
    """What torch says of a data worker that was killed; the system may tell a little later than the connection."""
    try:
        for _ in range(20):
            torch._C._error_if_any_worker_fails()
            time.sleep(0.05)
    except RuntimeError as error:
        return error
    return None


def leave_cores_to_workers(dataloader: dict) -> None:
    """On the CPU, compute with the cores that the data workers do not take, unless OMP_NUM_THREADS says otherwise.

    For loops of our own; a runner finds out by `ThreadsHook` whether it may use more.
    """
    from ..engine.threads_hook import thread_counts, process_cores  # only now: it imports mmdet's hooks

    if not torch.cuda.is_available() and 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(thread_counts(process_cores(), dataloader.get('num_workers', 0))[0])


def add_threads_hook(runner: Runner) -> None:
    """Let the runner find out with how many threads to compute on the CPU, unless its config has the hook already.

    The config that the runner writes for later stays as it is.
    """
    from ..engine.threads_hook import ThreadsHook  # only now: it imports mmdet's hooks

    if not any(isinstance(hook, ThreadsHook) for hook in runner.hooks):
        runner.register_hook(ThreadsHook())
