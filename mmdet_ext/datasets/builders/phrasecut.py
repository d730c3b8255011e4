"""Annotation files of MDETR from PhraseCut: one entry for each phrase, with boxes and outlines of its instances.

https://arxiv.org/abs/2104.12763, section 4.2.3; https://arxiv.org/abs/2008.01187
"""
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .grounding_file import write_grounding
from .json_stream import stream_items
from .picture_sizes import Sizes

POLYGONS = ('last', 'all')


def build_phrasecut(path: Path, out: Path, sizes: Sizes, *, polygons: str = 'last',
                    on_bytes: Callable[[int], object] = lambda count: None) -> Counter:
    """Write the annotation file of a split.

    Args:
        path: `refer_{split}.json`, read one phrase at a time.
        out: File to write.
        sizes: (height, width) of each picture by its id.
        polygons: 'last' keeps the last polygon of an instance that has several, as the published files do, 'all' all.
        on_bytes: Called with the number of bytes of each piece that was read.

    Returns:
        How many there are of what.

    Raises:
        ValueError: If a phrase is broken, or there is no size for its picture.
    """
    if polygons not in POLYGONS:
        raise ValueError(f'polygons must be one of {POLYGONS}, got {polygons!r}')
    counts = Counter()
    with write_grounding(out) as file:
        for place, task in enumerate(stream_items(path, 'tasks', on_bytes=on_bytes)):
            where = f'{path}: row {place}'
            if not isinstance(task, Mapping):
                raise ValueError(f'{where} should be a table, got {task!r}')
            where += f', task {task.get("task_id")}'
            image = _image(task, sizes, where)
            rows = _instances(task, image['caption'], polygons, counts, where)
            counts['captions without boxes'] += not rows
            file.add(image, rows)
        counts.update(captions=file.num_images, boxes=file.num_annotations)
    return counts


def _image(task: Mapping, sizes: Sizes, where: str) -> dict:
    phrase, image_id = task.get('phrase'), task.get('image_id')
    if not (isinstance(phrase, str) and phrase.strip()):
        raise ValueError(f'{where}: phrase should be a text, got {phrase!r}')
    if 'task_id' not in task:
        raise ValueError(f'{where}: there is no task_id')
    if str(image_id) not in sizes:
        raise ValueError(f'{where}: there is no size of picture {image_id!r}')
    height, width = sizes[str(image_id)]
    return dict(file_name=f'{image_id}.jpg', height=height, width=width, original_id=image_id, caption=phrase,
                tokens_negative=[[0, len(phrase)]], dataset_name='phrasecut', task_id=task['task_id'])


def _instances(task: Mapping, phrase: str, polygons: str, counts: Counter, where: str) -> list[dict]:
    """The boxes of a phrase, all of which the whole phrase names."""
    outlines, boxes = task.get('Polygons'), task.get('instance_boxes')
    if not (isinstance(outlines, list) and isinstance(boxes, list) and len(outlines) == len(boxes)):
        sizes = [len(value) if isinstance(value, list) else repr(value) for value in (outlines, boxes)]
        raise ValueError(f'{where}: Polygons and instance_boxes should be lists of one length, got {sizes}')
    rows = []
    for place, (outline, box) in enumerate(zip(outlines, boxes, strict=True)):
        own = f'{where}, instance {place}'
        if not (isinstance(box, list) and len(box) == 4 and all(type(value) in (int, float) for value in box)):
            raise ValueError(f'{own}: a box should be x, y, w, h, got {box!r}')
        if not isinstance(outline, list):
            raise ValueError(f'{own} should have a list of polygons, got {outline!r}')
        found = [flat for polygon in outline if len(flat := _flat(polygon, own)) >= 6]
        counts['left out: polygons of fewer than three points'] += len(outline) - len(found)
        if not found:
            counts['left out: instances without a polygon'] += 1
            continue
        if polygons == 'last':
            counts['left out: polygons before the last of their instance'] += len(found) - 1
            found = found[-1:]
        rows.append(dict(area=box[2] * box[3], iscrowd=0, category_id=1, bbox=box, segmentation=found,
                         tokens_positive=[[0, len(phrase)]]))
    return rows


def _flat(polygon: Sequence, where: str) -> list[float]:
    """[[x, y], ...] -> [x, y, ...]."""
    good = isinstance(polygon, list) and all(
        isinstance(point, list) and len(point) == 2 and all(type(value) in (int, float) for value in point)
        for point in polygon)
    if not good:
        raise ValueError(f'{where}: a polygon should be a list of points [x, y], got {polygon!r}')
    return [value for point in polygon for value in point]
