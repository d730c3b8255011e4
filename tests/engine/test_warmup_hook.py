import pytest
import torch
from mmengine.hooks import Hook
from numpy.testing import assert_allclose
from tiny_run import tiny_runner

SCHEDULE = [dict(type='EpochLinearLR', end_factor=0.01)]


class Recorder(Hook):
    """Notes learning rates and momenta of each iteration by role, as the optimizer has them, and between iterations."""
    priority = 'NORMAL'

    def __init__(self) -> None:
        self.used, self.between, self.logged, self.counts = [], [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        groups = {group['role']: group for group in runner.optim_wrapper.optimizer.param_groups}
        self.used.append([groups[role][key] for role in ('weight', 'norm', 'bias') for key in ('lr', 'momentum')])
        self.logged.append(runner.message_hub.get_scalar('train/lr').current())
        self.counts.append(runner.optim_wrapper.accumulative_counts)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.between.append([group['lr'] for group in runner.optim_wrapper.optimizer.param_groups])


def train(tmp_path, **settings) -> Recorder:
    recorder = Recorder()
    warmup = settings.pop('warmup', dict(warmup_epochs=2, min_iters=0))
    hooks = dict(warmup=dict(type='YOLOWarmupHook', **warmup), recorder=recorder)
    tiny_runner(tmp_path, hooks=hooks, schedulers=SCHEDULE, **settings).train()
    return recorder


def scheduled(epoch: int, epochs: int = 3) -> float:
    return 0.01 * ((1 - epoch / epochs) * 0.99 + 0.01)


def test_values_follow_the_formula_in_each_iteration(tmp_path):
    used = train(tmp_path).used
    for iteration, values in enumerate(used):
        done, lr = min(iteration / 8, 1), scheduled(iteration // 4)
        momentum = 0.8 + (0.937 - 0.8) * done
        bias_lr = 0.1 + (lr - 0.1) * done
        assert_allclose(values, [lr * done, momentum, lr * done, momentum, bias_lr, momentum], rtol=1e-6)


def test_between_iterations_values_are_the_scheduled_ones(tmp_path):
    recorder = train(tmp_path)
    for iteration, rates in enumerate(recorder.between):
        assert_allclose(rates, [scheduled(iteration // 4)] * 3, rtol=1e-6)


def test_the_log_shows_the_rate_of_the_weights_in_the_warm_up(tmp_path):
    recorder = train(tmp_path)
    assert_allclose(recorder.logged, [values[0] for values in recorder.used])


def test_the_lower_limit_of_iterations_holds(tmp_path):
    used = train(tmp_path, warmup=dict(warmup_epochs=1, min_iters=20)).used
    assert_allclose([values[0] for values in used], [scheduled(i // 4) * i / 20 for i in range(12)], rtol=1e-6)


def test_a_training_shorter_than_the_warm_up_ends_in_it(tmp_path):
    assert len(train(tmp_path, epochs=1, warmup=dict(warmup_epochs=3)).used) == 4


def test_accumulation_grows_to_what_was_asked_for(tmp_path):
    recorder = train(tmp_path, optim_wrapper=dict(accumulative_counts=4))
    assert recorder.counts == [1, 1, 2, 2, 2, 3, 3, 4, 4, 4, 4, 4]  # round(1 + 3 i / 8)


def test_accumulation_grows_to_the_fraction_of_the_nominal_batch(tmp_path):
    """As with batch 24 of 64: round(1 + (8 / 3 - 1) i / 8), and not round(1 + (3 - 1) i / 8)."""
    recorder = train(tmp_path, batch_size=3,
                     optim_wrapper=dict(paramwise_cfg=dict(batch_size_per_gpu=3, nominal_batch_size=8)))
    assert recorder.counts == [1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 3]


def test_a_resumed_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    unstopped = train(tmp_path / 'whole')
    train(tmp_path / 'part')
    rest = train(tmp_path / 'part', load_from=str(tmp_path / 'part/epoch_1.pth'), resume=True)
    assert_allclose(rest.used, unstopped.used[4:])


def test_an_optimizer_without_momentum_is_fine(tmp_path):
    hooks = dict(warmup=dict(type='YOLOWarmupHook', warmup_epochs=2, min_iters=0))
    wrapper = dict(optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.05))
    runner = tiny_runner(tmp_path, hooks=hooks, optim_wrapper=wrapper)
    runner.train()
    assert all(group['lr'] == 0.01 for group in runner.optim_wrapper.optimizer.param_groups)


def test_settings_made_for_another_batch_size_are_an_error(tmp_path):
    wrapper = dict(paramwise_cfg=dict(batch_size_per_gpu=16))
    with pytest.raises(ValueError, match='batch_size_per_gpu is 16, train_dataloader.batch_size 2'):
        train(tmp_path, optim_wrapper=wrapper)


def test_the_first_iteration_moves_biases_only(tmp_path):
    torch.manual_seed(0)
    hooks = dict(warmup=dict(type='YOLOWarmupHook', warmup_epochs=2, min_iters=0))
    runner = tiny_runner(tmp_path, hooks=hooks, epochs=1, iters=1)
    before = {name: value.clone() for name, value in runner.model.named_parameters()}
    runner.train()
    changed = [name for name, value in runner.model.named_parameters() if not value.equal(before[name])]
    assert changed == ['norm.bias']  # the gradient of linear.bias is 0: the norm takes it away
