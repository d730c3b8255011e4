"""What must hold of the `segmentation` of an annotation before a mask is made of it."""
from collections.abc import Sequence
from math import isfinite

import numpy as np
from pycocotools import mask as coco_mask

Segmentation = Sequence[Sequence[float]] | dict


def mask_problem(segmentation: object, width: int, height: int) -> str:
    """What keeps `segmentation` from being polygons [x, y, x, y, ...] or a run-length mask of the picture, or ''."""
    if segmentation is None:
        return 'there is no segmentation'
    if isinstance(segmentation, dict):
        return _run_length_problem(segmentation, width, height)
    if not isinstance(segmentation, (list, tuple)):
        return f'segmentation {segmentation!r} is neither a list of polygons nor a run-length mask'
    if not segmentation:
        return 'segmentation has no polygon'
    for place, polygon in enumerate(segmentation):
        what = f'polygon {place} of segmentation'
        if not (isinstance(polygon, (list, tuple)) and all(type(value) in (int, float) for value in polygon)):
            return f'{what} is no list of numbers: {polygon!r}'
        if len(polygon) % 2 or len(polygon) < 6:
            return f'{what} has {len(polygon)} numbers, which are not the x and y of three or more corners'
        if not all(map(isfinite, polygon)):
            return f'{what} is not finite'
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


def _run_length_problem(code: dict, width: int, height: int) -> str:
    counts, size = code.get('counts'), code.get('size')
    if size != [height, width]:
        return f'the run-length mask has the size {size}, the picture [{height}, {width}]'
    if isinstance(counts, list):
        if not all(type(count) is int and count >= 0 for count in counts) or sum(counts) != height * width:
            return 'the counts of the run-length mask are not those of its pixels'
        return '' if sum(counts[1::2]) else 'the run-length mask is empty'
    if not isinstance(counts, str):
        return f'the run-length mask has counts {counts!r}'
    return '' if coco_mask.area(code) else 'the run-length mask is empty'
