"""Marks for the centres of a query and of its heads' Gaussians, which may lie outside of the image."""
import math

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from ..style import INK, VERMILLION

_LABEL = 9.  # points from the middle of one number to the next
_INSET = 4.5  # points from the border to the middle of a triangle


def mark_centre(axes: Axes, centre: ArrayLike, color: str = INK) -> None:
    """A cross at a centre, x and y in pixels of the image, or a triangle at the border that points to it from inside.

    The axes show an image in its own pixels, and their place in the figure is final.
    """
    if axes.viewLim.contains(*centre):
        rim = [patheffects.withStroke(linewidth=2.2, foreground='white')]
        axes.plot(*centre, '+', color=color, markersize=5, markeredgewidth=0.9, path_effects=rim)
    else:
        shown = nearest_inside(axes, centre, _INSET)
        angle = math.degrees(math.atan2(shown[1] - centre[1], centre[0] - shown[0])) - 90  # y grows downwards
        axes.plot(*shown, marker=(3, 0, angle), color=color, markersize=6, markeredgecolor='white', markeredgewidth=0.6)


def draw_centres(axes: Axes, reference: ArrayLike, centres: ArrayLike) -> None:
    """A square at the centre of a query, and a number for each head, tied to its centre by a line.

    Numbers that would cover each other move apart. Axes and points, (2, ) and (M, 2), are as for `mark_centre`.
    """
    starts = axes.transData.transform([reference, *nearest_inside(axes, centres, 1.5 * _LABEL)])
    labels = axes.transData.inverted().transform(spread(starts, _LABEL * axes.figure.dpi / 72)[1:])
    lines = zip(nearest_inside(axes, centres, _INSET), nearest_inside(axes, labels, _LABEL / 2))
    for head, (shown, label) in enumerate(lines):
        axes.plot(*zip(reference, shown, label), color='white', linewidth=0.8,
                  path_effects=[patheffects.withStroke(linewidth=1.8, foreground=INK)])
        mark_centre(axes, centres[head], VERMILLION)
        axes.text(*label, str(head), fontsize=5.5, color=INK, ha='center', va='center_baseline', zorder=3,
                  bbox=dict(boxstyle='circle,pad=0.2', facecolor='white', edgecolor=INK, linewidth=0.6))
    axes.plot(*reference, 's', color=VERMILLION, markeredgecolor='white', markeredgewidth=0.8, markersize=5.5)


def spread(points: ArrayLike, distance: float, rounds: int = 200) -> np.ndarray:
    """Move points (N, 2) apart until all are `distance` from each other, or nearly; the first one does not move."""
    moved = np.array(points, dtype=float)
    angles = np.arange(len(moved)) * 2.4  # points on top of each other part in different directions
    moved[1:] += 1e-3 * distance * np.stack([np.cos(angles), np.sin(angles)], axis=1)[1:]
    for _ in range(rounds):
        differences = moved[:, None] - moved
        lengths = np.linalg.norm(differences, axis=2, keepdims=True)
        lengths[lengths == 0] = np.inf  # of a point to itself
        moved[1:] += (differences / lengths * np.clip(distance - lengths, 0, None) / 2).sum(axis=1)[1:]
    return moved


def nearest_inside(axes: Axes, points: ArrayLike, inset: float) -> np.ndarray:
    """For points (..., 2) of the image the nearest ones `inset` points of 1/72 inch from the border of the axes."""
    frame = axes.bbox.padded(-inset * axes.figure.dpi / 72)
    return axes.transData.inverted().transform(np.clip(axes.transData.transform(points), frame.min, frame.max))
