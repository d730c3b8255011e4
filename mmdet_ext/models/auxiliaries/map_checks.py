"""Whether maps fit the branch or the head that gets them; the errors name both."""
from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch.nn as nn
from mmdet.models.dense_heads import TOODHead
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.necks import YOLOV3Neck
from torch import Tensor


def check_branch_inputs(branch: nn.Module, feats: Sequence[Tensor], source: str) -> None:
    """Raise a ValueError unless `feats`, the maps of the detector's `source`, have what `branch` picks from them."""
    indices, wanted = getattr(branch, 'in_indices', None), getattr(branch, 'in_channels', None)
    if indices is None:
        return
    present = [feat.shape[1] for feat in feats]
    name = type(branch).__name__
    if not all(-len(feats) <= i < len(feats) for i in indices):
        raise ValueError(f'aux_head.branch.in_indices={list(indices)}: the {source} gives {len(feats)} maps, numbers '
                         f'0 to {len(feats) - 1}, to {name}')
    if wanted is not None and [present[i] for i in indices] != list(wanted):
        raise ValueError(f'aux_head.branch: {name} has in_channels={list(wanted)} for maps {list(indices)} of the '
                         f'{source}, whose maps have {_listed(present)} channels')


def check_neck_inputs(neck: nn.Module, maps: Sequence[Tensor], giver: str) -> None:
    """Raise a ValueError unless `maps`, of the class `giver`, have the channels that `neck` is made for."""
    wanted, present = _in_channels(neck), [x.shape[1] for x in maps]
    if isinstance(wanted, (list, tuple)) and list(wanted) != present:
        raise ValueError(f'aux_head.neck: {type(neck).__name__} has in_channels={list(wanted)}, but {giver} gives '
                         f'{len(present)} maps of {_listed(present)} channels')


def check_head_inputs(head: nn.Module, maps: Sequence[Tensor], size: tuple[int, int], giver: str) -> None:
    """Raise a ValueError unless the number, channels and strides of `maps` are those that a head is made for.

    Args:
        head: What it does not tell of its inputs is not checked.
        maps: Of `giver`, the class of the branch or of the neck behind it.
        size: (height, width) of the image.
        giver: For the message.
    """
    strides, channels = head_strides(head), _in_channels(head)
    given = f'{giver} gives {len(maps)} maps of {_listed([x.shape[1] for x in maps])} channels'
    name = f'aux_head.head: {type(head).__name__}'
    if strides and len(strides) != len(maps):
        raise ValueError(f'{name} reads {len(strides)} maps, of strides {_listed(strides)}, but {given}: give the head '
                         'as many strides, or put a neck between them such as aux_head.neck=dict(type=\'FPN\', '
                         f'in_channels={[x.shape[1] for x in maps]}, out_channels=256, num_outs={len(strides)}, '
                         "add_extra_convs='on_output')")
    if isinstance(channels, int):
        channels = [channels] * len(maps)
    if isinstance(channels, (list, tuple)) and list(channels) != [x.shape[1] for x in maps]:
        raise ValueError(f'{name} reads maps of {_listed(channels)} channels, but {given}')
    present = [round(size[0] / x.shape[2]) for x in maps]
    if strides and isinstance(head, BaseDenseHead) and any(
            abs(x.shape[2] * stride - size[0]) >= max(stride, size[0] / 3) for x, stride in zip(maps, strides)):
        raise ValueError(f'{name} reads maps of strides {_listed(strides)}, but {giver} gives maps of strides '
                         f'{_listed(present)}')


def check_widths(parts: Mapping[str, nn.Module | None]) -> None:
    """Raise a ValueError unless each part has the `in_channels` that the one before it has as `out_channels`.

    Args:
        parts: By their names in the config, in the order in which they run; None for one that is not there. A part that
            does not tell its channels is not checked, and neither are maps behind those that it reads.
    """
    present = [(name, part) for name, part in parts.items() if part is not None]
    for (giver_name, giver), (name, part) in pairwise(present):
        giver = giver[-1] if isinstance(giver, nn.Sequential) else giver
        part = part[0] if isinstance(part, nn.Sequential) else part
        given, wanted = getattr(giver, 'out_channels', None), _in_channels(part)
        if given is None or wanted is None or (isinstance(given, int) and giver_name == 'backbone'):
            continue  # a backbone gives several maps, and a single number, as in EfficientNet, is not of them
        number = min([len(channels) for channels in (given, wanted) if not isinstance(channels, int)], default=1)
        pair = [[channels] * number if isinstance(channels, int) else list(channels)[:number]
                for channels in (given, wanted)]
        if pair[0] != pair[1]:
            raise ValueError(f'{name}.in_channels of {type(part).__name__} should be the channels of the maps that '
                             f'{giver_name} ({type(giver).__name__}) gives, {given}, got {wanted}')


def _in_channels(part: nn.Module) -> int | Sequence[int] | None:
    """Channels of the maps that a part reads, in their order; None if it does not tell."""
    # YOLOV3Neck names the coarsest first, TOODHead's attribute is of a layer inside
    return None if isinstance(part, (YOLOV3Neck, TOODHead)) else getattr(part, 'in_channels', None)


def head_strides(head: nn.Module) -> list[int]:
    """The vertical strides of the maps that a head of mmdet reads; empty if it does not tell."""
    strides = getattr(getattr(head, 'prior_generator', None), 'strides', None) or getattr(head, 'strides', None)
    strides = strides if isinstance(strides, (list, tuple)) else ()
    return [stride[1] if isinstance(stride, (list, tuple)) else stride for stride in strides]


def _listed(values: Sequence[int]) -> str:
    return ', '.join(map(str, values))
