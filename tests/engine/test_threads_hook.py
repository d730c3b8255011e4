"""The hook with a clock that only the network and the data move: nothing here measures time."""
import time
from collections.abc import Callable
from types import SimpleNamespace

import cv2
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import MessageHub
from tiny_run import Numbers, tiny_runner
from torch.utils.data import DataLoader

from mmdet_ext import launch
from mmdet_ext.engine import ThreadsHook
from mmdet_ext.engine.threads_hook import thread_counts, process_cores


class Machine:
    """A machine, a runner that the hook takes for one, and the loop that it runs.

    `wait` and `compute` give the seconds of an iteration from its number and the number of threads.
    """

    def __init__(self, cores: int = 2, num_workers: int = 1) -> None:
        self.cores = cores
        self.now = 0.
        self.number = 0  # of threads
        self.threads: list[int] = []  # of each iteration
        self.lines: list[str] = []
        loader = SimpleNamespace(num_workers=num_workers)
        self.train_dataloader = self.test_dataloader = loader
        self.logger = SimpleNamespace(info=self.lines.append)
        self.message_hub = MessageHub('test_threads_hook')

    def set_number(self, number: int) -> None:
        self.number = number

    def run(self, hook: ThreadsHook, compute: Callable[[int, int], float], epochs: tuple[int, ...] = (30, ), *,
            wait: Callable[[int, int], float] = lambda iteration, number: 0., mode: str = 'train') -> list[int]:
        """The number of threads of each iteration."""
        getattr(hook, f'before_{mode}')(self)
        for iters in epochs:
            self.now += 100  # an evaluation, say
            getattr(hook, f'before_{mode}_epoch')(self)
            for i in range(iters):
                self.now += wait(len(self.threads), self.number)
                getattr(hook, f'before_{mode}_iter')(self, i)
                self.now += compute(len(self.threads), self.number)
                self.threads.append(self.number)
                getattr(hook, f'after_{mode}_iter')(self, i)
        return self.threads


@pytest.fixture
def machine(monkeypatch) -> Machine:
    machine = Machine()
    for variable in ('OMP_NUM_THREADS', 'LOCAL_WORLD_SIZE', 'OMPI_COMM_WORLD_LOCAL_SIZE'):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr('mmdet_ext.engine.threads_hook.get_device', lambda: 'cpu')
    monkeypatch.setattr('os.sched_getaffinity', lambda pid: range(machine.cores), raising=False)
    monkeypatch.setattr(torch, 'set_num_threads', machine.set_number)
    monkeypatch.setattr(time, 'perf_counter', lambda: machine.now)
    return machine


def shared(iteration: int, number: int) -> float:
    """A network that makes full use of its threads."""
    return 1 / number


def crowded(iteration: int, number: int) -> float:
    """Another program takes one core of two."""
    return 1. if number == 1 else 20.


@pytest.mark.parametrize('mode', ['train', 'test'])
def test_all_cores_are_taken_where_that_is_faster(machine, mode):
    threads = machine.run(ThreadsHook(iters=2), shared, mode=mode)
    assert threads == [1] * 4 + [2] * 26  # 1: the first iteration of all, one that warms up, two that count
    assert machine.lines == ['Threads: 2 on 2 cores (with 1: 1.000 s an iteration, 0.000 s of it waiting for data; '
                             'with 2: 0.500 s an iteration, 0.000 s of it waiting for data).']


def test_cores_are_left_where_another_program_needs_them(machine):
    threads = machine.run(ThreadsHook(iters=5), crowded)
    assert threads == [1] * 7 + [2] * 2 + [1] * 21  # one of 20 s is more than five of 1 s: no second one is tried
    line, = machine.lines
    assert line.startswith('Threads: 1 on 2 cores (with 1: 1.000 s') and '; with 2: 20.000 s' in line


def test_cores_are_left_where_the_workers_starve(machine):
    threads = machine.run(ThreadsHook(iters=2), shared, wait=lambda iteration, number: 0.4 if number == 1 else 2.)
    assert threads[-1] == 1
    assert 'with 2: 2.500 s an iteration, 2.000 s of it waiting for data' in machine.lines[0]


def test_waiting_for_a_slow_disk_leaves_the_cores_to_the_network(machine):
    threads = machine.run(ThreadsHook(iters=2), shared, wait=lambda iteration, number: 3.)
    assert threads[-1] == 2


def test_the_number_doubles_until_it_is_no_faster(machine):
    machine.cores, machine.train_dataloader.num_workers = 16, 14
    threads = machine.run(ThreadsHook(iters=1), lambda iteration, number: {2: 4., 4: 2., 8: 1., 16: 1.5}[number])
    assert sorted(set(threads)) == [2, 4, 8, 16] and threads[-1] == 8


def test_first_iterations_and_pauses_between_epochs_do_not_count(machine):
    threads = machine.run(ThreadsHook(iters=2), lambda iteration, number: 50. if iteration in (0, 1, 9) else 1 / number,
                          epochs=(3, 3, 3, 9))
    # iterations 0, 3, 6, 9 begin epochs, 1 and 5 warm up
    assert threads == [1] * 5 + [2] * 13
    assert 'with 1: 1.000 s' in machine.lines[0] and 'with 2: 0.500 s' in machine.lines[0]


def test_an_outlier_does_not_decide(machine):
    threads = machine.run(ThreadsHook(iters=5), lambda iteration, number: 2. if iteration == 10 else 1 / number)
    assert threads[-1] == 2


def test_evaluation_between_iterations_does_not_count(machine):
    hook = ThreadsHook(iters=3)

    def evaluate(iteration: int, number: int) -> float:
        hook.before_val_iter(machine, 0)
        hook.after_val_iter(machine, 0)
        return 10.

    assert machine.run(hook, shared, wait=evaluate) == [1] * 30  # no iteration follows one of training
    assert machine.lines == []


def test_who_comes_later_gets_the_cores_back(machine):
    threads = machine.run(ThreadsHook(iters=3), lambda iteration, number: crowded(iteration, number)
                          if iteration >= 15 else shared(iteration, number))
    assert threads == [1] * 5 + [2] * 13 + [1] * 12
    assert len(machine.lines) == 2 and machine.lines[1].endswith('Back to 1.')


def test_a_resumed_run_keeps_the_number(machine):
    machine.run(ThreadsHook(), lambda iteration, number: 1 / number)
    state, machine.lines[:] = machine.message_hub.state_dict(), []
    machine.message_hub = MessageHub('resumed')
    machine.message_hub.load_state_dict(state)
    assert set(machine.run(ThreadsHook(), lambda iteration, number: number)[-30:]) == {2}
    assert machine.lines == ['Threads: 2 on 2 cores (as before).']
    machine.cores = 3  # another machine
    assert machine.run(ThreadsHook(), lambda iteration, number: number)[-1] == 2  # of 2 and 3


def test_single_slow_iterations_later_change_nothing(machine):
    threads = machine.run(ThreadsHook(iters=3), lambda iteration, number: 20. if iteration % 4 in (0, 1)
                          and iteration > 10 else shared(iteration, number))
    assert threads[-1] == 2 and len(machine.lines) == 1


def test_without_workers_there_is_nothing_to_try(machine):
    machine.train_dataloader.num_workers = 0
    assert machine.run(ThreadsHook(), crowded) == [2] * 30
    assert machine.lines == ['Threads: 2 on 2 cores.']


@pytest.mark.parametrize('setting', ['variable', 'device'])
def test_nothing_is_set_where_the_user_has_chosen_or_off_the_cpu(machine, monkeypatch, setting):
    if setting == 'variable':
        monkeypatch.setenv('OMP_NUM_THREADS', '1')
    else:
        monkeypatch.setattr('mmdet_ext.engine.threads_hook.get_device', lambda: 'cuda')
    assert machine.run(ThreadsHook(), lambda iteration, number: 1.) == [0] * 30
    assert machine.lines == []


def test_deterministic_runs_keep_one_number(machine, monkeypatch):
    monkeypatch.setattr(torch, 'are_deterministic_algorithms_enabled', lambda: True)
    assert machine.run(ThreadsHook(), shared) == [1] * 30


def test_processes_of_a_run_share_the_cores(machine, monkeypatch):
    machine.cores = 16
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '4')
    assert process_cores() == 4
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '32')
    assert process_cores() == 1


@pytest.mark.parametrize('cores, num_workers, counts', [
    (1, 0, [1]), (1, 8, [1]), (2, 0, [2]), (2, 1, [1, 2]), (4, 1, [3, 4]), (4, 8, [1, 2, 4]), (16, 12, [4, 8, 16]),
])
def test_thread_counts(cores, num_workers, counts):
    assert thread_counts(cores, num_workers) == counts


def test_iters_are_at_least_one():
    with pytest.raises(ValueError, match='iters must be at least 1, got 0'):
        ThreadsHook(iters=0)


def test_a_hook_that_the_config_names_is_kept(tmp_path, monkeypatch):
    runner = tiny_runner(tmp_path, hooks=dict(threads=dict(type='ThreadsHook', iters=7)))
    launch.add_threads_hook(runner)
    assert [hook.iters for hook in runner.hooks if isinstance(hook, ThreadsHook)] == [7]


def test_a_run_gets_the_hook_and_its_config_stays_as_it_is(tmp_path):
    runner = tiny_runner(tmp_path)
    launch.add_threads_hook(runner)
    assert len([hook for hook in runner.hooks if isinstance(hook, ThreadsHook)]) == 1
    assert 'ThreadsHook' not in runner.cfg.pretty_text
    runner.train()


class WorkersThreads(Numbers):
    """How many threads torch and OpenCV have where the item is made."""

    def __getitem__(self, index: int) -> list[int]:
        return [torch.get_num_threads(), cv2.getNumThreads()]


def test_data_workers_have_one_thread_each(tmp_path):
    env_cfg = Config.fromfile('configs/yolov9/yolov9t_shapes.py').env_cfg
    before = torch.get_num_threads(), cv2.getNumThreads()
    tiny_runner(tmp_path, env_cfg=env_cfg)  # mmengine sets OpenCV's threads, and workers are forks of this process
    torch.set_num_threads(2)
    try:
        for item in DataLoader(WorkersThreads(2), num_workers=1):
            assert [int(number) for number in item] == [1, 1]
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
