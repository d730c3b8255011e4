"""Widths and depths of GELAN and of the neck made of its blocks: the table of the published sizes, and sizes of one's
own.

YOLOv9 (https://arxiv.org/abs/2402.13616), section 4.2: the block, its depth and the depth of ELAN are free.
"""
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch.nn as nn

from .downsample import AConv, ADown, StridedConv
from .elan import BLOCKS

Arch = str | Mapping[str, Any]

# In the form that `gelan_arch` reads.
SIZES: dict[str, dict[str, Any]] = dict(
    t=dict(downs=(16, 32, 64, 96, 128), blocks=(dict(out=32), dict(out=64), dict(out=96), dict(out=128)),
           csp_depth=(0, 3, 3, 3), down='AConv'),
    s=dict(downs=(32, 64, 128, 192, 256), blocks=(dict(out=64), dict(out=128), dict(out=192), dict(out=256)),
           csp_depth=(0, 3, 3, 3), down='AConv'),
    m=dict(downs=(32, 64, 240, 360, 480), blocks=(dict(out=128), dict(out=240), dict(out=360), dict(out=480)),
           csp_depth=1, down='AConv'),
    c=dict(downs=(64, 128, 256, 512, 512), csp_depth=1, down='ADown',
           blocks=(dict(out=256, split=128), dict(out=512, split=256), dict(out=512), dict(out=512))),
    e=dict(downs=(64, 128, 256, 512, 1024), csp_depth=2, down='ADown', passes=2,
           blocks=(dict(out=256, split=128), dict(out=512, split=256), dict(out=1024, split=512),
                   dict(out=1024, split=512))))
DOWNS: dict[str, type[nn.Module]] = dict(AConv=AConv, ADown=ADown, Conv=StridedConv)


class Stages(NamedTuple):
    """What the ELAN blocks are made of: see `ELAN`."""
    block: str
    elan_depth: int
    csp_depth: int


class BlockArch(NamedTuple):
    """Channels of one ELAN block of the trunk: of its output, before the split, and of each stage."""
    out: int
    split: int
    hidden: int
    stages: Stages


class NeckArch(NamedTuple):
    """Widths of the neck.

    Attributes:
        out: Output channels at strides 8, 16, 32, of the top-down half too.
        downs: Output channels of the two steps that halve the resolution.
        last_split: Split channels of the last block.
        stages: Of all four blocks.
        down: What halves the resolution.
    """
    out: tuple[int, int, int]
    downs: tuple[int, int]
    last_split: int
    stages: Stages
    down: type[nn.Module]


class GELANArch(NamedTuple):
    """One size.

    Attributes:
        downs: Output channels of the five steps that halve the resolution (strides 2, 4, 8, 16, 32).
        blocks: The four ELAN blocks (strides 4, 8, 16, 32).
        down: What halves the resolution from stride 8 on; a strided convolution does it before.
        passes: How often the trunk runs over the image: 1, or 2 as in size e.
        neck: The neck.
    """
    downs: tuple[int, ...]
    blocks: tuple[BlockArch, ...]
    down: type[nn.Module]
    passes: int
    neck: NeckArch


def gelan_arch(arch: Arch) -> GELANArch:
    """The widths and depths of a published size or of one's own.

    Args:
        arch: t, s, m, c, e, or a dict with these entries, of which an arch without `base` needs the first two:

            - downs: Five output channels, of the steps to strides 2, 4, 8, 16, 32.
            - blocks: Four dicts, of the ELAN blocks at strides 4, 8, 16, 32: `out` channels, `split` channels (even, by
              default `out`), `hidden` channels of each stage (by default half of `split`).
            - base: A published size; what is not given stays as it is there, in each dict of `blocks` too.
            - block: 'conv', 'res', 'dark' or 'csp' (the default): see `ELAN`. One for all blocks, or four.
            - elan_depth: Stages of an ELAN block, at least 1, by default 2. One number, or four.
            - csp_depth: Blocks in a stage, by default 1; 0 makes a stage a single convolution. One number, or four.
            - down: What halves the resolution from stride 8 on: 'AConv' (the default), 'ADown' or 'Conv'.
            - passes: 2 for a second trunk that gets projections of the first one's maps, by default 1.
            - neck: A dict of what differs from the rules that all published sizes follow: `out`, three channels (by
              default `split` of the last three blocks); `downs`, two channels (by default half of `out[1]` and
              `out[2]`, rounded up to a multiple of 8, and where `down` is not 'AConv' `out[0]` and `out[1]`);
              `last_split` (by default `out` of the last block, or one less if that is odd); `block`, `elan_depth`,
              `csp_depth` and `down` (by default those of the last block).

    Raises:
        ValueError: Names the entry, its value and what it should be.
    """
    if isinstance(arch, str) and arch in SIZES:
        arch = SIZES[arch]
    elif not isinstance(arch, Mapping):
        raise ValueError(f'arch should be one of {", ".join(SIZES)} or a dict of widths and depths, got {arch!r}')
    entries = _with_base(_entries('arch', arch, ('base', 'downs', 'blocks', 'block', 'elan_depth', 'csp_depth', 'down',
                                                 'passes', 'neck')))
    if missing := [name for name in ('downs', 'blocks') if name not in entries]:
        raise ValueError(f'arch.{missing[0]} is missing: an arch without base needs downs and blocks')
    downs = _numbers('arch.downs', entries['downs'], 5)
    down = _one_of('arch.down', entries.get('down', 'AConv'), DOWNS)
    stages = _stages('arch', entries, Stages('csp', 2, 1), 4)
    blocks = tuple(
        _block(f'arch.blocks[{i}]', block, stages[i])
        for i, block in enumerate(_items('arch.blocks', entries['blocks'], 4)))
    if down == 'ADown':
        for i, (block, width) in enumerate(zip(blocks, downs[2:])):
            _check_even(f'arch.blocks[{i}].out', block.out, 'because ADown splits its channels in two')
            _check_even(f'arch.downs[{i + 2}]', width, 'because ADown splits its channels in two')
    passes = entries.get('passes', 1)
    if passes not in (1, 2) or isinstance(passes, bool):
        raise ValueError(f'arch.passes should be 1 or 2, got {passes!r}')
    return GELANArch(downs, blocks, DOWNS[down], passes, _neck(entries.get('neck', {}), blocks, down))


def _with_base(entries: dict[str, Any]) -> dict[str, Any]:
    if 'base' not in entries:
        return entries
    base = SIZES[_one_of('arch.base', entries.pop('base'), SIZES)]
    if 'blocks' in entries:
        changes = _items('arch.blocks', entries['blocks'], 4)
        changes = [_entries(f'arch.blocks[{i}]', change, BlockArch._fields[:3]) for i, change in enumerate(changes)]
        entries['blocks'] = [{**block, **change} for block, change in zip(base['blocks'], changes)]
    return {**base, **entries}


def _block(name: str, block: Any, stages: Stages) -> BlockArch:
    entries = _entries(name, block, BlockArch._fields[:3])
    if 'out' not in entries:
        raise ValueError(f'{name}.out is missing: it should give the output channels of the block')
    out = _number(f'{name}.out', entries['out'])
    split = _number(f'{name}.split', entries.get('split', out), least=4)
    _check_even(f'{name}.split', split, 'because ELAN splits these channels in two (by default they are those of out)')
    return BlockArch(out, split, _number(f'{name}.hidden', entries.get('hidden', split // 2), least=2), stages)


def _neck(neck: Any, blocks: Sequence[BlockArch], down: str) -> NeckArch:
    entries = _entries('arch.neck', neck, ('out', 'downs', 'last_split', 'block', 'elan_depth', 'csp_depth', 'down'))
    out = _numbers('arch.neck.out', entries.get('out', [block.split for block in blocks[1:]]), 3, least=4)
    for i, width in enumerate(out):
        _check_even(f'arch.neck.out[{i}]', width, 'because ELAN splits these channels in two')
    down = _one_of('arch.neck.down', entries.get('down', down), DOWNS)
    halves = [-(-width // 16) * 8 for width in out[1:]]
    downs = _numbers('arch.neck.downs', entries.get('downs', halves if down == 'AConv' else out[:2]), 2)
    if down == 'ADown':
        for i, width in enumerate(downs):
            _check_even(f'arch.neck.downs[{i}]', width, 'because ADown splits its channels in two')
    last_split = _number('arch.neck.last_split', entries.get('last_split', blocks[-1].out // 2 * 2), least=4)
    _check_even('arch.neck.last_split', last_split, 'because ELAN splits these channels in two')
    stages, = _stages('arch.neck', entries, blocks[-1].stages, 1)
    return NeckArch(out, downs, last_split, stages, DOWNS[down])


def _stages(name: str, entries: Mapping[str, Any], default: Stages, count: int) -> list[Stages]:
    """`Stages` of each of `count` blocks, from entries that hold one value for all or one for each."""
    columns = []
    for key, value in default._asdict().items():
        value = entries.get(key, value)
        if isinstance(value, Sequence) and not isinstance(value, str) and count > 1:
            values = {f'{name}.{key}[{i}]': item for i, item in enumerate(_items(f'{name}.{key}', value, count))}
        else:
            values = {f'{name}.{key}': value}
        column = [_one_of(*item, BLOCKS) if key == 'block' else _number(*item, least=int(key == 'elan_depth'))
                  for item in values.items()]
        columns.append(column * (count // len(column)))
    return [Stages(*row) for row in zip(*columns)]


def _entries(name: str, value: Any, known: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f'{name} should be a dict with entries among {", ".join(known)}, got {value!r}')
    if unknown := [key for key in value if key not in known]:
        raise ValueError(f'{name} has no entry {unknown[0]!r}, but {", ".join(known)}')
    return dict(value)


def _items(name: str, value: Any, count: int) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)) or len(value) != count:
        raise ValueError(f'{name} should have {count} items, got {value!r}')
    return value


def _numbers(name: str, value: Any, count: int, least: int = 1) -> tuple[int, ...]:
    return tuple(_number(f'{name}[{i}]', item, least) for i, item in enumerate(_items(name, value, count)))


def _number(name: str, value: Any, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f'{name} should be a whole number of at least {least}, got {value!r}')
    return value


def _one_of(name: str, value: Any, known: Mapping[str, Any]) -> str:
    if not isinstance(value, str) or value not in known:
        raise ValueError(f'{name} should be one of {", ".join(known)}, got {value!r}')
    return value


def _check_even(name: str, value: int, reason: str) -> None:
    if value % 2:
        raise ValueError(f'{name} should be even, {reason}, got {value}')
