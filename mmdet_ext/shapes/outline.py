"""Polygons of a mask that run along the edges of its pixels, so that rasterising them gives the mask back exactly."""
import numpy as np

Vertex = tuple[int, int]


def outlines(mask: np.ndarray) -> tuple[list[list[Vertex]], list[list[Vertex]]]:
    """Trace the border of a mask.

    Args:
        mask: bool (height, width). Pixels that touch at a corner belong together.

    Returns:
        The outer polygons, one per connected part, and the holes: lists of corners (x, y) in
        `0 <= x <= width`, `0 <= y <= height`. Parts run clockwise on the screen, holes the other way round.
    """
    ahead = _directed_edges(mask)
    parts, holes = [], []
    for start in sorted(ahead, key=lambda vertex: (vertex[1], vertex[0])):
        while ahead[start]:
            loop = _follow(ahead, start)
            (parts if signed_area(loop) > 0 else holes).append(loop)
    return parts, holes


def signed_area(polygon: list[Vertex]) -> float:
    """Enclosed area, in pixels; positive when the corners run clockwise on the screen."""
    pairs = zip(polygon, polygon[1:] + polygon[:1])
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs) / 2


def _directed_edges(mask: np.ndarray) -> dict[Vertex, list[Vertex]]:
    """For each corner of a pixel, the unit steps (dx, dy) that leave it with the mask on their right."""
    padded = np.pad(mask.astype(np.int8), 1)
    down = np.diff(padded, axis=0)[:, 1:-1]  # (height + 1, width): 1 where the mask begins below, -1 where it ends
    right = np.diff(padded, axis=1)[1:-1]  # (height, width + 1): 1 where the mask begins to the right
    ahead: dict[Vertex, list[Vertex]] = {}
    for border, step, origin in ((down == 1, (1, 0), (0, 0)), (right == -1, (0, 1), (0, 0)),
                                 (down == -1, (-1, 0), (1, 0)), (right == 1, (0, -1), (0, 1))):
        ys, xs = np.nonzero(border)
        for x, y in zip((xs + origin[0]).tolist(), (ys + origin[1]).tolist()):
            ahead.setdefault((x, y), []).append(step)
    return ahead


def _follow(ahead: dict[Vertex, list[Vertex]], start: Vertex) -> list[Vertex]:
    """Walk one closed loop, take its steps out of `ahead`, and keep the corners where it turns.

    `start` is the topmost vertex left of what is not walked yet, hence a corner that no loop passes twice.
    """
    corners, vertex, step = [start], start, ahead[start][0]
    while True:
        ahead[vertex].remove(step)
        vertex = (vertex[0] + step[0], vertex[1] + step[1])
        if vertex == start:
            return corners
        # Two ways lead on where two pixels touch at a corner: the left one keeps them together.
        left = (step[1], -step[0])
        following = left if left in ahead[vertex] else ahead[vertex][0]
        if following != step:
            corners.append(vertex)
        step = following
