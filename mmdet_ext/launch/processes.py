"""The processes of a run, and the threads of each."""
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from multiprocessing.process import BaseProcess

import torch
from mmengine.config import Config
from mmengine.dist import init_dist
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.utils.dl_utils import set_multi_processing

from ..compat import without_cuda


def init_cpu_processes(cfg: Config) -> None:
    """Join the processes of a distributed run without CUDA devices; with CUDA the runner does it.

    mmengine 0.10.7 takes for granted that a distributed run has GPUs: it calls ``torch.cuda.set_device``, which raises
    where torch finds no driver, and gives DistributedDataParallel a device id, which torch takes for GPUs only. mmdet's
    configs use nccl and ours SyncBN, both of which need GPUs. After this function the runner does not join the
    processes again.
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
    """If a data worker was killed, raise a ChildProcessError that says so.

    torch raises a RuntimeError with the worker's process id or, if the worker was sending a batch, an error that
    mentions only the connection. Ctrl-C reaches this process only, which then ends its workers.
    """
    try:
        with _whole_starts():
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


@contextmanager
def _whole_starts() -> Iterator[None]:
    """Hold SIGINT back while a process starts, and for good in that process.

    An interruption in Python's own work around a fork is printed and forgotten there. The training would go on, and
    fail when it misses a worker that took the interruption.
    """
    start = BaseProcess.start

    @wraps(start)
    def start_whole(process: BaseProcess) -> None:
        if threading.current_thread() is not threading.main_thread():
            return start(process)
        waiting: list[tuple] = []  # an interruption that another thread receives is not held back by the mask
        handler = signal.signal(signal.SIGINT, lambda *signal_and_frame: waiting.append(signal_and_frame))
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            start(process)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            signal.signal(signal.SIGINT, signal.SIG_DFL if handler is None else handler)
        if waiting and callable(handler):
            handler(*waiting[0])

    BaseProcess.start = start_whole if hasattr(signal, 'pthread_sigmask') else start
    try:
        yield
    finally:
        BaseProcess.start = start


def _killed_worker() -> RuntimeError | None:
    """torch's error about a data worker that was killed. The system may report it a little later than the
    connection."""
    try:
        for _ in range(20):
            torch._C._error_if_any_worker_fails()
            time.sleep(0.05)
    except RuntimeError as error:
        return error
    return None


def end_data_workers(runner: Runner) -> None:
    """Let the data workers of a runner that has trained end, also those that stay between epochs.

    If the garbage collector finds them together with the runner, it closes their queues before torch tells them to end,
    and torch waits five seconds for each.
    """
    for loop in (getattr(runner, name, None) for name in ('_train_loop', '_val_loop', '_test_loop')):
        for holder in ('dataloader', 'dataloader_iterator'):  # the second is that of IterBasedTrainLoop
            if getattr(getattr(loop, holder, None), '_iterator', None) is not None:
                getattr(loop, holder)._iterator = None


def leave_cores_to_workers(dataloader: dict) -> None:
    """On the CPU, use one thread for each core that no data worker takes, unless OMP_NUM_THREADS is set.

    For loops without a runner; in a runner `ThreadsHook` finds the best number.
    """
    from ..engine.threads_hook import thread_counts, process_cores  # only now: it imports mmdet's hooks

    if not torch.cuda.is_available() and 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(thread_counts(process_cores(), dataloader.get('num_workers', 0))[0])


def add_threads_hook(runner: Runner) -> None:
    """Add a `ThreadsHook` to the runner, which finds the best number of CPU threads, unless its config has one already.

    The config file that the runner saves does not have the hook.
    """
    from ..engine.threads_hook import ThreadsHook  # only now: it imports mmdet's hooks

    if not any(isinstance(hook, ThreadsHook) for hook in runner.hooks):
        runner.register_hook(ThreadsHook())
