import math
from copy import deepcopy
from functools import partial

import pytest
import torch
import torch.nn as nn
from benchmarks.counts import count
from mmdet_ext.engine import RampedEMA
from tiny_run import TinyModel, tiny_runner
from torch.testing import assert_close


def net() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def change(model: nn.Module) -> None:
    """New weights, statistics and counters."""
    model.train()(torch.randn(4, 1, 3, 3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter))


def test_the_average_follows_the_formula_from_the_first_update_on():
    torch.manual_seed(0)
    model = net()
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    ema = RampedEMA(model)
    for update in range(1, 6):
        change(model)
        ema.update_parameters(model)
        decay = 0.9999 * (1 - math.exp(-update / 2000))
        for name, value in model.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value if value.is_floating_point() else value
        assert_close(ema.module.state_dict(), expected)


def test_the_decay_rises_to_its_limit():
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    ema = RampedEMA(model)
    nn.init.zeros_(model.weight)
    ema.steps.fill_(1999)
    ema.update_parameters(model)
    assert_close(ema.module.weight.item(), 0.9999 * (1 - math.exp(-1)))
    ema.steps.fill_(10**6)
    nn.init.ones_(ema.module.weight)
    ema.update_parameters(model)
    assert_close(ema.module.weight.item(), 0.9999)


def test_a_decay_of_0_follows_the_model():
    model = net()
    ema = RampedEMA(model, decay=0)
    change(model)
    ema.update_parameters(model)
    assert_close(ema.module.state_dict(), model.state_dict())


def test_what_was_saved_goes_on_with_the_same_decay():
    torch.manual_seed(0)
    model = net()
    ema, copy = RampedEMA(model), RampedEMA(model)
    change(model)
    ema.update_parameters(model)
    copy.load_state_dict(ema.state_dict())
    change(model)
    ema.update_parameters(model)
    copy.update_parameters(model)
    assert_close(copy.state_dict(), ema.state_dict())


def test_without_a_ramp_the_average_begins_with_the_initial_weights():
    """As MDETR's: 0.9998 * 5 + 0.0002 * 7 after the first update, and 0.9998 * 5.0004 + 0.0002 * 2 after the second."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 5.)
    ema = RampedEMA(model, decay=0.9998, tau=0)
    for value, expected in ((7., 5.0004), (2., 4.99979992)):
        nn.init.constant_(model.weight, value)
        ema.update_parameters(model)
        assert_close(ema.module.weight.item(), expected, rtol=1e-7, atol=0)


@pytest.mark.parametrize('wrong', [dict(decay=1.5), dict(tau=-1)])
def test_rejects_what_makes_no_average(wrong):
    with pytest.raises(ValueError, match='decay|tau'):
        RampedEMA(net(), **wrong)


def test_updates_are_counted_in_steps_of_the_optimizer(tmp_path):
    hooks = dict(ema=dict(type='StepEMAHook'))
    tiny_runner(tmp_path, epochs=2, iters=4, hooks=hooks, optim_wrapper=dict(accumulative_counts=3)).train()
    steps = torch.load(tmp_path / 'epoch_2.pth', weights_only=False)['ema_state_dict']['steps']
    assert steps == 2  # after iterations 3 and 6


class Initialised(TinyModel):

    def init_weights(self) -> None:
        nn.init.constant_(self.linear.weight, 5.)


def test_the_average_starts_from_the_initialised_weights(tmp_path):
    runner = tiny_runner(tmp_path, Initialised(), hooks=dict(ema=dict(type='StepEMAHook')), epochs=1, iters=1)
    runner.train()
    average = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)['state_dict']['linear.weight']
    decay = 0.9999 * (1 - math.exp(-1 / 2000))
    expected = decay * 5 + (1 - decay) * runner.model.linear.weight.item()
    assert abs(runner.model.linear.weight.item() - 5) > 0.01
    assert_close(average.item(), expected, rtol=1e-6, atol=0)


def test_evaluated_and_saved_weights_are_the_average(tmp_path):
    torch.manual_seed(0)
    hooks = dict(ema=dict(type='StepEMAHook', decay=0.9999, tau=2.))
    runner = tiny_runner(tmp_path, TinyModel(), hooks=hooks)
    runner.train()
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'StepEMAHook')
    average = {name: value.clone() for name, value in hook.ema_model.module.state_dict().items()}
    assert not average['linear.weight'].equal(runner.model.linear.weight)
    saved = torch.load(tmp_path / 'epoch_3.pth', weights_only=False)
    assert_close(dict(saved['state_dict']), average)
    trained = {name: value.clone() for name, value in runner.model.state_dict().items()}
    runner.call_hook('before_val_epoch')
    assert_close(dict(runner.model.state_dict()), average)
    runner.call_hook('after_val_epoch', metrics={})
    assert_close(dict(runner.model.state_dict()), trained)


def test_updates_are_counted_without_reading_them():
    model = net()
    ema = RampedEMA(model)
    ema.update_parameters(model)
    assert count(lambda: ema.update_parameters(model)).synchronisations == {}
    copy = deepcopy(ema)
    ema.steps.fill_(10)
    for average in (ema, copy):
        average.update_parameters(model)
    assert (ema.steps, copy.steps) == (11, 3)
    assert (ema.count_update(), copy.count_update()) == (12, 4)


def test_operators_do_not_grow_with_the_model():
    operators = []
    for blocks in (1, 4):
        model = nn.Sequential(*(net() for _ in range(blocks)))
        ema = RampedEMA(model)
        ema.update_parameters(model)
        ran = count(partial(ema.update_parameters, model)).operators
        operators.append({name: number for name, number in ran.items() if name not in ('detach', 'alias')})
    assert operators[0] == operators[1]


def test_a_tensor_that_modules_share_is_averaged_once():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    ema = RampedEMA(model, decay=0.6, tau=0)
    before = ema.module[0].weight.clone()
    with torch.no_grad():
        model[0].weight.add_(1)
    ema.update_parameters(model)
    assert_close(ema.module[0].weight, before + 0.4)
    assert ema.module[1].weight is ema.module[0].weight


class Renamed(nn.Linear):
    """Has a name of its own in state dicts."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.register_state_dict_post_hook(lambda module, state, prefix, _: state.update(other=state.pop('weight')))


def test_models_that_rename_their_tensors_are_averaged_too():
    model = Renamed()
    ema = RampedEMA(model, decay=0.9998, tau=0)
    before = ema.module.weight.clone()
    with torch.no_grad():
        model.weight.fill_(3)
    ema.update_parameters(model)
    assert_close(ema.module.weight, before + 0.0002 * (3 - before))
