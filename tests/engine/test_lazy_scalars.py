"""Numbers of the log that are read late are the numbers that mmengine reads at once."""
import json
from copy import deepcopy

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import LogProcessor
from tiny_run import TinyModel, tiny_runner

from benchmarks.counts import count
from mmdet_ext.engine import lazy_scalars
from mmdet_ext.engine.lazy_scalars import update_scalars


@pytest.fixture
def hub(request) -> MessageHub:
    return MessageHub.get_instance(f'lazy_{request.node.name}')


def both(hub: MessageHub, updates: list[dict]) -> tuple[dict, dict]:
    """Histories as mmengine's hub keeps them, and as they are when they are read late."""
    plain = MessageHub(f'{hub.instance_name}_plain')
    for update in updates:
        update_scalars(hub, update)
        for key, value in update.items():
            plain.update_scalar(key, value)
    return plain.log_scalars, hub.log_scalars


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_histories_are_the_same_to_the_digit(hub, dtype):
    updates = [dict(a=torch.rand((), dtype=dtype), b=torch.rand(1), c=i) for i in range(5)]
    updates += [dict(a=torch.rand(1, 1, dtype=dtype)), dict(b=0.5, d=torch.tensor(3)), dict(d=torch.tensor(4))]
    plain, lazy = both(hub, updates)
    assert list(plain) == list(lazy)
    for key in plain:
        for expected, values in zip(plain[key].data, lazy[key].data):
            assert values.tolist() == expected.tolist() and values.dtype == expected.dtype
        assert lazy[key].mean(3) == plain[key].mean(3) and lazy[key].current() == plain[key].current()


def test_values_are_those_of_the_time_of_the_update(hub):
    value = torch.tensor(1.)
    for i in range(3):
        value.fill_(i)
        update_scalars(hub, dict(a=value))
    assert hub.get_scalar('a').data[0].tolist() == [0, 1, 2]


def test_one_transfer_brings_all_that_waits(hub):
    scalars = {f'loss_{i}': torch.tensor(float(i)) for i in range(4)}
    update_scalars(hub, scalars)  # the keys are new
    assert count(lambda: [update_scalars(hub, scalars) for _ in range(3)]).synchronisations == {}
    waits = count(lambda: [hub.get_scalar(key).mean(4) for key in scalars]).synchronisations
    assert sum(waits.values()) == 1


def test_gradients_are_not_kept_alive(hub):
    for _ in range(2):
        update_scalars(hub, dict(a=torch.ones((), requires_grad=True) * 2))
    rows = lazy_scalars._WAITING[hub]._rows
    assert len(rows) == 1 and not rows[0][1].requires_grad
    assert hub.get_scalar('a').data[0].tolist() == [2, 2]


def test_a_log_that_nobody_reads_is_bounded(hub, monkeypatch):
    monkeypatch.setattr(lazy_scalars, 'MAX_WAITING', 4)
    update_scalars(hub, dict(a=torch.zeros(())))
    waits = [sum(count(lambda: update_scalars(hub, dict(a=torch.ones(())))).synchronisations.values())
             for _ in range(9)]
    assert waits == [0, 0, 0, 1, 0, 0, 0, 1, 0]
    assert hub.get_scalar('a').data[0].tolist() == [0] + [1] * 9


def test_histories_keep_their_length(hub):
    hub.log_scalars['a'] = HistoryBuffer([1., 2.], [1, 1], max_length=3)
    for value in (3., 4.):
        update_scalars(hub, dict(a=torch.tensor(value)))
    assert hub.get_scalar('a').data[0].tolist() == [2, 3, 4]
    assert len(hub.get_scalar('a').data[1]) == 3


def test_copies_are_mmengines_own(hub):
    for value in (1., 2.):
        update_scalars(hub, dict(a=torch.tensor(value)))
    state = hub.state_dict()['log_scalars']
    assert type(state['a']) is HistoryBuffer and state['a'].data[0].tolist() == [1, 2]
    copy = deepcopy(hub.log_scalars['a'])
    update_scalars(hub, dict(a=torch.tensor(3.)))
    assert len(copy.data[0]) == 2 and len(hub.get_scalar('a').data[0]) == 3


def run(work_dir, hook: str, **settings) -> tuple[dict, list[dict]]:
    """Histories, and the lines of the log without times."""
    torch.manual_seed(0)
    hooks = dict(runtime_info=dict(type=hook), logger=dict(type='LoggerHook', interval=3, ignore_last=False))
    kind = 'OptimWrapper' if hook == 'RuntimeInfoHook' else 'NoWaitOptimWrapper'
    wrapper = dict(type=kind, constructor='DefaultOptimWrapperConstructor', clip_grad=dict(max_norm=0.1),
                   paramwise_cfg=dict(norm_decay_mult=0.))
    log = LogProcessor(window_size=2, custom_cfg=[
        dict(data_src='loss_a', method_name='max', window_size='epoch', log_name='worst')])
    runner = tiny_runner(work_dir, TinyModel(), hooks=hooks, optim_wrapper=wrapper, iters=5, log_processor=log,
                         schedulers=[dict(type='LinearLR', end=9, by_epoch=False)], **settings)
    runner.train()
    lines = next(work_dir.glob('*/vis_data/scalars.json')).read_text().splitlines()
    return runner.message_hub.log_scalars, [json.loads(line) for line in lines]


@pytest.mark.parametrize('checkpoint', [dict(interval=1), dict(interval=4, by_epoch=False)])
def test_a_run_logs_and_saves_what_it_logs_with_mmengines_hook(tmp_path, checkpoint):
    hook = dict(type='CheckpointHook', **checkpoint)
    runs = {}
    for name in ('RuntimeInfoHook', 'NoWaitRuntimeInfoHook'):
        runs[name] = run(tmp_path / name, name, custom_hooks=[hook])
    (plain, plain_lines), (lazy, lazy_lines) = runs.values()
    assert list(plain) == list(lazy) and len(plain['train/loss'].data[0]) == 15
    for key in plain:
        np.testing.assert_array_equal(lazy[key].data, plain[key].data, err_msg=key)
    assert lazy_lines == plain_lines and len(lazy_lines) == 6
    for path in (tmp_path / 'RuntimeInfoHook').glob('*.pth'):
        logs = [torch.load(tmp_path / name / path.name)['message_hub']['log_scalars'] for name in runs]
        assert [list(log) for log in logs] == [list(plain)] * 2
        for key in plain:
            np.testing.assert_array_equal(logs[1][key].data, logs[0][key].data, err_msg=key)


def test_a_resumed_run_continues_the_histories(tmp_path):
    unstopped, _ = run(tmp_path / 'whole', 'NoWaitRuntimeInfoHook')
    rest, _ = run(tmp_path / 'rest', 'NoWaitRuntimeInfoHook', load_from=str(tmp_path / 'whole/epoch_1.pth'),
                  resume=True)
    for key in ('train/loss', 'train/grad_norm', 'train/lr'):
        np.testing.assert_array_equal(rest[key].data, unstopped[key].data, err_msg=key)
