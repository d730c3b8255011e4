"""What the atoms of a dictionary stand for: their nearest samples, after YOLO-RD (https://arxiv.org/abs/2410.15346)."""
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdet_ext.models.layers import Atoms

from .images import crop_around, read_image
from .style import GREY, INK, LARGE, NORMAL, PALE, SMALL, outline, plain, save, shorten

MAX_ROWS = 200  # more would not fit into the 65,536 pixels of a PNG of matplotlib
_CELL, _CAPTION, _GAP, _LABEL = 1.25, 0.32, 0.1, 1.2  # inches


def draw_nearest_samples(atoms: Atoms, indices: Sequence[int], path: str | os.PathLike, *, columns: int = 6) -> None:
    """Write one PNG with a row per atom: its number, its cluster's size, and its nearest samples, the nearest first.

    A sample from a picture is its patch with surroundings, one from a text is the text, one from a matrix its row. A
    picture that cannot be read any more leaves a grey cell that says so.

    Args:
        atoms: The dictionary.
        indices: Numbers of the atoms to draw, at most 200, in the order of the rows.
        path: PNG to write; its folder is made if need be.
        columns: Samples per atom at most.

    Raises:
        ValueError: If there is nothing to draw, more than fits, or no such atom.
    """
    if not 0 < len(indices) <= MAX_ROWS:
        raise ValueError(f'indices should name 1 to {MAX_ROWS} atoms for one picture, got {len(indices)}')
    if columns < 1:
        raise ValueError(f'columns should be at least 1, got {columns}')
    unknown = [index for index in indices if index not in range(len(atoms.vectors))]
    if unknown:
        raise ValueError(f'indices should be in 0..{len(atoms.vectors) - 1}, got {unknown}')
    columns = max(1, min(columns, max(len(atoms.nearest[index]) for index in indices)))
    width = _LABEL + columns * (_CELL + _GAP) + _GAP
    height = len(indices) * (_CELL + _CAPTION + _GAP) + _GAP
    figure = Figure((width, height))
    for row, index in enumerate(indices):
        bottom = height - (row + 1) * (_CELL + _CAPTION + _GAP) + _CAPTION
        figure.text(_GAP / width, (bottom + _CELL * 0.6) / height, f'atom {index}', fontsize=LARGE, color=INK,
                    va='center')
        figure.text(_GAP / width, (bottom + _CELL * 0.42) / height, f'{int(atoms.counts[index]):,} samples',
                    fontsize=NORMAL, color=GREY, va='center')
        for column, sample in enumerate(atoms.nearest[index][:columns]):
            left = _LABEL + column * (_CELL + _GAP)
            draw_sample(figure.add_axes((left / width, bottom / height, _CELL / width, _CELL / height)), sample)
    save(figure, path)


def draw_sample(axes: Axes, sample: dict[str, Any]) -> None:
    """Draw one sample of `Atoms.nearest` with its caption below, into axes of about 1.25 inches.

    Its number is the `similarity`, or the `coefficient` where the sample was found by that.
    """
    plain(axes)
    place = ''
    if 'image' in sample:
        place = Path(sample['image']).stem
        _draw_patch(axes, sample)
    elif 'text' in sample:
        place = f'{Path(sample["file"]).name}:{sample["line"]}'
        _write(axes, sample['text'], 'white', INK, NORMAL)
    else:
        place = Path(sample['file']).name
        _write(axes, f'file row {sample["row"]}', 'white', INK, LARGE)
    value = f'c\' {sample["coefficient"]:.2f}' if 'coefficient' in sample else f'cos {sample["similarity"]:.2f}'
    axes.set_xlabel(f'{value}\n{shorten(place, 21)}', fontsize=SMALL, color=INK, labelpad=2, parse_math=False)


def _draw_patch(axes: Axes, sample: dict[str, Any]) -> None:
    try:
        picture = read_image(sample['image'])
    except (OSError, ValueError):
        _write(axes, 'picture not found', PALE, INK, NORMAL)
        return
    crop, (left, top) = crop_around(picture, sample['box'])
    height, width = crop.shape[:2]
    axes.imshow(crop, extent=(0, width, height, 0), interpolation='bicubic')
    x1, y1, x2, y2 = sample['box']
    outline(axes, (x1 - left, y1 - top, x2 - left, y2 - top))
    axes.set(xlim=(0, width), ylim=(height, 0))


def _write(axes: Axes, text: str, background: str, ink: str, size: float) -> None:
    axes.set_facecolor(background)
    wrapped = textwrap.fill(text, 18, max_lines=8, placeholder=' ...')
    axes.text(0.5, 0.5, wrapped, fontsize=size, color=ink, ha='center', va='center', transform=axes.transAxes,
              parse_math=False)
