"""Merged parameter groups against mmengine's, which has one of each parameter."""
from copy import deepcopy

import pytest
import torch
import torch.nn as nn
from mmdet.registry import PARAM_SCHEDULERS
from mmengine.optim import OptimWrapper, build_optim_wrapper
from tiny_run import tiny_runner
from torch import Tensor
from torch.testing import assert_close

from benchmarks.counts import count
from mmdet_ext.engine import MergedOptimWrapperConstructor, NoWaitOptimWrapper, merged_optim_constructor


class Model(nn.Module):
    """What paramwise_cfg tells apart, in an order that mixes it."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(8))
        self.backbone = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, groups=8))
        self.text_encoder = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.Linear(8, 8))
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.head = nn.Sequential(nn.Linear(8, 8), nn.GroupNorm(2, 8), nn.Linear(8, 2))

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        feature = self.backbone(image).mean((2, 3)) * self.scale
        return self.head(self.frozen(feature) + self.text_encoder(text)).square().sum()


ADAMW, SGD = dict(type='AdamW', lr=0.01, weight_decay=0.1), dict(type='SGD', lr=0.01, momentum=0.9, weight_decay=0.1)
KEYS = dict(custom_keys={'backbone': dict(lr_mult=0.1), 'text_encoder': dict(lr_mult=0.5, decay_mult=0.)})
NORMS = dict(norm_decay_mult=0., bias_decay_mult=0.5, bias_lr_mult=2.)
FLAT = dict(dwconv_decay_mult=0., flat_decay_mult=0.2)
OPTIMIZERS = [ADAMW, dict(ADAMW, foreach=True), dict(ADAMW, fused=True), SGD, dict(SGD, foreach=True, nesterov=True)]


def build(model: nn.Module, constructor: str, wrapper: str = 'OptimWrapper', **cfg) -> OptimWrapper:
    return build_optim_wrapper(model, dict(type=wrapper, constructor=constructor, **deepcopy(cfg)))


def pair(model: nn.Module | None = None, **cfg) -> tuple[OptimWrapper, OptimWrapper]:
    """mmengine's wrapper and the merging one, of equal models."""
    model = model or Model()
    return (build(deepcopy(model), 'DefaultOptimWrapperConstructor', **cfg),
            build(deepcopy(model), 'MergedOptimWrapperConstructor', 'NoWaitOptimWrapper', **cfg))


def options(wrapper: OptimWrapper) -> list[dict]:
    return [{k: v for k, v in group.items() if k != 'params'} for group in wrapper.optimizer.param_groups]


@pytest.mark.parametrize('clip_grad', [None, dict(max_norm=0.1)], ids=['free', 'clipped'])
@pytest.mark.parametrize('paramwise_cfg', [KEYS, NORMS, FLAT, KEYS | NORMS, None])
@pytest.mark.parametrize('optimizer', OPTIMIZERS)
def test_updates_are_the_same_to_the_digit(optimizer, paramwise_cfg, clip_grad):
    models = [Model()]
    models.append(deepcopy(models[0]))
    cfg = dict(optimizer=optimizer, paramwise_cfg=paramwise_cfg, clip_grad=clip_grad)
    wrappers = [build(models[0], 'DefaultOptimWrapperConstructor', **cfg),
                build(models[1], 'MergedOptimWrapperConstructor', 'NoWaitOptimWrapper', **cfg)]
    start = deepcopy(models[0].state_dict())
    for _ in range(4):
        image, text = torch.randn(3, 3, 8, 8), torch.randn(3, 4)
        for model, wrapper in zip(models, wrappers):
            wrapper.update_params(model(image, text))
    assert_close(models[1].state_dict(), models[0].state_dict(), rtol=0, atol=0)
    assert not models[0].head[0].weight.equal(start['head.0.weight'])


@pytest.mark.parametrize('paramwise_cfg, count', [(KEYS, 3), (NORMS, 3), (FLAT, 3), (KEYS | NORMS, 5),
                                                  (dict(norm_decay_mult=1.), 1)])
def test_each_set_of_options_has_one_group(paramwise_cfg, count):
    default, merged = pair(optimizer=ADAMW, paramwise_cfg=paramwise_cfg)
    assert len(options(default)) == 19 and len(options(merged)) == count
    everything = options(default)
    assert options(merged) == [group for i, group in enumerate(everything) if group not in everything[:i]]
    assert sum(len(group['params']) for group in merged.optimizer.param_groups) == 19


@pytest.mark.parametrize('optimizer, kernel', [(dict(ADAMW, fused=True), '_fused_adamw_'),
                                               (dict(ADAMW, foreach=True), '_foreach_addcdiv_'),
                                               (dict(SGD, fused=True), '_fused_sgd_')])
def test_a_step_runs_once_for_each_group(optimizer, kernel):
    ran = []
    for wrapper in pair(optimizer=optimizer, paramwise_cfg=KEYS):
        for group in wrapper.optimizer.param_groups:
            for parameter in group['params']:
                parameter.grad = torch.ones_like(parameter)
        ran.append(count(wrapper.step).operators[kernel])
    assert ran == [19, 3]


def test_parameters_that_do_not_train_are_treated_as_by_mmengine():
    for paramwise_cfg in (KEYS, None):
        default, merged = pair(optimizer=SGD, paramwise_cfg=paramwise_cfg)
        frozen = [sum(not p.requires_grad for group in wrapper.optimizer.param_groups for p in group['params'])
                  for wrapper in (default, merged)]
        assert frozen == ([0, 0] if paramwise_cfg else [2, 2])


def test_an_option_of_its_own_keeps_a_part_in_its_own_group():
    keys = {'backbone': dict(lr_mult=0.2), 'text_encoder': dict(lr_mult=0.2)}
    model = Model()
    assert len(options(build(model, 'MergedOptimWrapperConstructor', optimizer=SGD,
                             paramwise_cfg=dict(custom_keys=keys)))) == 2
    keys['text_encoder']['role'] = 'text_encoder'
    groups = build(model, 'MergedOptimWrapperConstructor', optimizer=SGD,
                   paramwise_cfg=dict(custom_keys=keys)).optimizer.param_groups
    assert [group.get('role') for group in groups] == [None, None, 'text_encoder']
    assert set(groups[2]['params']) == set(model.text_encoder.parameters())


def test_shared_parameters_are_an_error_unless_duplicates_are_bypassed():
    model = Model()
    model.head[0].weight = model.text_encoder[2].weight
    with pytest.raises(ValueError, match='more than one parameter group.*bypass_duplicate=True'):
        build(model, 'MergedOptimWrapperConstructor', optimizer=SGD, paramwise_cfg=NORMS)
    default, merged = pair(model, optimizer=SGD, paramwise_cfg=NORMS | dict(bypass_duplicate=True))
    assert len(options(default)) == sum(len(group['params']) for group in merged.optimizer.param_groups) == 18


def test_any_wrapper_will_do():
    wrapper = build(Model(), 'MergedOptimWrapperConstructor', optimizer=SGD, paramwise_cfg=KEYS)
    assert type(wrapper) is OptimWrapper and len(options(wrapper)) == 3
    wrapper = MergedOptimWrapperConstructor(dict(type=NoWaitOptimWrapper, optimizer=dict(SGD)))(Model())
    assert len(options(wrapper)) == 1


RUN = dict(
    optimizer=dict(type='AdamW', lr=0.01, weight_decay=0.1), clip_grad=dict(max_norm=0.5),
    paramwise_cfg=dict(custom_keys=dict(linear=dict(lr_mult=0.1)), norm_decay_mult=0.))
SCHEDULES = [dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=5), dict(type='MultiStepLR', milestones=[2])]


def train(work_dir, constructor: str, schedulers: list[dict] = SCHEDULES, **settings):
    torch.manual_seed(0)
    wrapper = RUN | dict(type='OptimWrapper' if constructor.startswith('Default') else 'NoWaitOptimWrapper',
                         constructor=constructor)
    runner = tiny_runner(work_dir, optim_wrapper=wrapper, schedulers=deepcopy(schedulers), **settings)
    runner.train()
    return runner


def test_schedules_and_the_log_see_the_same_rates(tmp_path):
    logs = [train(tmp_path, name).message_hub.log_scalars
            for name in ('DefaultOptimWrapperConstructor', 'MergedOptimWrapperConstructor')]
    assert list(logs[0]) == list(logs[1]) and 'train/base_lr' in logs[0] and 'train/grad_norm' in logs[0]
    for key in logs[0]:
        assert logs[0][key].data[0].tolist() == logs[1][key].data[0].tolist(), key
    assert len(set(logs[0]['train/base_lr'].data[0])) > 3


@pytest.mark.parametrize('saved_by', ['DefaultOptimWrapperConstructor', 'MergedOptimWrapperConstructor'])
def test_a_resumed_training_equals_one_that_did_not_stop(tmp_path, saved_by):
    unstopped = train(tmp_path / 'whole', saved_by).model.state_dict()
    rest = train(tmp_path / 'rest', 'MergedOptimWrapperConstructor', resume=True,
                 load_from=str(tmp_path / 'whole/epoch_1.pth'))
    assert len(rest.optim_wrapper.optimizer.param_groups) == 2
    assert_close(rest.model.state_dict(), unstopped, rtol=0, atol=0)


def test_states_of_other_groups_are_refused():
    default, merged = pair(optimizer=ADAMW, paramwise_cfg=KEYS)
    state = default.optimizer.state_dict()
    state['param_groups'][2]['weight_decay'] = 0.3
    with pytest.raises(ValueError, match='treats parameters differently'):
        merged.load_state_dict(state)
    state['param_groups'].pop()
    with pytest.raises(ValueError, match='checkpoint has 18 parameter groups, that of this config 3'):
        merged.load_state_dict(state)


@pytest.mark.parametrize('schedule, warned', [(dict(type='MultiStepLR', milestones=[2]), True), (None, False)])
def test_schedules_that_know_the_saved_groups_are_warned_of(monkeypatch, schedule, warned):
    lines = []
    monkeypatch.setattr(merged_optim_constructor, 'print_log', lambda line, **_: lines.append(line))
    default, merged = pair(optimizer=ADAMW, paramwise_cfg=KEYS)
    if schedule:  # keeps the first rate of each group
        PARAM_SCHEDULERS.build(dict(schedule, optimizer=default))
    merged.load_state_dict(default.state_dict())
    assert [line for line in lines if 'cosine' in line] == lines and len(lines) == warned
