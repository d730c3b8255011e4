import pytest
import torch
import torch.nn as nn
from mmdet_ext.engine import AmpSumOptimWrapper, SumOptimWrapper, YOLOOptimWrapperConstructor
from mmdet_ext.engine import optim_constructor
from mmdet_ext.engine.optim_constructor import parameter_groups
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope


class Model(nn.Module):

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.SyncBatchNorm(8)
        self.layer_norm = nn.LayerNorm(8)
        self.linear = nn.Linear(8, 8)
        self.tied = nn.Linear(8, 8)
        self.tied.weight = self.linear.weight
        self.scale = nn.Parameter(torch.ones(8))
        self.atoms = nn.Parameter(torch.ones(4, 8))
        self.frozen = nn.Conv2d(8, 8, 1).requires_grad_(False)


def build(model: nn.Module | None = None, *, batch_size: int = 16, **changes):
    cfg = dict(
        type='SumOptimWrapper',
        constructor='YOLOOptimWrapperConstructor',
        paramwise_cfg=dict(batch_size_per_gpu=batch_size),
        optimizer=dict(type='SGD', lr=0.01, momentum=0.937, nesterov=True, weight_decay=0.0005),
        clip_grad=dict(max_norm=10.))
    with DefaultScope.overwrite_default_scope('mmdet'):
        return build_optim_wrapper(model or Model(), cfg | changes)


def test_groups_hold_each_trainable_parameter_once():
    model = Model()
    names = {parameter: name for name, parameter in model.named_parameters()}
    groups = {group['role']: [names[p] for p in group['params']] for group in parameter_groups(model)}
    assert groups == dict(
        weight=['atoms', 'conv.weight', 'linear.weight'],
        norm=['scale', 'norm.weight', 'layer_norm.weight'],
        bias=['norm.bias', 'layer_norm.bias', 'linear.bias', 'tied.bias'])


def test_only_weights_decay():
    groups = build().optimizer.param_groups
    assert [(group['role'], group['weight_decay'] > 0) for group in groups] == [
        ('weight', True), ('norm', False), ('bias', False)]


@pytest.mark.parametrize('world_size, batch_size, counts, decay', [
    (1, 16, 4, 0.0005), (1, 32, 2, 0.0005), (1, 64, 1, 0.0005), (8, 16, 1, 0.001), (1, 24, 3, 0.0005625),
    (1, 128, 1, 0.001)])
def test_decay_and_accumulation_follow_the_batch_size(monkeypatch, world_size, batch_size, counts, decay):
    monkeypatch.setattr(optim_constructor, 'get_world_size', lambda: world_size)
    wrapper = build(batch_size=batch_size)
    assert wrapper.accumulative_counts == counts
    assert wrapper.optimizer.param_groups[0]['weight_decay'] == pytest.approx(decay)
    assert wrapper.batch_size_per_gpu == batch_size


def test_accumulation_that_is_given_stays_and_counts_in_the_decay():
    wrapper = build(batch_size=16, accumulative_counts=8)
    assert wrapper.accumulative_counts == 8
    assert wrapper.optimizer.param_groups[0]['weight_decay'] == pytest.approx(0.001)


def test_mmengines_wrapper_is_replaced_by_the_one_that_sums():
    assert isinstance(build(type='OptimWrapper'), SumOptimWrapper)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='mixed precision needs a GPU')
@pytest.mark.parametrize('name', ['AmpOptimWrapper', 'AmpSumOptimWrapper'])
def test_mixed_precision_sums_too(name):
    assert isinstance(build(type=name), AmpSumOptimWrapper)


@pytest.mark.parametrize('paramwise_cfg, message', [
    (None, 'got None'),
    (dict(batch_size_per_gpu=16, norm_decay_mult=0.), 'norm_decay_mult'),
    (dict(batch_size_per_gpu=0), 'batch_size_per_gpu must be a positive integer, got 0'),
    (dict(batch_size_per_gpu=16, nominal_batch_size=6.4), 'nominal_batch_size must be a positive integer, got 6.4'),
])
def test_rejects_settings_that_it_does_not_know(paramwise_cfg, message):
    with pytest.raises(ValueError, match=message):
        YOLOOptimWrapperConstructor(dict(optimizer=dict(type='SGD', weight_decay=0.)), paramwise_cfg)


def test_rejects_an_optimizer_without_weight_decay():
    with pytest.raises(ValueError, match='must set weight_decay'):
        YOLOOptimWrapperConstructor(dict(optimizer=dict(type='SGD', lr=1.)), dict(batch_size_per_gpu=1))
