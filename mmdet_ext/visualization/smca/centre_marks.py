"""Marks for the centres of a query and of its heads' Gaussians, which may lie outside of the image."""
import math
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from ..style import INK, VERMILLION

Point = tuple[float, float]

_LABEL = 9.  # points from the middle of one number to the next
_INSET = 4.5  # points from the border to the middle of a triangle


def mark_centre(axes: Axes, centre: Point, color: str = INK, size: float = 5) -> None:
    """A cross at (x, y), or a triangle at the border that points to it from inside.

    Args:
        axes: Their limits are those of the image, and their place in the figure is final.
        centre: x and y in pixels of the image.
        color: Of the mark.
        size: Of the cross, in points.
    """
    shown = nearest_inside(axes, centre, _INSET)
    if nearest_inside(axes, centre, 0) == centre:
        rim = [patheffects.withStroke(linewidth=2.2, foreground='white')]
        axes.plot(*centre, '+', color=color, markersize=size, markeredgewidth=0.9, path_effects=rim)
    else:
        angle = math.degrees(math.atan2(shown[1] - centre[1], centre[0] - shown[0])) - 90  # y grows downwards
        axes.plot(*shown, marker=(3, 0, angle), color=color, markersize=6, markeredgecolor='white', markeredgewidth=0.6)


def draw_centres(axes: Axes, reference: Point, centres: Sequence[Point]) -> None:
    """A square at the centre of a query, and a number for each head, tied to its centre by a line.

    Numbers that would cover each other move apart. Centres outside are marked at the border.

    Args:
        axes: As for `mark_centre`.
        reference: x and y in pixels of the image.
        centres: The same of each head.
    """
    starts = [nearest_inside(axes, centre, 1.5 * _LABEL) for centre in centres]
    labels = spread([reference, *starts], _LABEL * _pixels_per_point(axes))[1:]
    rim = [patheffects.withStroke(linewidth=1.8, foreground=INK)]
    for head, (centre, label) in enumerate(zip(centres, labels)):
        label = nearest_inside(axes, label, _LABEL / 2)
        axes.plot(*zip(reference, nearest_inside(axes, centre, _INSET), label), color='white', linewidth=0.8,
                  path_effects=rim)
        mark_centre(axes, centre, VERMILLION)
        axes.text(*label, str(head), fontsize=5.5, color=INK, ha='center', va='center_baseline', zorder=3,
                  bbox=dict(boxstyle='circle,pad=0.2', facecolor='white', edgecolor=INK, linewidth=0.6))
    axes.plot(*reference, 's', color=VERMILLION, markeredgecolor='white', markeredgewidth=0.8, markersize=5.5)


def spread(points: Sequence[Point], distance: float, rounds: int = 200) -> list[Point]:
    """Move points apart until all are `distance` from each other, or nearly; the first one stays where it is."""
    moved = np.array(points, dtype=float)
    # points on top of each other part in different directions
    angles = np.arange(len(moved)) * math.pi * (3 - 5**0.5)
    moved[1:] += 1e-3 * distance * np.stack([np.cos(angles), np.sin(angles)], axis=1)[1:]
    for _ in range(rounds):
        differences = moved[:, None] - moved
        lengths = np.linalg.norm(differences, axis=2)
        np.fill_diagonal(lengths, np.inf)
        missing = np.clip(distance - lengths, 0, None)
        if not missing.any():
            break
        moved[1:] += (differences / lengths[..., None] * 0.5 * missing[..., None]).sum(axis=1)[1:]
    return [tuple(point) for point in moved.tolist()]


def nearest_inside(axes: Axes, point: Point, inset: float) -> Point:
    """(x, y), or the nearest point to it that is `inset` points of 1/72 inch from the border of the axes."""
    inset *= _pixels_per_point(axes)
    limits = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    return tuple(min(max(at, low + inset), high - inset) for at, (low, high) in zip(point, limits))


def _pixels_per_point(axes: Axes) -> float:
    low, high = sorted(axes.get_xlim())
    return (high - low) / (axes.get_position().width * axes.figure.get_size_inches()[0]) / 72
