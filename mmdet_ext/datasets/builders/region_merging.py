"""Regions of one picture of Visual Genome that say the same of the same place, made one.

https://arxiv.org/abs/2104.12763
"""
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence

import numpy as np
from scipy.sparse.csgraph import connected_components

from .boxes import iou_matrix
from .spans import consolidate_spans
from .visual_genome import Region, average_boxes, intersect

_DUPLICATE_IOU = 0.5
_OVERLAP_IOU = 0.1
_SAME_CAPTION_IOU = 0.75
# Texts of these words alone are about no thing in particular.
_VAGUE = {'wall', 'side', 'building'}


def merge_regions(regions: Sequence[Region], counts: Counter) -> list[Region]:
    """The distinct regions of a picture, in the order of their first members; what is left out is counted.

    Regions of one key are duplicates if boxes on words that both have overlap by half; the one with the most boxes
    stays, with the mean of the boxes. A region without objects goes if it touches another of its key that has some.
    Regions that then have one caption become one caption with the boxes of all. Texts of nothing but 'wall', 'side' and
    'building' go.
    """
    kept = []
    for group in _groups(regions, lambda region: region.key):
        distinct = _distinct(group)
        counts['duplicates'] += len(group) - len(distinct)
        needed = _without_vain(distinct)
        counts['regions in place of which objects are'] += len(distinct) - len(needed)
        kept += needed
    order = {region.id: place for place, region in enumerate(regions)}
    kept.sort(key=lambda region: order[region.id])
    captions = [_collapse(group) for group in _groups(kept, lambda region: region.caption)]
    counts['equal captions'] += len(kept) - len(captions)
    clear = [region for region in captions if not _VAGUE.issuperset(region.key.split())]
    counts['vague captions'] += len(captions) - len(clear)
    return clear


def _groups(regions: Iterable[Region], key: Callable[[Region], Hashable]) -> list[list[Region]]:
    groups = {}
    for region in regions:
        groups.setdefault(key(region), []).append(region)
    return list(groups.values())


def _distinct(regions: list[Region]) -> list[Region]:
    """Regions of one key without duplicates."""
    if len(regions) == 1:
        return regions
    boxes = np.concatenate([region.boxes for region in regions])
    spans = [own for region in regions for own in region.spans]
    owner = np.repeat(np.arange(len(regions)), [len(region.boxes) for region in regions])
    shared = np.array([[intersect(own, other) for other in spans] for own in spans])
    same = (iou_matrix(boxes, boxes) >= _DUPLICATE_IOU) & shared  # (boxes, boxes)
    linked = np.zeros((len(regions), len(regions)), dtype=bool)
    first, second = np.nonzero(same)
    linked[owner[first], owner[second]] = True
    _, component = connected_components(linked, directed=False)
    distinct = []
    for number in range(component.max() + 1):
        members = np.flatnonzero(component == number)
        best = max(members, key=lambda member: len(regions[member].boxes))  # the first of several
        in_component = component[owner] == number
        averaged = [boxes[same[row] & in_component].mean(axis=0) for row in np.flatnonzero(owner == best)]
        distinct.append(regions[best]._replace(boxes=np.stack(averaged)))
    return distinct


def _without_vain(regions: list[Region]) -> list[Region]:
    """Without the regions that have no objects and touch one that has."""
    objects = [region.boxes for region in regions if region.has_objects]
    if not objects or len(objects) == len(regions):
        return regions
    boxes = np.concatenate(objects)
    return [region for region in regions
            if region.has_objects or not (iou_matrix(region.boxes, boxes) >= _OVERLAP_IOU).any()]


def _collapse(regions: list[Region]) -> Region:
    """Regions of one caption as one."""
    first = regions[0]
    if len(regions) == 1:
        return first
    spans = [own for region in regions for own in region.spans]
    boxes, groups = average_boxes(np.concatenate([region.boxes for region in regions]), _SAME_CAPTION_IOU)
    united = [consolidate_spans([span for place in group for span in spans[place]], first.caption) for group in groups]
    return first._replace(boxes=boxes, spans=united)
