"""Feature maps over the depth of a network: which layers there are in the order in which they run, and their maps."""
from collections.abc import Callable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from torch import Tensor

from ..channels import summarise

_COUNTED = (nn.Conv2d, nn.Linear)
MOST = 24  # maps of a network in a figure


class FeatureMap(NamedTuple):
    """The output of a layer on one image.

    Attributes:
        layer: Name in the model; `NAME[i]` for one of several maps.
        channels: Number of channels.
        stride: Pixels of the network's input per cell.
        depth: How many convolutions and linear layers had run.
        values: (H, W), one number per cell; None for a layer that was not asked for.
    """
    layer: str
    channels: int
    stride: int
    depth: int
    values: Tensor | None = None


def layers_of(model: nn.Module, inputs: Tensor) -> list[FeatureMap]:
    """The steps of a detector's backbone in the order in which they end, without values.

    A step is a member of an `nn.Sequential` or `nn.ModuleList` of the backbone that lies in no other step, and gives
    one map: the blocks of a ResNet, stages of a CSPDarknet, down-samplings and ELAN blocks of GELAN. For a backbone
    without two such steps it is the maps that the backbone returns.

    Args:
        model: A detector with `backbone` and `extract_feat`.
        inputs: (1, 3, H, W), preprocessed.
    """
    steps = ['backbone.' + name for name in _indexed(model.backbone)]
    layers = [layer for layer in _run(model, inputs, steps) if '[' not in layer.layer]
    return layers if len(layers) > 1 else _run(model, inputs, ['backbone'])


def maps_of(model: nn.Module, inputs: Tensor, measure: str, *, patterns: Sequence[str] = (),
            number: int = 6) -> list[FeatureMap]:
    """Maps of some layers in the order in which they end.

    Args:
        model: A detector with `backbone` and `extract_feat`.
        inputs: (1, 3, H, W), preprocessed.
        measure: What one number per cell is, see `summarise`; the principal component is each map's own.
        patterns: Layers by their names in the model, with * and ?; all maps of each are taken. By default `number` of
            `layers_of`, spread evenly over the depth.
        number: Greatest number of layers if there are no patterns, at least 2.

    Raises:
        ValueError: No layer that runs and gives a map (B, C, H, W) has a name of the pattern, or more than `MOST` have,
            or the network does not take an image of this size.
    """
    def values_of(maps: Tensor) -> Tensor:
        return summarise(maps, measure, maps.flatten(1))

    if not patterns:
        chosen = spread(layers_of(model, inputs), number)
        names = {layer.layer.partition('[')[0] for layer in chosen}
        taken = {layer.layer for layer in chosen}
        return [layer for layer in _run(model, inputs, names, values_of) if layer.layer in taken]
    names = [name for name, _ in model.named_modules() if any(fnmatchcase(name, pattern) for pattern in patterns)]
    layers = _run(model, inputs, names, values_of)
    for pattern in patterns:
        if not any(fnmatchcase(layer.layer.partition('[')[0], pattern) for layer in layers):
            some = [layer.layer for layer in spread(layers_of(model, inputs), 6)]
            raise ValueError(f'no layer {pattern} gives a map (B, C, H, W); some that do are {", ".join(some)}')
    if len(layers) > MOST:
        raise ValueError(f'{len(layers)} layers have names like {" or ".join(patterns)}; a figure has {MOST} at most')
    return layers


def spread(layers: Sequence[FeatureMap], number: int) -> list[FeatureMap]:
    """`number` of the layers, or all if there are fewer: the first, the last, and those nearest to even steps between.
    """
    if len(layers) <= number:
        return list(layers)
    first, last = layers[0].depth, layers[-1].depth
    chosen: list[int] = []
    for k in range(number):
        wanted = first + (last - first) * k / (number - 1)
        allowed = range(chosen[-1] + 1 if chosen else 0, len(layers) - (number - 1 - k))
        # of layers of one depth the last one, but the first layer is always there
        chosen.append(min(allowed, key=lambda i: (abs(layers[i].depth - wanted), -i if k else i)))
    return [layers[i] for i in chosen]


def _indexed(module: nn.Module, name: str = '') -> Iterator[str]:
    for child_name, child in module.named_children():
        path = f'{name}.{child_name}' if name else child_name
        if isinstance(module, (nn.Sequential, nn.ModuleList)) and not isinstance(child, (nn.Sequential, nn.ModuleList)):
            yield path
        else:
            yield from _indexed(child, path)


@torch.no_grad()
def _run(model: nn.Module, inputs: Tensor, names: Sequence[str] | set[str],
         values_of: Callable[[Tensor], Tensor] | None = None) -> list[FeatureMap]:
    """What the named layers give on `inputs`; a layer that runs more than once gives what it gave last.

    The neck, which may not take images of every size, runs only if layers behind the backbone are named.
    """
    layers: dict[str, FeatureMap] = {}
    count = 0

    def count_up(*_: Any) -> None:
        nonlocal count
        count += 1

    def take(name: str, output: Any) -> None:
        several = isinstance(output, (list, tuple))
        for i, maps in enumerate(output if several else [output]):
            if isinstance(maps, Tensor) and maps.ndim == 4 and maps.shape[0] == 1:
                layer = f'{name}[{i}]' if several else name
                layers.pop(layer, None)
                values = None if values_of is None else values_of(maps[0].float()).cpu()
                stride = round(inputs.shape[-2] / maps.shape[-2])
                layers[layer] = FeatureMap(layer, maps.shape[1], stride, count, values)

    handles = [module.register_forward_hook(count_up) for module in model.modules() if isinstance(module, _COUNTED)]
    for name in names:
        handles.append(model.get_submodule(name).register_forward_hook(
            lambda _module, _args, output, name=name: take(name, output)))
    inside = all(name.partition('.')[0] == 'backbone' for name in names)
    try:
        (model.backbone if inside else model.extract_feat)(inputs)
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # too little memory
            raise
        height, width = inputs.shape[-2:]
        raise ValueError(f'an image of {width} x {height} pixels does not go through: {error}') from error
    finally:
        for handle in handles:
            handle.remove()
    return list(layers.values())
