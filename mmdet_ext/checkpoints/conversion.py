"""Convert a published state dict of any system to the names of this package."""
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from . import mdetr, smca, yolo_rd, yolov9
from .rules import Recipe, Row, rename

# For each system a function that recognises its files and returns how to convert them; ValueError for other files.
SYSTEMS: dict[str, Callable[[Mapping[str, Tensor]], Recipe]] = dict(
    yolov9=yolov9.recognise, yolo_rd=yolo_rd.recognise, smca=smca.recognise, mdetr=mdetr.recognise)
AUX_PREFIX = 'aux_head.'


class Conversion(NamedTuple):
    """A converted state dict, one row for each tensor of the published one, and the recipe of the conversion."""
    state_dict: dict[str, Tensor]
    rows: list[Row]
    recipe: Recipe


def convert(system: str, state_dict: Mapping[str, Tensor], *, drop_aux: bool = False) -> dict[str, Tensor]:
    """Rename the tensors of a published checkpoint to ours; half precision becomes float32.

    Args:
        system: One of `SYSTEMS`.
        state_dict: With the published names.
        drop_aux: Leave the auxiliary branch out, which only training uses.

    Raises:
        ValueError: An unknown system, a checkpoint of another one, names without a rule, missing tensors, or `drop_aux`
            for a checkpoint without an auxiliary branch.
    """
    return convert_with_report(system, state_dict, drop_aux=drop_aux).state_dict


def convert_with_report(system: str, state_dict: Mapping[str, Tensor], *, drop_aux: bool = False) -> Conversion:
    """As `convert`; also returns one row for each tensor, with its old and new name."""
    if system not in SYSTEMS:
        raise ValueError(f'system should be one of {", ".join(SYSTEMS)}, got {system!r}')
    recipe = SYSTEMS[system](state_dict)
    if drop_aux and recipe.without_aux is None:
        raise ValueError(f'drop_aux: {recipe.model} has no auxiliary branch')
    renamed, rows = rename(state_dict, recipe.rules)
    if len(rows) != recipe.tensors:
        raise ValueError(f'incomplete: {recipe.model} has {recipe.tensors} tensors, these are {len(rows)}')
    if drop_aux:
        renamed = {name: tensor for name, tensor in renamed.items() if not name.startswith(AUX_PREFIX)}
        rows = [row if row.target in renamed else row._replace(target=None) for row in rows]
        config, options = recipe.without_aux
        recipe = recipe._replace(config=config, options=options, without_aux=None)
    return Conversion({name: _copied(tensor) for name, tensor in renamed.items()}, rows, recipe)


def _copied(tensor: Tensor) -> Tensor:
    """A copy of a tensor alone, since saving a view saves all of its storage; float32 in place of half precision."""
    dtype = torch.float32 if tensor.dtype in (torch.float16, torch.bfloat16) else tensor.dtype
    return tensor.detach().to(dtype, copy=True).contiguous()
