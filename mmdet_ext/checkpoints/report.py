"""Tables of a conversion: the old and new name of each tensor."""
import math
from collections.abc import Iterable, Sequence
from itertools import takewhile

from .rules import Row

DROPPED = '(dropped)'


def full_table(rows: Iterable[Row]) -> str:
    """One line per tensor: published name, ours, shape."""
    lines = [(row.source, row.target or DROPPED, 'x'.join(map(str, row.shape)) or 'scalar') for row in rows]
    return _align([('published', 'ours', 'shape'), *lines])


def grouped_table(rows: Iterable[Row]) -> str:
    """One line per module: published name as far as its second part, ours, number of tensors and of values."""
    groups = {}
    for row in rows:
        source = '.'.join(row.source.split('.')[:2])
        part = row.target.split('.')[0] if row.target else None
        groups.setdefault((source, part), []).append(row)
    lines = [('published', 'ours', 'tensors', 'values')]
    for (source, part), members in groups.items():
        name = DROPPED if part is None else _common_module([row.target for row in members])
        values = sum(math.prod(row.shape) for row in members)
        lines.append((source, name, str(len(members)), f'{values:,}'))
    return _align(lines)


def totals(rows: Sequence[Row]) -> str:
    """Such as '1770 of 1772 tensors mapped, 2 dropped'."""
    mapped = sum(row.target is not None for row in rows)
    return f'{mapped} of {len(rows)} tensors mapped, {len(rows) - mapped} dropped'


def _common_module(names: Sequence[str]) -> str:
    levels = zip(*(name.split('.') for name in names))
    return '.'.join(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _align(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return '\n'.join('  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)
