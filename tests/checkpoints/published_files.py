"""Files in the form of YOLOv9's published ones: whole pickled modules of classes that are gone when they are read."""
import os
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor


def weights(names_and_shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """A different value in each tensor, so that no two can be mistaken for each other; DFL's constants as they are."""
    return {
        name: torch.arange(16.0).view(shape) if '.dfl' in name else torch.full(
            shape, float(number + 1), dtype=torch.int64 if 'num_batches' in name else torch.float32)
        for number, (name, shape) in enumerate(names_and_shapes.items())
    }


@contextmanager
def original_packages() -> Iterator[dict[str, type]]:
    """A package `models` with classes to pickle, there only inside the context."""
    modules = {name: types.ModuleType(name) for name in ('models', 'models.common', 'models.yolo')}
    classes = {
        name: type(name, (nn.Module, ), dict(__module__=module))
        for name, module in (('Block', 'models.common'), ('DetectionModel', 'models.yolo'))
    }
    for name, cls in classes.items():
        setattr(modules[cls.__module__], name, cls)
    sys.modules.update(modules)
    try:
        yield classes
    finally:
        for name in modules:
            del sys.modules[name]


def save_published(path: os.PathLike, state_dict: Mapping[str, Tensor], *,
                   averaged: Mapping[str, Tensor] | None = None, class_names: Sequence[str] | None = None,
                   **options: Any) -> None:
    """Write the dict of a published file, its networks as pickled modules in half precision."""
    with original_packages() as classes:
        network, ema = (_network(tensors, classes, class_names) if tensors else None
                        for tensors in (state_dict, averaged))
        torch.save(
            dict(model=network, ema=ema, optimizer=None, updates=None, epoch=-1, best_fitness=np.array([0.5]),
                 opt=dict(weights='', imgsz=640), git=None, date='2024-02-18T00:00:00'), path, **options)


def _network(state_dict: Mapping[str, Tensor], classes: Mapping[str, type],
             class_names: Sequence[str] | None) -> nn.Module:
    """Nested modules with this state dict."""
    network = classes['DetectionModel']()
    network.names, network.nc, network.stride = class_names, 80, torch.tensor([8., 16., 32.])
    network.yaml = dict(nc=80, backbone=[[-1, 1, 'Conv', [64, 3, 2]]])
    for name, tensor in state_dict.items():
        *parents, leaf = name.split('.')
        module = network
        for depth, parent in enumerate(parents):
            if parent not in module._modules:
                module.add_module(parent, nn.Sequential() if depth == 0 else classes['Block']())
                module._modules[parent].act = nn.SiLU()
            module = module._modules[parent]
        tensor = tensor.half() if tensor.is_floating_point() else tensor.clone()
        if 'running' in leaf or 'num_batches' in leaf:
            module.register_buffer(leaf, tensor)
        else:
            module.register_parameter(leaf, nn.Parameter(tensor, requires_grad='dfl' not in name))
    return network
