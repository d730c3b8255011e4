"""Annotation files of MDETR from PhraseCut: one entry for each phrase, with boxes and outlines of its instances.

https://arxiv.org/abs/2104.12763, section 4.2.3; https://arxiv.org/abs/2008.01187
"""
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from .grounding_file import Pair, box_row, image_row
from .image_lists import Sizes
from .json_rows import Box, Id, JsonRows, Number, Row, Text, row_type

POLYGONS = ('last', 'all')

# A phrase: of each instance a box (x, y, width, height) and polygons of points (x, y).
Polygons = list[list[list[tuple[Number, Number]]]]
Task = row_type('Task', task_id=Id, image_id=Id, phrase=Text, Polygons=Polygons, instance_boxes=list[Box])


def read_tasks(path: Path) -> JsonRows[Task]:
    """The phrases of `refer_{split}.json`."""
    return JsonRows(path, Task, 'tasks')


def phrasecut_pairs(tasks: Iterable[Row[Task]], sizes: Sizes, counts: Counter, *,
                    polygons: str = 'last') -> Iterator[Pair]:
    """Images with their phrases, and boxes; `counts` gets what was left out.

    Of several polygons of an instance 'last' keeps the last one, as the published files do, and 'all' keeps all. A
    ValueError names a phrase that is broken, or for whose image there is no size.
    """
    for location, _, task in tasks:
        location += f', task {task.task_id}'
        size = sizes.get(str(task.image_id))
        if size is None:
            raise ValueError(f'{location}: there is no size of image {task.image_id!r}')
        if len(task.Polygons) != len(task.instance_boxes):
            raise ValueError(f'{location}: Polygons and instance_boxes should be lists of one length, got '
                             f'{[len(task.Polygons), len(task.instance_boxes)]}')
        image = image_row(f'{task.image_id}.jpg', size, task.phrase, 'phrasecut', original_id=task.image_id,
                          task_id=task.task_id)
        rows = []
        for outlines, box in zip(task.Polygons, task.instance_boxes):
            flat = [list(chain(*outline)) for outline in outlines if len(outline) >= 3]
            kept = flat[-1:] if polygons == 'last' else flat
            counts['left out: polygons of fewer than three points'] += len(outlines) - len(flat)
            counts['left out: polygons before the last of their instance'] += len(flat) - len(kept)
            counts['left out: instances without a polygon'] += not kept
            if kept:
                rows.append(box_row(box, [[0, len(task.phrase)]], segmentation=kept))
        yield image, rows
