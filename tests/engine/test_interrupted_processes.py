"""What becomes of a run whose processes, data workers or nodes are stopped or placed otherwise."""
import os
import re
import signal
import socket
import time
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tiny_run import Numbers, TinyModel, tiny_runner
from torch.testing import assert_close
from torch.utils.data import DataLoader

from mmdet_ext.launch import init_cpu_processes, named_data_workers, train


class Indices(Numbers):
    """Each sample is its index; the data worker that is asked for `deadly` is killed."""
    deadly = -1

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        if index == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return dict(inputs=torch.tensor([float(index)]))


class Kill(Hook):
    """Kills its process in an iteration."""

    def __init__(self, iteration: int) -> None:
        self.iteration = iteration

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        if runner.iter == self.iteration:
            os.kill(os.getpid(), signal.SIGKILL)


def process(rank: int, port: int, folder: Path, environment: dict[str, str], killed: int | None, resume: bool) -> None:
    """One of two processes of a run of three epochs of 4 iterations."""
    os.environ.update(RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port), **environment)
    cfg = Config(dict(launcher='pytorch'))
    init_cpu_processes(cfg)
    dataset = Indices(16)
    hooks = dict(checkpoint=dict(type='WholeCheckpointHook', interval=1), sampler_seed=dict(type='EpochSeedHook'))
    if killed == rank:
        hooks['kill'] = Kill(6)
    torch.manual_seed(0)
    runner = tiny_runner(
        folder, TinyModel(), hooks=hooks, resume=resume, cfg=cfg, launcher='pytorch', randomness=dict(seed=1),
        dataloader=DataLoader(dataset, batch_size=2, sampler=DefaultSampler(dataset, seed=1)))
    runner.train()
    dist.destroy_process_group()


def start(folder: Path, *, nodes: int = 1, killed: int | None = None, resume: bool = False) -> list[BaseProcess]:
    """Start both processes, on one node or on one each."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(2):
        environment = dict(LOCAL_RANK=str(rank % (2 // nodes)), LOCAL_WORLD_SIZE=str(2 // nodes))
        arguments = rank, port, folder, environment, killed, resume
        processes.append(get_context('fork').Process(target=process, args=arguments))
        processes[-1].start()
    return processes


def finish(processes: list[BaseProcess]) -> list[int]:
    for worker in processes:
        worker.join(60)
    return [worker.exitcode for worker in processes]


@pytest.fixture(scope='module')
def through(tmp_path_factory) -> Path:
    """The last checkpoint of a run of two processes that nothing stopped."""
    tiny_runner(tmp_path_factory.mktemp('first'), epochs=1).train()  # imports once what each process would import
    folder = tmp_path_factory.mktemp('through')
    assert finish(start(folder)) == [0, 0]
    return folder / 'epoch_3.pth'


def assert_equal(one: Path, other: Path) -> None:
    assert_close(torch.load(one)['state_dict'], torch.load(other)['state_dict'], rtol=0, atol=0)


def test_where_one_of_two_processes_is_killed_the_other_ends_and_both_resume(tmp_path, through):
    processes = start(tmp_path, killed=1)
    processes[1].join(60)
    begin = time.monotonic()
    assert finish(processes) == [1, -signal.SIGKILL]
    assert time.monotonic() - begin < 20
    assert finish(start(tmp_path, resume=True)) == [0, 0]
    assert_equal(tmp_path / 'epoch_3.pth', through)


def test_two_nodes_of_one_process_train_as_one_node_of_two(tmp_path, through):
    assert finish(start(tmp_path, nodes=2)) == [0, 0]
    assert_equal(tmp_path / 'epoch_3.pth', through)


def train_with_a_deadly_worker(folder: Path) -> None:
    dataset = Indices(8)
    dataset.deadly = 5
    try:
        with named_data_workers():
            tiny_runner(folder, dataloader=DataLoader(dataset, batch_size=2, num_workers=1)).train()
    except ChildProcessError as error:
        (folder / 'error').write_text(str(error))


def test_a_killed_data_worker_is_named(tmp_path):
    # torch raises the error out of a signal handler, wherever the process is
    trainer = get_context('fork').Process(target=train_with_a_deadly_worker, args=(tmp_path, ))
    trainer.start()
    finish([trainer])
    assert re.match(r'DataLoader worker \(pid.* (is killed by signal|exited unexpectedly)',
                    (tmp_path / 'error').read_text())


def blocks_ctrl_c() -> None:
    os._exit(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))


def test_ctrl_c_waits_until_a_worker_has_started_and_is_not_for_the_worker():
    started = []

    class Interrupted(get_context('fork').Process):
        @staticmethod
        def _Popen(process):
            os.kill(os.getpid(), signal.SIGINT)
            started.append(process)
            return get_context('fork').Process._Popen(process)

    worker = Interrupted(target=blocks_ctrl_c)
    with pytest.raises(KeyboardInterrupt), named_data_workers():
        worker.start()
    worker.join()
    assert started == [worker] and worker.exitcode == 1
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


class Children(Hook):
    """The processes that there are when a training ends."""

    def after_train(self, runner) -> None:
        self.found = {*active_children()}


@pytest.mark.parametrize('train_cfg', [dict(by_epoch=True, max_epochs=1), dict(by_epoch=False, max_iters=4)])
def test_after_training_no_data_worker_stays(tmp_path, monkeypatch, train_cfg):
    others, children = active_children(), Children()
    runner = tiny_runner(tmp_path, dataloader=DataLoader(Numbers(8), batch_size=2, num_workers=2,
                                                         persistent_workers=train_cfg['by_epoch']))
    runner._train_loop = train_cfg
    monkeypatch.setattr(Runner, 'from_cfg', lambda cfg: runner)
    assert train('configs/yolov9/yolov9t_shapes.py', work_dir=str(tmp_path), hooks=[children]) is runner
    workers = children.found - {*others}
    assert [worker.exitcode for worker in workers] == [0, 0]  # as they were told; SIGTERM would be -15
