"""Make mmengine read checkpoint files and load them by the rules of `load`.

Everything in mmengine and mmdet that reads a checkpoint (`load_from`, `init_detector`, `DetInferencer`) calls
`CheckpointLoader`, which calls `load_from_file`. That puts a `FilePolicy` into the metadata of the state dict, and a
detector that loads the state dict calls it.
"""
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch.nn as nn
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from .load import ENTRIES, Weights, load_tensors, misfits, read_address, read_file, told, weights_in

MOMENTA = {'alpha', 'betas', 'etas', 'lambd', 'momentum', 'rho'}  # options in which torch's optimizers differ


class FilePolicy:
    """Loads weights that mmengine has read from a file into a model, by the rules of `load`.

    It is kept in the metadata of the state dict, which torch passes to each module that loads it. A state dict from
    another source has no policy, and torch loads it as usual. A deep copy is for a copy of the model, such as averaged
    weights: it loads the same way, but writes nothing to the log. When a state dict is saved, an empty dict is written
    in place of the policy.
    """

    def __init__(self, weights: Weights, is_copy: bool = False) -> None:
        self.meta, self.path, self.is_copy = weights.meta, weights.path, is_copy

    def __call__(self, model: nn.Module, state_dict: dict[str, Tensor]) -> None:
        """Load `state_dict`. In fine-tuning it is replaced by the model's state dict, so that mmengine does not warn
        again."""
        fine_tuning = self.is_copy or getattr(model, 'is_init', False)
        weights = Weights(state_dict, self.meta, self.path)
        load_tensors(model, weights, 'the config', fine_tuning, report=not self.is_copy)
        if fine_tuning:
            state_dict.clear()
            state_dict.update(model.state_dict())

    def __deepcopy__(self, memo: dict) -> 'FilePolicy':
        return FilePolicy(Weights({}, self.meta, self.path), is_copy=True)

    def __reduce__(self) -> tuple:
        return OrderedDict, ()


def load_from_file(filename: str, map_location: Any = None) -> dict[str, Any]:
    """Read a file of any form for mmengine's `CheckpointLoader`; returns a dict with `state_dict` and `meta`."""
    content = (read_address if '://' in filename else read_file)(filename, map_location)
    weights = weights_in(content, filename)
    metadata = weights.state_dict._metadata
    metadata[''] = dict(metadata.get('', {}), file_policy=FilePolicy(weights))
    entries = content if any(isinstance(content.get(name), Mapping) for name in ENTRIES) else {}
    return dict(entries, state_dict=weights.state_dict, meta=weights.meta)


def check_resumed(runner: Runner, checkpoint: Mapping[str, Any]) -> None:
    """Raise a ValueError unless a checkpoint has all that a run needs to resume: its epoch, and every tensor of the
    model.

    Args:
        runner: The run.
        checkpoint: The content of the checkpoint.
    """
    if 'epoch' not in checkpoint.get('meta', {}):
        raise ValueError(f'{runner._load_from} holds weights alone, and a run goes on from a checkpoint of a run: '
                         'load_from begins a run with weights')
    if problems := misfits(unwrapped(runner.model), checkpoint['state_dict']):
        raise ValueError(f'{runner._load_from} is of a run with another model: {told(problems)}')
    saved = checkpoint.get('optimizer', {}).get('param_groups')
    groups = getattr(runner.optim_wrapper, 'param_groups', None)
    if saved and isinstance(groups, list) and (other := MOMENTA & (saved[0].keys() ^ groups[0].keys())):
        raise ValueError(f'{runner._load_from} is of a run with another optimizer: of the checkpoint and the '
                         f'{type(runner.optim_wrapper.optimizer).__name__} of optim_wrapper one alone has '
                         f'{" and ".join(sorted(other))}')


def follow_policy(model: nn.Module) -> None:
    """Let any detector load the files that mmengine reads for it by the rules of `load`."""
    unwrapped(model).register_load_state_dict_pre_hook(_apply_policy)


def unwrapped(model: nn.Module) -> nn.Module:
    """The detector inside a wrapper, such as DistributedDataParallel or test-time augmentation."""
    while is_model_wrapper(model) or isinstance(model, BaseTTAModel):
        model = model.module
    return model


def _apply_policy(module: nn.Module, state_dict: dict[str, Tensor], prefix: str, local_metadata: dict,
                  *_: Any) -> None:
    if policy := local_metadata.pop('file_policy', None):
        policy(module, state_dict)
