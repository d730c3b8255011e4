"""What the figures share: colours that the colour-blind tell apart, sizes of letters, and how a figure is written."""
import os
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from mmdet_ext.files import replace_file
from mmdet_ext.lettering import shorten as shorten  # for those who import it from here

# of Okabe and Ito
BLUE, ORANGE, VERMILLION, YELLOW = '#0072B2', '#E69F00', '#D55E00', '#F0E442'
GREY, PALE, INK = '#8C8C8C', '#E4E4E4', '#222222'
DIVERGING, SEQUENTIAL, VIVID = 'PuOr_r', 'cividis', 'plasma'
SMALL, NORMAL, LARGE = 7, 8, 9.5  # points
DPI = 150


def save(figure: Figure, path: str | os.PathLike) -> Path:
    """Write a figure as PNG, its folder too."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as file:
        figure.savefig(file, format='png', dpi=DPI, facecolor='white')
    return path


def save_image(image: np.ndarray, path: str | os.PathLike) -> Path:
    """Write an image (H, W, 3), uint8 BGR, as PNG with 256 colours, a third of the bytes, its folder too."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as file:
        Image.fromarray(image[..., ::-1]).quantize(256, Image.Quantize.FASTOCTREE).save(file, format='png')
    return path


def plain(axes: Axes) -> Axes:
    """Axes without ticks and with a thin frame, for images."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=GREY, linewidth=0.5)
    return axes


def tidy(axes: Axes, letters: float = SMALL) -> Axes:
    """Axes with ticks in `letters` points and without a frame above and to the right, for plots."""
    axes.spines[['top', 'right']].set_visible(False)
    axes.tick_params(labelsize=letters, colors=INK)
    return axes


def draw_pale(axes: Axes, image: np.ndarray) -> None:
    """Show a pale grey copy of an image (height, width, 3), uint8 RGB, in its own pixels, to draw colours over."""
    height, width = image.shape[:2]
    grey = image @ np.float32([0.299, 0.587, 0.114]) / 255
    axes.imshow(0.55 + 0.45 * grey, cmap='gray', vmin=0, vmax=1, extent=(0, width, height, 0), interpolation='bilinear')


def outline(axes: Axes, box: tuple[float, float, float, float], width: float = 1.1, least: float = 0) -> None:
    """A yellow rectangle with a dark rim, to be seen on any image.

    Args:
        axes: Shows an image in its own pixels, whose top left corner is (0, 0).
        box: x1, y1, x2, y2 in these pixels.
        width: Of the line, in points.
        least: Longer side that the rectangle has at least, in these pixels: it grows around its middle.
    """
    left, top, right, bottom = box
    more = max(0, (least - max(right - left, bottom - top)) / 2)
    left, top, right, bottom = left - more, top - more, right + more, bottom + more
    for color, line in ((INK, width + 1.2), (YELLOW, width)):
        axes.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=color, linewidth=line,
                                 joinstyle='miter', clip_on=False))
