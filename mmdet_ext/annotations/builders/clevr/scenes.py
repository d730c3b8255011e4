"""Scenes of CLEVR with a box for each object, which CLEVR itself does not have, and programs that are run on them.

https://arxiv.org/abs/1612.06890, appendix
"""
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from msgspec import Struct
from scipy.optimize import linear_sum_assignment

from ..json_rows import Box, JsonRows, Number, Row, row_type

ATTRIBUTES = ('size', 'color', 'material', 'shape')
_SIDES = ('left', 'right', 'front', 'behind')
_OF_ONE_OBJECT = ('unique', 'relate', 'query_attribute', 'same_attribute')
Result = tuple[int, ...] | int | str | bool  # numbers of objects, a count, an attribute, or whether something is so


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


# Two objects, as the releases for referring relationships have them, with boxes (y1, y2, x1, x2).
_End = row_type('_End', bbox=Box)
Relation = row_type('Relation', subject=_End, object=_End)
Boxes = list[Box | None]  # of the objects of a scene, None where it is not known


class NotFollowedError(ValueError):
    """A program has functions that CLEVR does not have, or the words of its question do not fit it."""


class Step(Struct):
    """A step of a program: its function, the steps whose results it takes, and its values.

    CLEVR-Ref+ has other names of two fields, `type` and `side_inputs`.
    """
    function: str = ''
    type: str = ''
    inputs: list[int] = []
    value_inputs: list[str] = []
    side_inputs: list[str] = []

    def __post_init__(self) -> None:
        self.function = self.function or self.type
        if not self.function:
            raise ValueError('A step of a program should have a function')

    @property
    def value(self) -> str:
        """The values, '' for none."""
        return ' '.join(self.value_inputs or self.side_inputs)


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
    """Scenes with boxes by their `image_index`; a ValueError if one is there twice, or has no boxes.

    `boxes` are what `read_boxes` gives. Without it they are those of the scenes themselves: `bbox` (x, y, w, h) of an
    object, or `obj_bbox` of a scene, as CLEVR-Ref+ has it.
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


def run_program(steps: Sequence[Step], scene: SceneRow, location: str) -> list[Result]:
    """The result of each step.

    Raises:
        NotFollowedError: For a function that CLEVR does not have.
        ValueError: If a step has the wrong inputs, or is to find the one object where there are none or several.
    """
    results = []
    for number, step in enumerate(steps):
        name = f'{location}: step {number} of the program, {step.function}'
        if not all(0 <= source < number for source in step.inputs):
            raise ValueError(f'{name}, should have inputs among the steps before it, got {step.inputs}')
        inputs = [results[source] for source in step.inputs]
        try:
            results.append(_run(step, inputs, scene, name))
        except (TypeError, IndexError, KeyError) as error:
            raise ValueError(f'{name}, does not fit its inputs {inputs} or the scene ({type(error).__name__}: {error})'
                             ) from error
    return results


def _run(step: Step, inputs: Sequence[Result], scene: SceneRow, name: str) -> Result:
    function, (verb, _, attribute), values = step.function, step.function.partition('_'), []
    if attribute in ATTRIBUTES:
        function, values = f'{verb}_attribute', [getattr(thing, attribute) for thing in scene.objects]
    if function in _OF_ONE_OBJECT and len(inputs[0]) != 1:
        raise ValueError(f'{name}, needs one object, and {len(inputs[0])} fit')
    match function:
        case 'scene':
            return tuple(range(len(scene.objects)))
        case 'equal_integer' | 'equal_attribute':
            return inputs[0] == inputs[1]
        case 'less_than':
            return inputs[0] < inputs[1]
        case 'greater_than':
            return inputs[0] > inputs[1]
        case 'union':
            return tuple(sorted({*inputs[0], *inputs[1]}))
        case 'intersect':
            return tuple(sorted({*inputs[0]} & {*inputs[1]}))
        case 'count':
            return len(inputs[0])
        case 'exist':
            return len(inputs[0]) > 0
        case 'filter_attribute':
            return tuple(i for i in inputs[0] if values[i] == step.value)
        case 'unique':
            return inputs[0]
        case 'query_attribute':
            return values[inputs[0][0]]
        case 'same_attribute':
            one, = inputs[0]
            return tuple(i for i, value in enumerate(values) if i != one and value == values[one])
        case 'relate':
            if step.value not in _SIDES:
                raise ValueError(f'{name}, should have one of the sides {", ".join(_SIDES)}, got {step.value!r}')
            return tuple(sorted(scene.relationships[step.value][inputs[0][0]]))
    raise NotFollowedError('programs with functions that CLEVR does not have')
