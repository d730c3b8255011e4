"""Use an optimizer's fused kernels on CUDA, also in a run that resumes from an optimizer that was not fused."""
import inspect
from typing import Any

import torch
from mmdet.registry import OPTIMIZERS
from torch import nn

IMPLEMENTATIONS = ('fused', 'foreach', 'differentiable')  # arguments that choose one
WITHOUT_CUDA = (torch.optim.Adagrad, )  # take `fused`, for the CPU only


def with_fused(optimizer_cfg: dict, model: nn.Module) -> dict:
    """A copy of an optimizer's config, with ``fused=True`` if the model is on a GPU and the config has no other choice.

    Fused optimizers read the scale of the gradients and whether they are finite on the device, so that GradScaler
    does not wait for it in each step of mixed precision.

    Args:
        optimizer_cfg: Config with `type`, a name or a class.
        model: The model, on the device where it is trained.
    """
    name = optimizer_cfg.get('type')
    if name is None or (isinstance(name, str) and OPTIMIZERS.get(name) is None):
        raise ValueError(f'optim_wrapper.optimizer.type should be the name of a registered optimizer, got {name!r}')
    parameters = list(model.parameters())
    is_chosen = any(name in optimizer_cfg for name in IMPLEMENTATIONS)
    if is_chosen or not (_on_cuda(parameters) and all(parameter.is_floating_point() for parameter in parameters)):
        return dict(optimizer_cfg)
    optimizer = optimizer_cfg['type']
    optimizer = OPTIMIZERS.get(optimizer) if isinstance(optimizer, str) else optimizer
    takes_fused = 'fused' in inspect.signature(optimizer).parameters and optimizer not in WITHOUT_CUDA
    return dict(optimizer_cfg, fused=True) if takes_fused else dict(optimizer_cfg)


def keep_implementation(optimizer: torch.optim.Optimizer) -> None:
    """Keep the optimizer's implementation when a state is loaded, and start fused SGD with a momentum of 0.

    torch takes `fused` and `foreach` from the loaded state: a state from a CPU, or from an optimizer that was not
    fused, would undo the choice for this run. Fused kernels need states with the same strides as the weights, which a
    state in another memory format does not have. Fused SGD allocates its momentum without filling it and, if the first
    gradients of mixed precision are not finite, never fills it.
    """
    optimizer.register_load_state_dict_pre_hook(_keep)
    optimizer.register_load_state_dict_post_hook(_match_strides)
    if isinstance(optimizer, torch.optim.SGD):
        for group in optimizer.param_groups:
            if group.get('fused') and group['momentum'] and not group['dampening']:
                for parameter in group['params']:
                    optimizer.state[parameter]['momentum_buffer'] = torch.zeros_like(parameter)


def _keep(optimizer: torch.optim.Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    first = optimizer.param_groups[0]
    choices = {name: first[name] for name in IMPLEMENTATIONS if name in first}
    return dict(state_dict, param_groups=[dict(group, **choices) for group in state_dict['param_groups']])


def _match_strides(optimizer: torch.optim.Optimizer) -> None:
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            alike = isinstance(value, torch.Tensor) and value.shape == parameter.shape
            if alike and value.stride() != parameter.stride():
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def _on_cuda(parameters: list[nn.Parameter]) -> bool:
    return bool(parameters) and all(parameter.is_cuda for parameter in parameters)
