import pytest
import torch
from mmengine.hooks import Hook
from tiny_run import tiny_runner

LINEAR = [dict(type='EpochLinearLR', end_factor=0.01)]
STEPS = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, begin=0, end=6),
         dict(type='MultiStepLR', milestones=[1, 4], gamma=0.5)]
COSINE = [dict(type='CosineAnnealingLR', eta_min=1e-5, by_epoch=True, convert_to_iter_based=True),
          dict(type='CosineAnnealingMomentum', eta_min=0.5)]


class Recorder(Hook):

    def __init__(self) -> None:
        self.used: list[list[float]] = []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        groups = runner.optim_wrapper.optimizer.param_groups
        self.used.append([group[name] for group in groups for name in ('lr', 'momentum')])


def train(folder, schedulers, *, warmup: bool = False, hooks: dict | None = None, **settings) -> list[list[float]]:
    torch.manual_seed(0)
    recorder = Recorder()
    hooks = dict(param_scheduler=dict(type='ScheduleHook'), recorder=recorder) | (hooks or {})
    if warmup:
        hooks['warmup'] = dict(type='YOLOWarmupHook', warmup_epochs=3, min_iters=0)
    tiny_runner(folder, schedulers=schedulers, hooks=hooks, **settings).train()
    return recorder.used


@pytest.mark.parametrize('schedulers', [LINEAR, STEPS, COSINE], ids=['linear', 'steps', 'cosine'])
@pytest.mark.parametrize('warmup', [False, True])
def test_a_longer_run_that_resumes_has_the_rates_of_one_of_that_length(tmp_path, schedulers, warmup):
    train(tmp_path / 'short', schedulers, warmup=warmup, epochs=2)
    rest = train(tmp_path / 'short', schedulers, warmup=warmup, epochs=6, resume=True)
    through = train(tmp_path / 'through', schedulers, warmup=warmup, epochs=6)
    assert len(rest) == 16 and rest == [pytest.approx(values, rel=1e-12) for values in through[8:]]


def test_a_longer_linear_decay_has_the_rate_of_the_formula(tmp_path):
    train(tmp_path, LINEAR, epochs=2)
    rest = train(tmp_path, LINEAR, epochs=6, resume=True)
    assert rest[0][0] == pytest.approx(0.01 * (1 - 2 / 6 * 0.99))
    assert rest[-1][0] == pytest.approx(0.01 * (1 - 5 / 6 * 0.99))


def test_a_shorter_run_that_resumes_has_the_rates_of_one_of_that_length(tmp_path):
    train(tmp_path / 'long', LINEAR, epochs=6)
    rest = train(tmp_path / 'rest', LINEAR, epochs=4, resume=True, load_from=str(tmp_path / 'long/epoch_2.pth'))
    assert rest[0][0] == pytest.approx(0.01 * (1 - 2 / 4 * 0.99))


def test_a_run_that_resumes_unchanged_keeps_the_rates_of_the_checkpoint(tmp_path, monkeypatch):
    through = train(tmp_path, STEPS, epochs=4)
    monkeypatch.setattr('mmdet_ext.engine.schedule_hook._repeat', None)
    assert train(tmp_path, STEPS, epochs=4, resume=True, load_from=str(tmp_path / 'epoch_2.pth')) == through[8:]


def test_a_checkpoint_of_a_resumed_run_resumes_too(tmp_path):
    train(tmp_path, LINEAR, epochs=2)
    train(tmp_path, LINEAR, epochs=4, resume=True)
    rest = train(tmp_path, LINEAR, epochs=8, resume=True)
    assert rest[0][0] == pytest.approx(0.01 * (1 - 4 / 8 * 0.99))


def iterations(tmp_path, schedulers, hooks: dict | None = None) -> list[list[float]]:
    recorder = Recorder()
    hooks = dict(param_scheduler=dict(type='ScheduleHook'), recorder=recorder) | (hooks or {})
    runner = tiny_runner(tmp_path, schedulers=schedulers, hooks=hooks, iters=6)
    runner._train_loop = dict(type='IterBasedTrainLoop', max_iters=6)
    runner.train()
    return recorder.used


def test_a_training_by_iterations_decays_and_warms_up_by_iterations(tmp_path):
    hooks = dict(warmup=dict(type='YOLOWarmupHook', warmup_epochs=0, min_iters=2), ema=dict(type='StepEMAHook'))
    used = iterations(tmp_path, [dict(type='EpochLinearLR', by_epoch=False)], hooks)
    expected = [0.01 * (1 - i / 6 * 0.99) * min(i / 2, 1) for i in range(6)]
    assert [values[0] for values in used] == pytest.approx(expected)


@pytest.mark.parametrize('schedulers, hooks, message', [
    (LINEAR, {}, 'EpochLinearLR counts epochs'),
    (None, dict(close=dict(type='CloseMosaicHook')), 'CloseMosaicHook counts epochs'),
    (None, dict(patience=dict(type='PatienceHook', monitor='ap')), 'PatienceHook counts epochs'),
])
def test_a_training_by_iterations_refuses_what_counts_epochs(tmp_path, schedulers, hooks, message):
    with pytest.raises(ValueError, match=f'{message}, of which an IterBasedTrainLoop has none'):
        iterations(tmp_path, schedulers, hooks)
