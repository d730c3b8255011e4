"""Parameter groups and weight decay of the YOLO recipe."""
import torch.nn as nn
from mmdet.registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS, OPTIMIZERS
from mmengine.dist import get_world_size
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper

from .optimizer_options import keep_implementation, with_fused
from .sum_optim_wrapper import AmpSumOptimWrapper, SumOptimWrapper

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm)
_SUMMING = dict(OptimWrapper='SumOptimWrapper', AmpOptimWrapper='AmpSumOptimWrapper')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class YOLOOptimWrapperConstructor:
    """Build an optimizer wrapper with three parameter groups; the batch size sets weight decay and accumulation.

    Each group has a name, `role`: 'weight' (decayed), 'norm' (scales of norm layers and other vectors, not decayed) and
    'bias' (not decayed; `YOLOWarmupHook` treats it in its own way). Frozen parameters are in no group.

    Gradients are accumulated over round(nominal / batch) iterations, at least 1, unless `accumulative_counts` is
    given, with batch = batch_size_per_gpu * number of processes; the weight decay is multiplied by batch *
    accumulation / nominal. mmengine's own wrappers, which average, are replaced by those that sum. On CUDA the
    optimizer is fused unless its config says otherwise (`optimizer_options.with_fused`).

    Args:
        optim_wrapper_cfg: Config of the wrapper with its `optimizer`, which names `weight_decay`.
        paramwise_cfg: `batch_size_per_gpu` (that of `train_dataloader`) and maybe `nominal_batch_size` (64).
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: dict | None = None) -> None:
        settings = dict(nominal_batch_size=64) | dict(paramwise_cfg or {})
        if settings.keys() != {'batch_size_per_gpu', 'nominal_batch_size'}:
            raise ValueError('optim_wrapper.paramwise_cfg of YOLOOptimWrapperConstructor takes batch_size_per_gpu and '
                             f'nominal_batch_size (64), got {paramwise_cfg}')
        for name, value in settings.items():
            if not (isinstance(value, int) and value > 0):
                raise ValueError(f'optim_wrapper.paramwise_cfg.{name} must be a positive integer, got {value!r}')
        if 'weight_decay' not in optim_wrapper_cfg['optimizer']:
            raise ValueError(f'optim_wrapper.optimizer must set weight_decay, got {optim_wrapper_cfg["optimizer"]}')
        self.optim_wrapper_cfg = optim_wrapper_cfg
        self.batch_size_per_gpu = settings['batch_size_per_gpu']
        self.nominal_batch_size = settings['nominal_batch_size']

    def __call__(self, model: nn.Module) -> OptimWrapper:
        wrapper_cfg = dict(self.optim_wrapper_cfg)
        optimizer_cfg = with_fused(wrapper_cfg.pop('optimizer'), model)
        batch_size = self.batch_size_per_gpu * get_world_size()
        nominal_counts = self.nominal_batch_size / batch_size
        counts_are_given = 'accumulative_counts' in wrapper_cfg
        counts = wrapper_cfg.setdefault('accumulative_counts', max(round(nominal_counts), 1))
        optimizer_cfg['weight_decay'] *= batch_size * counts / self.nominal_batch_size
        optimizer_cfg['params'] = parameter_groups(model.module if is_model_wrapper(model) else model)
        name = wrapper_cfg.get('type', 'OptimWrapper')
        wrapper_cfg['type'] = _SUMMING.get(name, name)
        wrapper = OPTIM_WRAPPERS.build(wrapper_cfg, default_args=dict(optimizer=OPTIMIZERS.build(optimizer_cfg)))
        keep_implementation(wrapper.optimizer)
        if isinstance(wrapper, (SumOptimWrapper, AmpSumOptimWrapper)):
            wrapper.batch_size_per_gpu = self.batch_size_per_gpu
            wrapper.nominal_counts = None if counts_are_given else nominal_counts
        return wrapper


def parameter_groups(model: nn.Module) -> list[dict]:
    """The groups of all trainable parameters. A parameter that modules share is in the group of the first one."""
    # weights first: mmengine logs the learning rate of the first group
    groups = dict(weight=[], norm=[], bias=[])
    grouped = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if parameter.requires_grad and parameter not in grouped:
                grouped.add(parameter)
                groups[_role(module, name, parameter)].append(parameter)
    groups = [dict(params=parameters, role=role) for role, parameters in groups.items() if parameters]
    return [group if group['role'] == 'weight' else dict(group, weight_decay=0.) for group in groups]


def _role(module: nn.Module, name: str, parameter: nn.Parameter) -> str:
    if name == 'bias':
        return 'bias'
    return 'norm' if isinstance(module, _NORMS) or parameter.ndim <= 1 else 'weight'
