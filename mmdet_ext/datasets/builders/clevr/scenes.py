"""Scenes of CLEVR with a box for each object, which CLEVR itself does not have."""
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from msgspec import Struct
from scipy.optimize import linear_sum_assignment

from ..json_rows import Box, JsonRows, Number, Row, row_type


class ObjectRow(Struct):
    """An object of a scene."""
    size: str
    color: str
    material: str
    shape: str
    bbox: Box | None = None
    pixel_coords: list[Number] = []


class SceneRow(Struct):
    """A scene as files have it.

    `relationships` has for 'left', 'right', 'front' and 'behind' and each object the numbers of those on that side.
    """
    image_index: int
    image_filename: str
    objects: list[ObjectRow]
    relationships: dict[str, list[list[int]]]
    obj_bbox: dict[str, Box] | None = None


_End = row_type('_End', bbox=Box)  # y1, y2, x1, x2


class Relation(Struct):
    """Two objects, as the releases for referring relationships have them."""
    subject: _End
    object: _End


Boxes = list[Box | None]  # of the objects of a scene, None where it is not known


def read_scenes(path: Path) -> JsonRows[SceneRow]:
    """The scenes of `CLEVR_*_scenes.json`."""
    return JsonRows(path, SceneRow, 'scenes', 'scene {}')


def read_boxes(path: Path) -> JsonRows[list]:
    """The boxes of each image, by file name or `image_index`.

    They are a list of one box [x, y, w, h] for each object, in the order of the scene, or of relations with a `subject`
    and an `object` that have a `bbox` [y1, y2, x1, x2].
    """
    return JsonRows(path, list[Relation | Box | None], name='image {}')


def clevr_scenes(rows: Iterable[Row[SceneRow]],
                 boxes: Iterable[Row[list]] | None = None) -> dict[int, tuple[SceneRow, Boxes]]:
    """Scenes with boxes by their `image_index`.

    `boxes` are what `read_boxes` gives. Without it they are those of the scenes themselves: `bbox` (x, y, w, h) of an
    object, or `obj_bbox` of a scene, as CLEVR-Ref+ has it.

    Raises:
        ValueError: If a scene is broken, is there twice, or there are no boxes for it.
    """
    table = None if boxes is None else {key: value for _, key, value in boxes}
    scenes = {}
    for location, _, row in rows:
        if row.image_index in scenes:
            raise ValueError(f'{location}: there is a second scene with the image_index {row.image_index}')
        location += f' ({row.image_filename})'
        values = _scene_boxes(row) if table is None else table.get(row.image_filename, table.get(str(row.image_index)))
        if values is None:
            raise ValueError(f'{location}: there are no boxes for it' +
                             (': give a file of boxes' if table is None else ' in the file of boxes'))
        if values and all(isinstance(value, Relation) for value in values):
            values = _boxes_of_relations(values, row, location)
        if len(values) != len(row.objects):
            raise ValueError(f'{location}: there are {len(values)} boxes and {len(row.objects)} objects')
        scenes[row.image_index] = row, values
    return scenes


def _scene_boxes(row: SceneRow) -> Boxes | None:
    if row.obj_bbox is not None:
        first = 0 if '0' in row.obj_bbox else 1  # CLEVR-Ref+ counts the objects of its masks from 1
        return [row.obj_bbox.get(str(number)) for number in range(first, first + len(row.objects))]
    boxes = [thing.bbox for thing in row.objects]
    return None if None in boxes else boxes


def _boxes_of_relations(relations: Iterable[Relation], row: SceneRow, location: str) -> Boxes:
    """The boxes of relations, each given to the object whose middle (`pixel_coords`) is nearest to that of the box."""
    corners = dict.fromkeys(end.bbox for relation in relations for end in (relation.subject, relation.object))
    y1, y2, x1, x2 = np.array(list(corners), dtype=float).T
    middles = [thing.pixel_coords[:2] for thing in row.objects]
    if short := [number for number, middle in enumerate(middles) if len(middle) < 2]:
        raise ValueError(f'{location}: object {short[0]} has no pixel_coords, by which boxes are told apart')
    points = np.array(middles, dtype=float).reshape(-1, 2)
    distances = np.linalg.norm(points[:, None] - np.stack([x1 + x2, y1 + y2], axis=1) / 2, axis=2)  # (objects, boxes)
    placed = [None] * len(row.objects)
    for number, box in zip(*linear_sum_assignment(distances), strict=True):
        x, y = points[number]
        if x1[box] <= x <= x2[box] and y1[box] <= y <= y2[box]:
            placed[number] = np.array([x1[box], y1[box], x2[box] - x1[box], y2[box] - y1[box]]).tolist()
    return placed
