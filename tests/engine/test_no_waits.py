"""A training iteration through the runner with all hooks of the configs: the host waits for nothing."""
from unittest import mock

import pytest
from mmengine.runner import EpochBasedTrainLoop
from test_mdetr_schedules import RATES, Grounder
from tiny_run import TinyModel, tiny_runner

from benchmarks.counts import Counts, count
from mmdet_ext.engine import stop_on_nan_hook

ACCUMULATING = dict(accumulative_counts=2, clip_grad=dict(max_norm=10.))
YOLO = dict(
    warmup=dict(type='YOLOWarmupHook', warmup_epochs=1, min_iters=3),
    ema=dict(type='StepEMAHook'),
    stop_on_nan=dict(type='StopOnNaNHook'))
MDETR = dict(
    schedule=dict(type='MDETRLrHook', lr_drop=2),
    ema=dict(type='StepEMAHook', decay=0.9998, tau=0))
DETR_OPTIMIZER = dict(
    type='NoWaitOptimWrapper', constructor='MergedOptimWrapperConstructor', paramwise_cfg=RATES,
    optimizer=dict(type='AdamW', lr=0.01, fused=True), clip_grad=dict(max_norm=0.1))
CASES = dict(
    yolo=dict(model=TinyModel, hooks=YOLO, optim_wrapper=ACCUMULATING, schedulers=[dict(type='EpochLinearLR')]),
    mdetr=dict(model=Grounder, hooks=MDETR, optim_wrapper=DETR_OPTIMIZER),
    smca=dict(model=Grounder, hooks=dict(stop_on_nan=dict(type='StopOnNaNHook')), optim_wrapper=DETR_OPTIMIZER,
              schedulers=[dict(type='MultiStepLR', milestones=[1])]))


def iterations(work_dir, *, model, hooks, runtime_info: str = 'NoWaitRuntimeInfoHook', **settings) -> list[Counts]:
    """What each iteration costs, hooks before and behind it included. The log is written every third."""
    costs = []
    run_iter = EpochBasedTrainLoop.run_iter

    def counted(self, idx, data_batch) -> None:
        costs.append(count(lambda: run_iter(self, idx, data_batch)))

    hooks = hooks | dict(runtime_info=dict(type=runtime_info), timer=dict(type='IterTimerHook'),
                         logger=dict(type='LoggerHook', interval=3))
    with mock.patch.object(EpochBasedTrainLoop, 'run_iter', counted):
        tiny_runner(work_dir, model(), hooks=hooks, iters=8, epochs=2, **settings).train()
    return costs


@pytest.fixture(autouse=True)
def flags_as_on_cuda(monkeypatch) -> None:
    """Copies to pinned memory, which are not to be had here, are read where they have arrived."""
    monkeypatch.setattr(stop_on_nan_hook, '_is_late', lambda tensor: True)
    monkeypatch.setattr(stop_on_nan_hook, '_sent_to_host', lambda flag: lambda: False)


@pytest.mark.parametrize('name', CASES)
def test_the_host_waits_only_where_the_log_is_written(tmp_path, name):
    waits = [sum(counts.synchronisations.values()) for counts in iterations(tmp_path, **CASES[name])]
    # in iteration 0 the keys of the log are new
    assert waits[1:] == [0, 1, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize('name', CASES)
def test_with_mmengines_hook_it_waits_for_each_loss(tmp_path, name):
    costs = iterations(tmp_path, runtime_info='RuntimeInfoHook', **CASES[name])
    num_losses = 3 if name == 'yolo' else 1
    assert [counts.synchronisations['_local_scalar_dense'] for counts in costs[3:5]] == [num_losses] * 2
