"""Marks for the centres of a query and of its heads' Gaussians, which may lie outside of the picture."""
import math
from collections.abc import Sequence

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes

from .style import INK, VERMILLION

Place = tuple[float, float]

_LABEL = 9.  # points from the middle of one number to the next
_INSET = 4.5  # points from the border to the middle of a triangle


def mark_centre(axes: Axes, centre: Place) -> None:
    """A cross at (x, y), or a triangle at the border that points to it from inside.

    Args:
        axes: Their limits are those of the picture.
        centre: x and y in pixels of the picture.
    """
    if is_inside(axes, centre):
        rim = [patheffects.withStroke(linewidth=2.2, foreground='white')]
        axes.plot(*centre, '+', color=INK, markersize=5, markeredgewidth=0.9, path_effects=rim)
    else:
        shown = nearest_inside(axes, centre, _INSET)
        axes.plot(*shown, marker=_triangle(shown, centre), color=INK, markersize=6, markeredgecolor='white',
                  markeredgewidth=0.6)


def draw_centres(axes: Axes, reference: Place, centres: Sequence[Place]) -> None:
    """A square at the centre of a query, and a number for each head, tied to its centre by a line.

    Numbers that would cover each other move apart. Centres outside are marked at the border.

    Args:
        axes: Their limits are those of the picture.
        reference: x and y in pixels of the picture.
        centres: The same of each head.
    """
    step = _LABEL * _pixels_per_point(axes)
    shown = [nearest_inside(axes, centre, _INSET) for centre in centres]
    inside = [is_inside(axes, centre) for centre in centres]
    rim = [patheffects.withStroke(linewidth=1.8, foreground=INK)]
    starts = [place if within else _towards(place, reference, step) for place, within in zip(shown, inside)]
    labels = [nearest_inside(axes, label, _LABEL / 2) for label in spread([reference, *starts], step)[1:]]
    for place, label in zip(shown, labels):
        axes.plot(*zip(reference, place, label), color='white', linewidth=0.8, path_effects=rim)
    for place, centre, within in zip(shown, centres, inside):
        if within:
            axes.plot(*place, 'o', color='white', markeredgecolor=INK, markeredgewidth=0.6, markersize=3)
        else:
            axes.plot(*place, marker=_triangle(place, centre), color=VERMILLION, markersize=6, markeredgecolor='white',
                      markeredgewidth=0.6)
    for head, label in enumerate(labels):
        axes.plot(*label, 'o', color='white', markeredgecolor=INK, markeredgewidth=0.6, markersize=7.5)
        axes.text(*label, str(head), fontsize=5.5, color=INK, ha='center', va='center_baseline')
    axes.plot(*reference, 's', color=VERMILLION, markeredgecolor='white', markeredgewidth=0.8, markersize=5.5)


def spread(places: Sequence[Place], distance: float, rounds: int = 200) -> list[Place]:
    """Move places apart until all are `distance` from each other, or nearly; the first one stays where it is."""
    found = np.array(places, dtype=float)
    # places on top of each other part in different directions
    turns = np.arange(len(found)) * math.pi * (3 - 5**0.5)
    found[1:] += 1e-3 * distance * np.stack([np.cos(turns), np.sin(turns)], axis=1)[1:]
    for _ in range(rounds):
        apart = found[:, None] - found
        length = np.linalg.norm(apart, axis=2)
        np.fill_diagonal(length, np.inf)
        short = np.clip(distance - length, 0, None)
        if not short.any():
            break
        found[1:] += (apart / length[..., None] * 0.5 * short[..., None]).sum(axis=1)[1:]
    return [tuple(place) for place in found.tolist()]


def is_inside(axes: Axes, place: Place) -> bool:
    """Whether (x, y) is within the limits of the axes."""
    return nearest_inside(axes, place, 0) == tuple(place)


def nearest_inside(axes: Axes, place: Place, inset: float) -> Place:
    """(x, y), or the nearest place to it that is `inset` points from the border of the axes."""
    inset *= _pixels_per_point(axes)
    limits = sorted(axes.get_xlim()), sorted(axes.get_ylim())
    return tuple(min(max(at, low + inset), high - inset) for at, (low, high) in zip(place, limits))


def _towards(start: Place, end: Place, distance: float) -> Place:
    """The place at most `distance` from `start` on the way to `end`."""
    share = min(1., distance / max(math.dist(start, end), 1e-9))
    return tuple(a + share * (b - a) for a, b in zip(start, end))


def _pixels_per_point(axes: Axes) -> float:
    low, high = sorted(axes.get_xlim())
    width = axes.get_position().width * axes.figure.get_size_inches()[0]
    return (high - low) / width / 72


def _triangle(start: Place, end: Place) -> tuple[int, int, float]:
    """A marker whose corner points from one place to another; y grows downwards."""
    return 3, 0, math.degrees(math.atan2(start[1] - end[1], end[0] - start[0])) - 90
