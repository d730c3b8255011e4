"""Names and shapes of the tensors in the published files of YOLOv9, from the table of its layers."""
from collections.abc import Sequence
from typing import NamedTuple

Shapes = dict[str, tuple[int, ...]]


class Arch(NamedTuple):
    """Channels: of the stem, of ELAN blocks (output, split, hidden), of what halves the resolution, of the neck."""
    stem: tuple[int, int]
    blocks: tuple[tuple[int, int, int], ...]
    downs: tuple[int, int, int]
    neck: tuple[int, int, int]
    neck_downs: tuple[int, int]
    last_split: int
    depth: int
    adown: bool


ARCHS = dict(
    t=Arch((16, 32), ((32, 32, 16), (64, 64, 32), (96, 96, 48), (128, 128, 64)), (64, 96, 128), (64, 96, 128), (48, 64),
           128, 3, False),
    s=Arch((32, 64), ((64, 64, 32), (128, 128, 64), (192, 192, 96), (256, 256, 128)), (128, 192, 256), (128, 192, 256),
           (96, 128), 256, 3, False),
    m=Arch((32, 64), ((128, 128, 64), (240, 240, 120), (360, 360, 180), (480, 480, 240)), (240, 360, 480),
           (240, 360, 480), (184, 240), 480, 1, False),
    c=Arch((64, 128), ((256, 128, 64), (512, 256, 128), (512, 512, 256), (512, 512, 256)), (256, 512, 512),
           (256, 512, 512), (256, 512), 512, 1, True),
    e=Arch((64, 128), ((256, 128, 64), (512, 256, 128), (1024, 512, 256), (1024, 512, 256)), (256, 512, 1024),
           (256, 512, 512), (256, 512), 1024, 2, True))


def shapes(name: str, num_classes: int = 80, class_channels: int | None = None) -> Shapes:
    """Names and shapes of the state dict of `gelan-X` or `yolov9-X`."""
    form, size = name.split('-')
    arch, dual = ARCHS[size], form == 'yolov9'
    outputs = [block[0] for block in arch.blocks[1:]]
    aux_channels = arch.neck
    result = {}
    if size == 'e':
        start = _two_passes(result, arch)
        if dual:
            _top_down(result, start, outputs, arch)
            start += 7
    else:
        start = 9 + (dual and size in 'mc')
        _trunk(result, start - 9, arch, range(9))
    head = _neck(result, start, outputs, arch)
    if dual and size in 'ts':
        _top_down(result, head, outputs, arch)
        head += 7
    elif dual and size in 'mc':
        for k in range(3):
            _link(result, head + k, outputs[k], arch.downs[:k + 1])
        _trunk(result, head + 3, arch, (0, 1, 2, 3, 5, 6, 8, 9, 11))
        head, aux_channels = head + 15, outputs
    towers = [('cv2', 'cv3', aux_channels), ('cv4', 'cv5', arch.neck)] if dual else [('cv2', 'cv3', arch.neck)]
    for boxes, classes, channels in towers:
        _towers(result, f'model.{head}', boxes, classes, channels, num_classes, class_channels)
    for dfl in ('dfl', 'dfl2') if dual else ('dfl', ):
        result[f'model.{head}.{dfl}.conv.weight'] = (1, 16, 1, 1)
    return result


def _two_passes(result: Shapes, arch: Arch) -> int:
    """Layers 1..28 of size e; returns the number of the next one."""
    _trunk(result, 1, arch, range(9))
    widths = (arch.stem[0], *(block[0] for block in arch.blocks))
    for k, channels in enumerate(widths):
        _link(result, 10 + k, channels, (*arch.stem, *arch.downs)[:k + 1])
    _trunk(result, 15, arch, (0, 2, 4, 5, 7, 8, 10, 11, 13))
    return 29


def _trunk(result: Shapes, first: int, arch: Arch, steps: Sequence[int]) -> None:
    stem, second, block, *rest = (f'model.{first + place}' for place in steps)
    _unit(result, stem, 3, arch.stem[0], 3)
    _unit(result, second, *arch.stem, 3)
    _elan(result, block, arch.stem[1], *arch.blocks[0], 0 if arch.depth == 3 else arch.depth)
    for k in range(3):
        _down(result, rest[2 * k], arch.blocks[k][0], arch.downs[k], arch.adown)
        _elan(result, rest[2 * k + 1], arch.downs[k], *arch.blocks[k + 1], arch.depth)


def _top_down(result: Shapes, first: int, inputs: Sequence[int], arch: Arch) -> None:
    fine, middle, coarse = arch.neck
    _unit(result, f'model.{first}.cv1', inputs[2], coarse // 2, 1)
    _unit(result, f'model.{first}.cv5', 2 * coarse, coarse, 1)
    _elan(result, f'model.{first + 3}', coarse + inputs[1], middle, middle, middle // 2, arch.depth)
    _elan(result, f'model.{first + 6}', middle + inputs[0], fine, fine, fine // 2, arch.depth)


def _neck(result: Shapes, first: int, inputs: Sequence[int], arch: Arch) -> int:
    """The main neck; returns the number of the next layer."""
    fine, middle, coarse = arch.neck
    split, downs = arch.last_split, arch.neck_downs
    _top_down(result, first, inputs, arch)
    _down(result, f'model.{first + 7}', fine, downs[0], arch.adown)
    _elan(result, f'model.{first + 9}', downs[0] + middle, middle, middle, middle // 2, arch.depth)
    _down(result, f'model.{first + 10}', middle, downs[1], arch.adown)
    _elan(result, f'model.{first + 12}', downs[1] + coarse, coarse, split, split // 2, arch.depth)
    return first + 13


def _towers(result: Shapes, head: str, boxes: str, classes: str, inputs: Sequence[int], num_classes: int,
            class_channels: int | None) -> None:
    box_channels = max(inputs[0] // 4, 64)
    class_channels = class_channels or max(inputs[0], min(2 * num_classes, 128))
    for tower, width, outputs, groups in ((boxes, box_channels, 64, 4), (classes, class_channels, num_classes, 1)):
        for level, channels in enumerate(inputs):
            _unit(result, f'{head}.{tower}.{level}.0', channels, width, 3)
            _unit(result, f'{head}.{tower}.{level}.1', width // groups, width, 3)
            result[f'{head}.{tower}.{level}.2.weight'] = (outputs, width // groups, 1, 1)
            result[f'{head}.{tower}.{level}.2.bias'] = (outputs, )


def _elan(result: Shapes, name: str, inputs: int, outputs: int, split: int, hidden: int, depth: int) -> None:
    _unit(result, f'{name}.cv1', inputs, split, 1)
    for stage, channels in (('cv2', split // 2), ('cv3', hidden)):
        if depth == 0:
            _unit(result, f'{name}.{stage}', channels, hidden, 3)
            continue
        _unit(result, f'{name}.{stage}.0.cv1', channels, hidden // 2, 1)
        _unit(result, f'{name}.{stage}.0.cv2', channels, hidden // 2, 1)
        _unit(result, f'{name}.{stage}.0.cv3', hidden, hidden, 1)
        for block in range(depth):
            start = f'{name}.{stage}.0.m.{block}'
            _unit(result, f'{start}.cv1.conv1', hidden // 2, hidden // 2, 3)
            _unit(result, f'{start}.cv1.conv2', hidden // 2, hidden // 2, 1)
            _unit(result, f'{start}.cv2', hidden // 2, hidden // 2, 3)
        _unit(result, f'{name}.{stage}.1', hidden, hidden, 3)
    _unit(result, f'{name}.cv4', split + 2 * hidden, outputs, 1)


def _down(result: Shapes, name: str, inputs: int, outputs: int, adown: bool) -> None:
    if not adown:
        _unit(result, f'{name}.cv1', inputs, outputs, 3)
        return
    _unit(result, f'{name}.cv1', inputs // 2, outputs // 2, 3)
    _unit(result, f'{name}.cv2', inputs // 2, outputs // 2, 1)


def _link(result: Shapes, layer: int, inputs: int, outputs: Sequence[int]) -> None:
    result[f'model.{layer}.conv.weight'] = (sum(outputs), inputs, 1, 1)
    result[f'model.{layer}.conv.bias'] = (sum(outputs), )


def _unit(result: Shapes, name: str, inputs: int, outputs: int, kernel: int) -> None:
    """A convolution and its batch norm; `inputs` per group."""
    result[f'{name}.conv.weight'] = (outputs, inputs, kernel, kernel)
    for leaf in ('weight', 'bias', 'running_mean', 'running_var'):
        result[f'{name}.bn.{leaf}'] = (outputs, )
    result[f'{name}.bn.num_batches_tracked'] = ()
