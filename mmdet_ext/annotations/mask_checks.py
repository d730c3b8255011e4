"""Check the `segmentation` of an annotation before a mask is made of it."""
from collections.abc import Sequence
from math import isfinite

import numpy as np
from pycocotools import mask as coco_mask

Segmentation = Sequence[Sequence[float]] | dict


def mask_problem(segmentation: object, width: int, height: int) -> str:
    """Why `segmentation` is neither polygons [x, y, x, y, ...] nor a run-length mask of the image, or '' if it is one.

    Empty masks and polygons with fewer than three corners are mistakes here, unlike in `outline_problem`.
    """
    if segmentation is None:
        return 'there is no segmentation'
    if problem := outline_problem(segmentation, width, height):
        return problem
    if isinstance(segmentation, dict):
        return _emptiness(segmentation)
    if not segmentation:
        return 'segmentation has no polygon'
    for index, polygon in enumerate(segmentation):
        if len(polygon) < 6:
            return (f'polygon {index} of segmentation has {len(polygon)} numbers, which are not the x and y of three '
                    'or more corners')
    return ''


def outline_problem(segmentation: object, width: int, height: int) -> str:
    """Why `segmentation` is neither a list of polygons nor a run-length mask, or '' if it is one; both may be empty."""
    if segmentation is None:
        return ''
    if isinstance(segmentation, dict):
        return _run_length_problem(segmentation, width, height)
    if not isinstance(segmentation, (list, tuple)):
        return f'segmentation {segmentation!r:.60} is neither a list of polygons nor a run-length mask'
    if _has_only_numbers(segmentation):
        return ''
    if segmentation and all(type(value) in (int, float) for value in segmentation):
        return (f'segmentation is a flat list of numbers, {segmentation!r:.60}: a list of polygons is written '
                '[[x, y, ...]]')
    for index, polygon in enumerate(segmentation):
        name = f'polygon {index} of segmentation'
        if not isinstance(polygon, (list, tuple)) or set(map(type, polygon)) - {int, float}:
            return f'{name} is no list of numbers: {polygon!r:.60}'
        if len(polygon) % 2:
            return f'{name} has {len(polygon)} numbers, which are not the x and y of three or more corners'
        if not all(map(isfinite, polygon)):
            return f'{name} is not finite'
    return ''


def decode_masks(segmentations: Sequence[Segmentation], height: int, width: int) -> np.ndarray:
    """The union (height, width), bool, of what `mask_problem` finds nothing wrong with, rasterised as COCO does."""
    codes = []
    for segmentation in segmentations:
        if isinstance(segmentation, dict):
            code = segmentation
            codes.append(coco_mask.frPyObjects(code, height, width) if isinstance(code['counts'], list) else code)
        else:
            codes += coco_mask.frPyObjects([list(map(float, polygon)) for polygon in segmentation], height, width)
    return coco_mask.decode(coco_mask.merge(codes)).astype(bool)


def _has_only_numbers(polygons: Sequence) -> bool:
    """Whether these are lists of finite numbers, of even length; testing the sum is faster than testing each number."""
    try:
        return all(type(polygon) is list and len(polygon) % 2 == 0 and isfinite(sum(polygon)) for polygon in polygons)
    except (TypeError, OverflowError):
        return False


def _run_length_problem(code: dict, width: int, height: int) -> str:
    counts, size = code.get('counts'), code.get('size')
    if size != [height, width]:
        return f'the run-length mask has the size {size}, the image [{height}, {width}]'
    if isinstance(counts, list):
        if not all(type(count) is int and count >= 0 for count in counts) or sum(counts) != height * width:
            return 'the counts of the run-length mask are not those of its pixels'
        return ''
    if not isinstance(counts, str):
        return f'the run-length mask has counts {counts!r:.60}'
    if _sum_of_runs(counts) != height * width:
        return 'the counts of the run-length mask are not those of its pixels'
    return ''


def _emptiness(code: dict) -> str:
    counts = code['counts']
    pixels = sum(counts[1::2]) if isinstance(counts, list) else coco_mask.area(code)
    return '' if pixels else 'the run-length mask is empty'


def _sum_of_runs(counts: str) -> int:
    """Pixels that COCO's compressed run lengths cover, -1 if they are broken.

    Five bits of each run a character, from 48 on, the lowest first; bit 5 says that more follow. From the fourth run on
    the difference to the last run but one is written.
    """
    runs, value, shift = [], 0, 0
    for character in counts:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            return -1
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        if runs[-1] < 0:
            return -1
        value, shift = 0, 0
    return sum(runs) if not shift else -1
