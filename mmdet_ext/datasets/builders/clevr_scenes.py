"""Scenes of CLEVR with a box for each object, which CLEVR itself does not have."""
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.optimize import linear_sum_assignment

from .clevr_programs import ATTRIBUTES, Objects
from .json_stream import stream_items, stream_members

Box = list[float]  # x, y, w, h in pixels


class ClevrScene(NamedTuple):
    """A scene: the name of its picture, its objects and their boxes (None: not known)."""
    file_name: str
    objects: Objects
    boxes: list[Box | None]


def read_scenes(path: Path, boxes: Mapping[str, list] | None = None, *,
                on_bytes: Callable[[int], object] = lambda count: None) -> dict[int, ClevrScene]:
    """The scenes of `CLEVR_*_scenes.json` by their `image_index`; the file is read one scene at a time.

    Args:
        path: The file.
        boxes: What `read_boxes` gives. Without it boxes are those of the scenes themselves: `bbox` (x, y, w, h) of an
            object, or `obj_bbox` of a scene, as CLEVR-Ref+ has it.
        on_bytes: Called with the number of bytes of each piece that was read.

    Raises:
        ValueError: If a scene is broken, or there are no boxes for it.
    """
    scenes = {}
    for place, row in enumerate(stream_items(path, 'scenes', on_bytes=on_bytes)):
        where = f'{path}: scene {place}'
        if not isinstance(row, Mapping) or type(row.get('image_index')) is not int:
            raise ValueError(f'{where} has no image_index')
        name = row.get('image_filename')
        if not isinstance(name, str):
            raise ValueError(f'{where}: image_filename should be a text, got {name!r}')
        if row['image_index'] in scenes:
            raise ValueError(f'{where}: there is a second scene with the image_index {row["image_index"]}')
        where += f' ({name})'
        objects = _objects(row, where)
        own = _own_boxes(row) if boxes is None else boxes.get(name, boxes.get(str(row['image_index'])))
        if own is None:
            raise ValueError(f'{where}: there are no boxes for it' +
                             (': give a file of boxes' if boxes is None else ' in the file of boxes'))
        scenes[row['image_index']] = ClevrScene(name, objects, _placed(own, row['objects'], where))
    return scenes


def read_boxes(path: Path, *, on_bytes: Callable[[int], object] = lambda count: None) -> dict[str, list]:
    """The boxes of each picture, by file name or `image_index`.

    Args:
        path: A table whose values are lists, either of one box [x, y, w, h] for each object, in the order of the
            scene, or of relations with a `subject` and an `object` that have `bbox` [y1, y2, x1, x2], as the releases
            for referring relationships have them.
        on_bytes: Called with the number of bytes of each piece that was read.
    """
    return {key: value for key, value in stream_members(path, on_bytes=on_bytes)}


def _objects(row: Mapping, where: str) -> Objects:
    rows, relations = row.get('objects'), row.get('relationships')
    if not (isinstance(rows, list) and isinstance(relations, Mapping)):
        raise ValueError(f'{where} should have objects and relationships')
    for number, own in enumerate(rows):
        if missing := [name for name in ATTRIBUTES if not isinstance(own.get(name), str)]:
            raise ValueError(f'{where}: object {number} has no {" and no ".join(missing)}')
    return Objects([{name: own[name] for name in ATTRIBUTES} for own in rows], relations)


def _own_boxes(row: Mapping) -> list | None:
    table = row.get('obj_bbox')
    if isinstance(table, Mapping):
        first = 0 if '0' in table else 1  # CLEVR-Ref+ counts the objects of its masks from 1
        return [table.get(str(number)) for number in range(first, first + len(row['objects']))]
    return [own['bbox'] for own in row['objects']] if all('bbox' in own for own in row['objects']) else None


def _placed(boxes: object, objects: Sequence[Mapping], where: str) -> list[Box | None]:
    """The box of each object."""
    if not isinstance(boxes, list):
        raise ValueError(f'{where}: its boxes should be a list, got {boxes!r}')
    if boxes and all(isinstance(box, Mapping) for box in boxes):
        return _boxes_of_relations(boxes, objects, where)
    if len(boxes) != len(objects):
        raise ValueError(f'{where}: there are {len(boxes)} boxes and {len(objects)} objects')
    return [None if box is None else _checked(box, f'{where}, object {number}') for number, box in enumerate(boxes)]


def _boxes_of_relations(relations: Iterable[Mapping], objects: Sequence[Mapping], where: str) -> list[Box | None]:
    """The boxes of relations, each given to the object whose middle (`pixel_coords`) is nearest to its own."""
    found = {}
    for relation in relations:
        for role in ('subject', 'object'):
            end = relation.get(role)
            y1, y2, x1, x2 = _checked(end.get('bbox') if isinstance(end, Mapping) else None, f'{where}, {role}')
            found[x1, y1, x2 - x1, y2 - y1] = None
    boxes = np.array(list(found), dtype=float).reshape(-1, 4)
    middles = []
    for number, own in enumerate(objects):
        if not (isinstance(own.get('pixel_coords'), list) and len(own['pixel_coords']) >= 2):
            raise ValueError(f'{where}: object {number} has no pixel_coords, by which boxes are told apart')
        middles.append(own['pixel_coords'][:2])
    points = np.array(middles, dtype=float).reshape(-1, 2)
    distances = np.linalg.norm(points[:, None] - (boxes[:, :2] + boxes[:, 2:] / 2), axis=2)  # (objects, boxes)
    placed = [None] * len(objects)
    for number, box in zip(*linear_sum_assignment(distances), strict=True):
        if (points[number] >= boxes[box, :2]).all() and (points[number] <= boxes[box, :2] + boxes[box, 2:]).all():
            placed[number] = boxes[box].tolist()
    return placed


def _checked(box: object, where: str) -> Box:
    if not (isinstance(box, list) and len(box) == 4 and all(type(value) in (int, float) for value in box)):
        raise ValueError(f'{where}: a box should be four numbers, got {box!r}')
    return box
