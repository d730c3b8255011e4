"""What the atoms of a dictionary stand for: their nearest samples, after YOLO-RD (https://arxiv.org/abs/2410.15346)."""
import os
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from mmdet_ext.models.layers import Atoms

from ..images import crop_around, read_image
from ..style import GREY, INK, LARGE, NORMAL, PALE, SMALL, outline, plain, save, shorten

ROW, COLUMN = 1.67, 1.35  # inches


def draw_nearest_samples(atoms: Atoms, indices: Sequence[int], path: str | os.PathLike, *, columns: int = 6) -> None:
    """Write one PNG with a row per atom: its number, its cluster's size, and its nearest samples, the nearest first.

    `indices` are the numbers of the atoms; `columns` samples of each are drawn at most.
    """
    columns = max(1, min(columns, max(len(atoms.nearest[index]) for index in indices)))
    figure = Figure(((columns + 1) * COLUMN, len(indices) * ROW))
    draw_rows(figure, [(f'atom {index}', f'{int(atoms.counts[index]):,} samples') for index in indices],
              [atoms.nearest[index] for index in indices], columns)
    save(figure, path)


def draw_rows(figure: FigureBase, labels: Sequence[Sequence[str]], samples: Sequence[Sequence[dict[str, Any]]],
              columns: int, *, top: float = 0.995, left: float = 0.01) -> None:
    """Fill a figure up to `top` with a row per atom: a label of some lines, then `columns` samples at most."""
    grid = figure.add_gridspec(len(labels), columns + 1, left=left, right=0.99, top=top, wspace=0.08, hspace=0.4,
                               bottom=top * 0.4 / (1.4 * len(labels)))
    for row, (lines, nearest) in enumerate(zip(labels, samples, strict=True)):
        label = figure.add_subplot(grid[row, 0])
        label.axis('off')
        for line, text in enumerate(lines):
            label.text(0, 0.65 - 0.18 * line, text, color=GREY if line else INK, fontsize=NORMAL if line else LARGE,
                       va='center')
        for column, sample in enumerate(nearest[:columns], start=1):
            draw_sample(figure.add_subplot(grid[row, column]), sample)


def draw_sample(axes: Axes, sample: dict[str, Any]) -> None:
    """Draw one sample of `Atoms.nearest` with its caption below, into axes of about 1.25 inches.

    A sample from an image is its patch with surroundings, one from a text is the text, one from a matrix its row. An
    image that cannot be read any more leaves a grey cell that says so.
    """
    plain(axes)
    if 'image' in sample:
        origin = Path(sample['image']).stem
        _draw_patch(axes, sample)
    elif 'text' in sample:
        origin = f'{Path(sample["file"]).name}:{sample["line"]}'
        _write(axes, sample['text'], 'white', NORMAL)
    else:
        origin = Path(sample['file']).name
        _write(axes, f'file row {sample["row"]}', 'white', LARGE)
    value = f'c\' {sample["coefficient"]:.2f}' if 'coefficient' in sample else f'cos {sample["similarity"]:.2f}'
    axes.set_xlabel(f'{value}\n{shorten(origin, 21)}', fontsize=SMALL, color=INK, labelpad=2, parse_math=False)


def _draw_patch(axes: Axes, sample: dict[str, Any]) -> None:
    try:
        image = read_image(sample['image'])
    except (OSError, ValueError):
        _write(axes, 'image not found', PALE, NORMAL)
        return
    crop, (left, top) = crop_around(image, sample['box'])
    height, width = crop.shape[:2]
    axes.imshow(crop, extent=(0, width, height, 0), interpolation='bicubic')
    x1, y1, x2, y2 = sample['box']
    outline(axes, (x1 - left, y1 - top, x2 - left, y2 - top))
    axes.set(xlim=(0, width), ylim=(height, 0))


def _write(axes: Axes, text: str, background: str, size: float) -> None:
    axes.set_facecolor(background)
    axes.set_box_aspect(1)
    wrapped = textwrap.fill(text, 18, max_lines=8, placeholder=' ...')
    axes.text(0.5, 0.5, wrapped, fontsize=size, color=INK, ha='center', va='center', transform=axes.transAxes,
              parse_math=False)
