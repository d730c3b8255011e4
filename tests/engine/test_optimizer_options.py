"""Fused optimizers, chosen as on a GPU and run on the CPU."""
from copy import deepcopy

import pytest
import torch
import torch.nn as nn
from mmengine.optim import AmpOptimWrapper, OptimWrapper, build_optim_wrapper
from mmengine.optim.optimizer import amp_optimizer_wrapper
from torch.testing import assert_close

from benchmarks.counts import count
from mmdet_ext.engine import AmpNoWaitOptimWrapper, AmpSumOptimWrapper, optimizer_options

CONSTRUCTORS = dict(
    MergedOptimWrapperConstructor=dict(norm_decay_mult=0.), YOLOOptimWrapperConstructor=dict(batch_size_per_gpu=64))


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))


@pytest.fixture
def on_cuda(monkeypatch) -> None:
    monkeypatch.setattr(optimizer_options, '_on_cuda', lambda parameters: len(parameters) > 0)


def build(constructor: str, model: nn.Module | None = None, **optimizer) -> OptimWrapper:
    optimizer = dict(type='AdamW', lr=0.1, weight_decay=0.1) | optimizer
    return build_optim_wrapper(model or net(), dict(
        type='OptimWrapper', constructor=constructor, paramwise_cfg=CONSTRUCTORS[constructor], optimizer=optimizer))


def fused(wrapper: OptimWrapper) -> list:
    return [group.get('fused') for group in wrapper.optimizer.param_groups]


@pytest.mark.parametrize('constructor', CONSTRUCTORS)
@pytest.mark.parametrize('name', ['AdamW', 'Adam', 'SGD', torch.optim.AdamW])
def test_on_cuda_an_optimizer_is_fused(constructor, name, on_cuda):
    groups = fused(build(constructor, type=name))
    assert groups == [True] * len(groups) and len(groups) > 1


@pytest.mark.parametrize('constructor', CONSTRUCTORS)
@pytest.mark.parametrize('asked', [dict(fused=False), dict(foreach=False), dict(foreach=True), dict(type='Adagrad'),
                                   dict(type='RMSprop')])
def test_unless_the_config_or_the_class_says_otherwise(constructor, asked, on_cuda):
    assert not any(fused(build(constructor, **asked)))


@pytest.mark.parametrize('constructor', CONSTRUCTORS)
def test_on_the_cpu_it_is_as_the_config_says(constructor):
    assert set(fused(build(constructor))) == {None}
    assert set(fused(build(constructor, fused=True))) == {True}
    assert not torch.optim.AdamW([torch.zeros(1)]).param_groups[0]['fused']  # what None stands for


def test_a_model_of_whole_numbers_is_not_fused(on_cuda):
    model = net()
    model.table = nn.Parameter(torch.zeros(2, dtype=torch.long), requires_grad=False)
    assert set(fused(build('MergedOptimWrapperConstructor', model))) == {None}


@pytest.mark.parametrize('constructor', CONSTRUCTORS)
@pytest.mark.parametrize('before, after', [(None, True), (True, None)])
def test_a_state_does_not_change_how_the_optimizer_computes(constructor, before, after):
    model = net()
    wrappers = [build(constructor, model, fused=flag) for flag in (before, after)]
    wrappers[0].update_params(model(torch.randn(2, 4)).square().sum())
    wrappers[0].optimizer.param_groups[0]['lr'] = 0.03
    wrappers[1].load_state_dict(deepcopy(wrappers[0].state_dict()))
    assert set(fused(wrappers[1])) == {after}
    assert wrappers[1].optimizer.param_groups[0]['lr'] == 0.03
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    gradients = [torch.randn_like(weight) for weight in weights]
    results = []
    for wrapper in wrappers:
        for parameter, weight, gradient in zip(model.parameters(), weights, gradients):
            parameter.data.copy_(weight)
            parameter.grad = gradient.clone()
        wrapper.step()
        results.append([parameter.detach().clone() for parameter in model.parameters()])
    assert_close(*results)
    assert not results[0][0].equal(weights[0])


@pytest.mark.parametrize('flag', [True, None])
@pytest.mark.parametrize('wrapper', [AmpNoWaitOptimWrapper, AmpSumOptimWrapper])
@pytest.mark.parametrize('name', ['AdamW', 'SGD'])
def test_mixed_precision_waits_for_the_scale_unless_the_optimizer_is_fused(monkeypatch, wrapper, name, flag):
    monkeypatch.setattr(amp_optimizer_wrapper, 'is_cuda_available', lambda: True)
    monkeypatch.setattr(amp_optimizer_wrapper, 'GradScaler', lambda: torch.amp.GradScaler('cpu'))
    model = net()
    optimizer = getattr(torch.optim, name)(model.parameters(), lr=0.1, fused=flag)
    wrapper = wrapper(optimizer=optimizer, clip_grad=dict(max_norm=1.))
    assert isinstance(wrapper, AmpOptimWrapper)

    def step() -> None:
        wrapper.update_params(model(torch.randn(2, 4)).square().sum())

    step()  # the log knows the norm from here on
    before = model[0].weight.detach().clone()
    waits = count(step).synchronisations
    assert not model[0].weight.equal(before)
    assert (sum(waits.values()) == 0) == bool(flag), waits


@pytest.mark.parametrize('dampening', [0, 0.5])
def test_fused_sgd_has_its_momentum_before_the_first_step(dampening):
    """Where the first gradients are not finite, its kernel leaves memory that was never filled."""
    model, plain = net(), net()
    plain.load_state_dict(model.state_dict())
    optimizers = [torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, dampening=dampening, fused=True)
                  for network in (model, plain)]
    optimizer_options.keep_implementation(optimizers[0])
    buffers = [state['momentum_buffer'] for state in optimizers[0].state.values()]
    assert len(buffers) == (len(list(model.parameters())) if not dampening else 0)
    assert all(not buffer.any() for buffer in buffers)
    for _ in range(3):
        images = torch.randn(2, 4)
        for network, optimizer in zip((model, plain), optimizers):
            optimizer.zero_grad()
            network(images).square().sum().backward()
            optimizer.step()
    for kept, expected in zip(model.parameters(), plain.parameters()):
        assert kept.equal(expected)


def test_a_loaded_state_takes_the_strides_of_the_weights():
    conv = torch.nn.Conv2d(4, 4, 3)
    optimizer = torch.optim.AdamW(conv.parameters())
    conv(torch.randn(1, 4, 8, 8)).sum().backward()
    optimizer.step()
    state = deepcopy(optimizer.state_dict())
    conv = conv.to(memory_format=torch.channels_last)
    resumed = torch.optim.AdamW(conv.parameters())
    optimizer_options.keep_implementation(resumed)
    resumed.load_state_dict(state)
    average = resumed.state[conv.weight]['exp_avg']
    assert average.stride() == conv.weight.stride() and average.equal(state['state'][0]['exp_avg'])
