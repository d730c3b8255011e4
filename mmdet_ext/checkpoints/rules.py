"""Renaming the tensors of a published checkpoint: a table of rules and one strict loop."""
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from torch import Tensor

from ..unpickler import CheckpointError


class Rule(NamedTuple):
    """How to rename, or drop, the tensors whose whole name matches a pattern.

    Attributes:
        pattern: Regular expression.
        target: Our name, with the pattern's groups as in `re.sub`; None drops the tensor.
        check: Called with a tensor before it is dropped; returns whether it has the constant values that the rule
            expects.
        change: Called with a tensor that is kept; returns the part of it to keep. None: the tensor is kept unchanged.
    """
    pattern: str
    target: str | None
    check: Callable[[Tensor], bool] = lambda tensor: True
    change: Callable[[Tensor], Tensor] | None = None


class Recipe(NamedTuple):
    """How to convert one file, recognised by its names and shapes.

    Attributes:
        model: What the file holds, such as 'yolov9-c'.
        rules: For each name the first rule that matches is used.
        tensors: Number of tensors in a whole file.
        num_classes: Number of classes.
        config: Config of the converted checkpoint.
        options: What to change in that config, as `--cfg-options` takes it.
        without_aux: Config and options of the checkpoint without its auxiliary branch; None where there is no branch.
    """
    model: str
    rules: tuple[Rule, ...]
    tensors: int
    num_classes: int
    config: str
    options: Mapping[str, int] = {}
    without_aux: tuple[str, Mapping[str, int]] | None = None


class Row(NamedTuple):
    """One tensor of the file: its name, ours or None if it was dropped, its shape."""
    source: str
    target: str | None
    shape: tuple[int, ...]


def rename(state_dict: Mapping[str, Tensor], rules: Iterable[Rule]) -> tuple[dict[str, Tensor], list[Row]]:
    """Apply `rules` to every tensor.

    Returns:
        The renamed tensors, and a row for each tensor of `state_dict`.

    Raises:
        CheckpointError: Names without a rule, two names that become one, or a dropped tensor that fails its check.
    """
    compiled = [(re.compile(rule.pattern), rule) for rule in rules]
    renamed, rows, left_over = {}, [], []
    for source, tensor in state_dict.items():
        match, rule = next(((match, rule) for pattern, rule in compiled if (match := pattern.fullmatch(source))),
                           (None, None))
        if match is None:
            left_over.append(source)
            continue
        target = match.expand(rule.target) if rule.target is not None else None
        if target is None and not rule.check(tensor):
            raise CheckpointError(f'{source} would be dropped, but does not hold the constants that it should')
        if target in renamed:
            raise CheckpointError(f'{source} and another tensor would both become {target}')
        if target is not None:
            renamed[target] = tensor if rule.change is None else rule.change(tensor)
        rows.append(Row(source, target, tuple(tensor.shape)))
    if left_over:
        names = ''.join(f'\n  {name}' for name in left_over)
        raise CheckpointError(f'no rule for {len(left_over)} of {len(state_dict)} tensors:{names}')
    return renamed, rows
