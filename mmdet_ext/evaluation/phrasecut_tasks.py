"""The tasks of PhraseCut: phrases, and the polygons and boxes of all instances that each phrase refers to."""
from collections.abc import Callable, Hashable, Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ..annotations.annotation_file import check_grounding
from ..annotations.annotation_json import load_json
from ..annotations.mask_checks import decode_masks, mask_problem

Box = Sequence[float]
Corners = Sequence[Sequence[float]]


class Task(NamedTuple):
    """A phrase's instances: outlines in the form that `Tasks.rasterise` takes, boxes (x, y, w, h) in pixels."""
    outlines: list
    boxes: list[Box]


class Tasks(NamedTuple):
    """The tasks of a file.

    key: The field of a data sample that names its task: 'task_id' or 'img_id'.
    tasks: The tasks by this field.
    rasterise: (outlines, height, width) -> bool (height, width), the union of the outlines.
    """
    key: str
    tasks: dict[Hashable, Task]
    rasterise: Callable[[list, int, int], np.ndarray]


def read_tasks(file: str) -> Tasks:
    """Read PhraseCut's own file, a list of tasks with `Polygons` and `instance_boxes`, or one in MDETR's format.

    PhraseCut's polygons are drawn as its evaluation does it, with their edges. Those of MDETR's format, `segmentation`,
    are drawn as COCO's, which is what a model is trained on.

    Raises:
        ValueError: If the file is neither, a task occurs twice or has no instance, or an instance has no valid outline.
    """
    content = load_json(file)
    if isinstance(content, list):
        return Tasks('task_id', _phrasecut_tasks(content, file), draw_polygons)
    check_grounding(content, file)
    return Tasks('img_id', _grounding_tasks(content, file), decode_masks)


def draw_polygons(polygons: Sequence[Corners], height: int, width: int) -> np.ndarray:
    """The union, bool (height, width), of polygons [(x, y), ...] with their edges, corners cut to whole pixels."""
    image = Image.new('1', (width, height))
    pencil = ImageDraw.Draw(image)
    for polygon in polygons:
        pencil.polygon([(int(x), int(y)) for x, y in polygon], fill=1, outline=1)
    return np.array(image, dtype=bool)


def box_set_iou(first: Sequence[Box], second: Sequence[Box]) -> float:
    """IoU of the pixels of two sets of boxes (x, y, w, h), as PhraseCut counts them.

    Corners are cut to whole pixels, and the last row and column of a box are left out. What lies left of or above the
    image is not counted.
    """
    corners = [[[max(int(value), 0) for value in (x, y, x + w - 1, y + h - 1)] for x, y, w, h in boxes]
               for boxes in (first, second)]
    width, height = (max((box[i] for boxes in corners for box in boxes), default=0) for i in (2, 3))
    covered = np.zeros((2, height, width), dtype=bool)
    for pixels, boxes in zip(covered, corners):
        for x1, y1, x2, y2 in boxes:
            pixels[y1:y2, x1:x2] = True
    return overlap(*covered).iou


class Overlap(NamedTuple):
    """Pixels that two masks share, and pixels of either."""
    intersection: int
    union: int

    @property
    def iou(self) -> float:
        """0 where there is nothing."""
        return self.intersection / self.union if self.union else 0.0


def overlap(first: np.ndarray, second: np.ndarray) -> Overlap:
    """The overlap of two masks, bool of one shape."""
    return Overlap(int((first & second).sum()), int((first | second).sum()))


def _phrasecut_tasks(content: list, file: str) -> dict[Hashable, Task]:
    tasks = {}
    for row_number, row in enumerate(content):
        if missing := [key for key in ('task_id', 'Polygons', 'instance_boxes') if key not in row]:
            raise ValueError(f'{file}: row {row_number} has no {missing[0]}')
        task_name = f'{file}: task {row["task_id"]}'
        if row['task_id'] in tasks:
            raise ValueError(f'{task_name} is there twice')
        polygons = [polygon for instance in row['Polygons'] for polygon in instance]
        if not polygons or not row['instance_boxes']:
            raise ValueError(f'{task_name} has no instance: Polygons or instance_boxes is empty')
        for polygon in polygons:
            if len(polygon) < 2 or not all(len(point) == 2 and all(map(isfinite, point)) for point in polygon):
                raise ValueError(f'{task_name} has a polygon that is no list of points (x, y): {polygon}')
        tasks[row['task_id']] = Task(polygons, row['instance_boxes'])
    return tasks


def _grounding_tasks(content: dict, file: str) -> dict[Hashable, Task]:
    sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
    tasks = {key: Task([], []) for key in sizes}
    for row in content['annotations']:
        if row['iscrowd']:
            continue
        if problem := mask_problem(row.get('segmentation'), *sizes[row['image_id']]):
            raise ValueError(f'{file}: image {row["image_id"]}, annotation {row["id"]}: {problem}')
        tasks[row['image_id']].outlines.append(row['segmentation'])
        tasks[row['image_id']].boxes.append(row['bbox'])
    if empty := [key for key, task in tasks.items() if not task.boxes]:
        raise ValueError(f'{file}: image {empty[0]} has no annotation to be found')
    return tasks
