"""Options for single parameters, without a parameter group for each parameter."""
import logging
from copy import copy
from typing import Any

from mmdet.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from torch import nn
from torch.optim import Optimizer

from .no_wait_optim_wrapper import NoWaitMixin
from .optimizer_options import keep_implementation, with_fused


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """mmengine's default constructor, but parameters with the same options share one parameter group.

    With `paramwise_cfg`, mmengine makes one group per parameter, and optimizers launch their kernels group by group.
    Here there is one group per set of options, in the order of each group's first parameter, so that the logged
    learning rates stay the same. Updates are exactly the same. `paramwise_cfg` is read as in mmengine. To give some
    parameters a learning rate schedule of their own, keep them in a separate group by an extra option in
    `custom_keys`, such as ``role='text_encoder'``: optimizers ignore options that they do not know.

    Optimizer states that were saved with mmengine's groups are merged when they are loaded. On CUDA the optimizer is
    fused unless its config says otherwise (`optimizer_options.with_fused`).
    """

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs: Any) -> None:
        super().add_params(params, module, prefix, **kwargs)
        if not prefix:  # called for the whole model; its parts have been added
            params[:] = merge_groups(params, self.optimizer_cfg)

    def __call__(self, model: nn.Module) -> OptimWrapper:
        builder = copy(self)
        builder.optimizer_cfg = with_fused(self.optimizer_cfg, model)
        wrapper = super(MergedOptimWrapperConstructor, builder).__call__(model)
        if self.paramwise_cfg:
            trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
            group_indices = {parameter: index for index, parameter in enumerate(trained)}  # of mmengine's groups
            wrapper.optimizer.register_load_state_dict_pre_hook(
                lambda optimizer, state_dict: merge_state(optimizer, state_dict, group_indices))
            if isinstance(wrapper, NoWaitMixin):
                wrapper.clip_order = trained
        keep_implementation(wrapper.optimizer)
        return wrapper


def merge_groups(groups: list[dict], defaults: dict) -> list[dict]:
    """Merge groups that have equal options after `defaults` fill in missing ones; the order is that of first
    appearance."""
    parameters = [parameter for group in groups for parameter in group['params']]
    if len(set(parameters)) < len(parameters):  # torch forbids it between groups, and would update twice within one
        raise ValueError('some parameters appear in more than one parameter group: modules share them. Try '
                         'optim_wrapper.paramwise_cfg.bypass_duplicate=True')
    merged: list[tuple[dict, list[nn.Parameter]]] = []
    for group in groups:
        options = _options(group)
        for known, members in merged:
            if defaults | known == defaults | options:
                members.extend(group['params'])
                break
        else:
            merged.append((options, list(group['params'])))
    return [dict(params=members, **options) for options, members in merged]


def merge_state(optimizer: Optimizer, state_dict: dict[str, Any],
                group_indices: dict[nn.Parameter, int]) -> dict[str, Any]:
    """Merge the groups of a saved state that has one per parameter; any other state must have the optimizer's groups.

    Args:
        optimizer: The optimizer that loads the state.
        state_dict: As `Optimizer.state_dict` gives it.
        group_indices: Index of each parameter's group in a state with one group per parameter.
    """
    saved, current = state_dict['param_groups'], optimizer.param_groups
    if len(saved) == len(current):
        return state_dict
    if [len(group['params']) for group in saved] != [1] * len(group_indices):
        raise ValueError(f'the optimizer in the checkpoint has {len(saved)} parameter groups, that of this config '
                         f'{len(current)}: resume with the model and optim_wrapper that it was trained with')
    groups = []
    for group in current:
        members = [saved[group_indices[parameter]] for parameter in group['params']]
        options = _options(members[0])
        if any(_options(member) != options for member in members):
            raise ValueError('the optimizer in the checkpoint treats parameters differently that are in one group now: '
                             'resume with the optim_wrapper that the checkpoint was trained with')
        groups.append(dict(_options(group) | options, params=[member['params'][0] for member in members]))
    if len({group.get('initial_lr') for group in groups}) > 1:
        print_log('The optimizer in the checkpoint has a group of each parameter, which are merged. A cosine schedule '
                  'with several rates would take those of other groups: resume such a run with mmengine\'s '
                  'DefaultOptimWrapperConstructor.', logger='current', level=logging.WARNING)
    return dict(state_dict, param_groups=groups)


def _options(group: dict) -> dict:
    return {name: value for name, value in group.items() if name != 'params'}
