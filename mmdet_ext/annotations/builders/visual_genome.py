"""Regions of Visual Genome as captions with boxes (MDETR, https://arxiv.org/abs/2104.12763).

`region_graphs.json` ties objects to words of a region's text by WordNet's synsets. What the text is about, its root,
comes from a parse. Regions of one image that say the same of the same place become one.
"""
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from msgspec import Struct
from scipy.sparse.csgraph import connected_components

from ...text.parsing import Parser, Word, content_words, root_spans
from ...text.spans import Spans, clean_text, consolidate_spans, spans_overlap
from ...unfinished import Unfinished
from .boxes import iou_matrix, merge_boxes
from .grounding_file import Pair, box_row, compact_json, image_row
from .image_lists import Size, Sizes
from .json_rows import Id, JsonRows, Number, row_type

T = TypeVar('T')
MIN_LETTERS = 3
PIECE_IMAGES = 1000  # after so many images work is safe
_SAME_PHRASE_IOU, _SAME_CAPTION_IOU = 0.7, 0.75
_DUPLICATE_IOU, _OVERLAP_IOU = 0.5, 0.1
# Texts of these words alone are about no thing in particular.
_VAGUE = {'wall', 'side', 'building'}


_Synset = row_type('_Synset', synset_name=str, entity_idx_start=int, entity_idx_end=int)


class _ObjectRow(Struct):
    object_id: Id
    synsets: list[str]
    x: Number
    y: Number
    w: Number | None = None
    h: Number | None = None
    width: Number | None = None
    height: Number | None = None


# A region, and an image, of region_graphs.json.
RegionRow = row_type('RegionRow', region_id=Id, phrase=str, x=Number, y=Number, width=Number, height=Number,
                     objects=list[_ObjectRow], synsets=list[_Synset])
ImageRow = row_type('ImageRow', image_id=Id, regions=list[RegionRow])


class Region(NamedTuple):
    """A caption of an image with its boxes."""
    id: Id
    caption: str
    key: str  # the caption's content words: regions of one key say the same
    boxes: np.ndarray  # (N, 4), (x1, y1, x2, y2) in pixels
    spans: list[Spans]  # of the N boxes
    has_objects: bool  # whether any of the boxes is that of an object, and not the region's own


def read_graphs(path: Path) -> JsonRows[ImageRow]:
    """The images of region_graphs.json with their regions."""
    return JsonRows(path, ImageRow, 'images')


def region_pairs(images: JsonRows[ImageRow], sizes: Sizes, parser: Parser, work: Unfinished, counts: Counter,
                 on_images: Callable[[int], object] = lambda _: None) -> Iterator[Pair]:
    """The captions and boxes of the images; pieces of them are kept in `work`, and taken from there if they are in it.

    `counts` gets what was left out, and `on_images` the number of images of each piece. A ValueError names an image
    that is broken, or of which `sizes` has no (height, width).
    """
    for start in range(0, len(images), PIECE_IMAGES):
        name, rows_of_piece = f'{start}.jsonl', range(start, min(start + PIECE_IMAGES, len(images)))
        if work.piece(name) is None:
            piece_counts, lines = Counter(), []
            for location, _, row in map(images.__getitem__, rows_of_piece):
                size = sizes.get(str(row.image_id))
                if size is None:
                    raise ValueError(f'{location}: image {row.image_id} is not in image_data.json, which has its size')
                regions = merge_regions(read_regions(row, parser, piece_counts, location), piece_counts)
                piece_counts['images'] += bool(regions)
                lines += [compact_json(_pair(row.image_id, size, region)) for region in regions]
            with work.write(name) as file:
                file.write(b'\n'.join([compact_json(piece_counts), *lines]) + b'\n')
        with work.piece(name).open() as file:
            counts.update(json.loads(next(file)))
            yield from map(json.loads, file)
        on_images(len(rows_of_piece))


def _pair(image: Id, size: Size, region: Region) -> Pair:
    row = image_row(f'{image}.jpg', size, region.caption, 'VG', original_id=region.id, original_img_id=image,
                    data_source='vg')
    return row, [box_row([x1, y1, x2 - x1, y2 - y1], spans)
                 for (x1, y1, x2, y2), spans in zip(region.boxes.tolist(), region.spans, strict=True)]


def read_regions(row: ImageRow, parser: Parser, counts: Counter, location: str) -> list[Region]:
    """The regions of an image; `counts` gets what was left out. `location` names file and image in errors."""
    cleaned = []
    for region in row.regions:
        caption, positions = clean_text(region.phrase)
        counts['regions'] += 1
        if len(caption) < MIN_LETTERS:
            counts[f'regions of less than {MIN_LETTERS} characters'] += 1
        elif not (region.width > 0 and region.height > 0):
            counts['regions without area'] += 1
        else:
            cleaned.append((region, caption, _tied_objects(region, caption, positions, location, counts)))
    parses = parser(caption for _, caption, _ in cleaned)
    return [_region(*parts, words, counts) for parts, words in zip(cleaned, parses, strict=True)]


def _tied_objects(region: RegionRow, caption: str, positions: Sequence[int], location: str,
                  counts: Counter) -> list[tuple[np.ndarray, Spans]]:
    """The boxes (x1, y1, x2, y2) and spans of the objects of exactly one synset, which stands once in the text.

    These are tied to words without doubt. Caption and positions are what `clean_text` gives.
    """
    by_synset = {}
    for synset in region.synsets:
        by_synset.setdefault(synset.synset_name, []).append((synset.entity_idx_start, synset.entity_idx_end))
    tied = []
    for thing in region.objects:
        width, height = (thing.w, thing.h) if thing.width is None else (thing.width, thing.height)
        if width is None or height is None:
            raise ValueError(f'{location}: region {region.region_id}: object {thing.object_id} has no width and height '
                             f'(w and h), got {thing}')
        words = by_synset.get(thing.synsets[0], ()) if len(thing.synsets) == 1 else ()
        spans = []
        if len(words) == 1 and 0 <= words[0][0] < words[0][1] < len(positions) and width > 0 and height > 0:
            spans = consolidate_spans([[positions[index] for index in words[0]]], caption)
        counts['objects tied to words' if spans else 'objects left out'] += 1
        if spans:
            tied.append((_corners(thing.x, thing.y, width, height), spans))
    return tied


def _region(row: RegionRow, caption: str, objects: list[tuple[np.ndarray, Spans]], words: Sequence[Word] | None,
            counts: Counter) -> Region:
    """A region of its own box and those of the objects that are tied to its words."""
    root = None if words is None else root_spans(caption, words, lazy=False)
    tied = [(box, root if root and spans_overlap(spans, root) else spans) for box, spans in objects]
    if all(spans is not root for _, spans in tied) and (root or not objects):
        tied.append((_corners(row.x, row.y, row.width, row.height), root or [[0, len(caption)]]))
        counts['region boxes'] += 1
    boxes, spans = [], []
    for same in _groups(tied, lambda box: box[1]):
        averaged, _ = _average_boxes(np.stack([box for box, _ in same]), _SAME_PHRASE_IOU)
        boxes.extend(averaged)
        spans += [same[0][1]] * len(averaged)
    key = ' '.join(content_words(caption, words)) or caption
    return Region(row.region_id, caption, key, np.stack(boxes), spans, bool(objects))


def merge_regions(regions: Sequence[Region], counts: Counter) -> list[Region]:
    """The distinct regions of an image, in the order of their first members; what is left out is counted.

    Regions of one key are duplicates if boxes on words that both have overlap by half; the one with the most boxes
    stays, with the mean of the boxes. A region without objects goes if it touches another of its key that has some.
    Regions that then have one caption become one caption with the boxes of all. Texts of nothing but 'wall', 'side' and
    'building' go.
    """
    kept = []
    for group in _groups(regions, lambda region: region.key):
        distinct = _distinct(group)
        counts['duplicates'] += len(group) - len(distinct)
        needed = _without_empty(distinct)
        counts['regions without objects that touch one with objects'] += len(distinct) - len(needed)
        kept += needed
    order = {region.id: number for number, region in enumerate(regions)}
    kept.sort(key=lambda region: order[region.id])
    captions = [_collapse(group) for group in _groups(kept, lambda region: region.caption)]
    counts['equal captions'] += len(kept) - len(captions)
    clear = [region for region in captions if not _VAGUE.issuperset(region.key.split())]
    counts['vague captions'] += len(captions) - len(clear)
    return clear


def _groups(items: Iterable[T], key: Callable[[T], object]) -> Iterable[list[T]]:
    """Lists of the items of equal keys."""
    groups = {}
    for item in items:
        groups.setdefault(str(key(item)), []).append(item)
    return groups.values()


def _distinct(regions: list[Region]) -> list[Region]:
    """Regions of one key without duplicates."""
    if len(regions) == 1:
        return regions
    boxes, spans = _boxes_and_spans(regions)
    owner = np.repeat(np.arange(len(regions)), [len(region.boxes) for region in regions])
    shared = np.array([[spans_overlap(of_box, others) for others in spans] for of_box in spans])
    same = (iou_matrix(boxes, boxes) >= _DUPLICATE_IOU) & shared  # (boxes, boxes)
    linked = np.zeros((len(regions), len(regions)), dtype=bool)
    first, second = np.nonzero(same)
    linked[owner[first], owner[second]] = True
    _, component = connected_components(linked, directed=False)
    distinct = []
    for number in range(component.max() + 1):
        best = max(np.flatnonzero(component == number), key=lambda member: len(regions[member].boxes))  # or the first
        in_component = component[owner] == number
        averaged = [boxes[same[row] & in_component].mean(axis=0) for row in np.flatnonzero(owner == best)]
        distinct.append(regions[best]._replace(boxes=np.stack(averaged)))
    return distinct


def _without_empty(regions: list[Region]) -> list[Region]:
    """Without the regions that have no objects and touch one that has."""
    objects = [region.boxes for region in regions if region.has_objects]
    if not objects:
        return regions
    boxes = np.concatenate(objects)
    return [region for region in regions
            if region.has_objects or not (iou_matrix(region.boxes, boxes) >= _OVERLAP_IOU).any()]


def _collapse(regions: list[Region]) -> Region:
    """Regions of one caption as one."""
    first = regions[0]
    if len(regions) == 1:
        return first
    boxes, spans = _boxes_and_spans(regions)
    boxes, groups = _average_boxes(boxes, _SAME_CAPTION_IOU)
    united = [consolidate_spans([span for index in group for span in spans[index]], first.caption) for group in groups]
    return first._replace(boxes=boxes, spans=united)


def _boxes_and_spans(regions: list[Region]) -> tuple[np.ndarray, list[Spans]]:
    return np.concatenate([region.boxes for region in regions]), [
        of_box for region in regions for of_box in region.spans]


def _average_boxes(boxes: np.ndarray, threshold: float) -> tuple[np.ndarray, list[list[int]]]:
    """Boxes (N, 4) of an IoU from `threshold` on become their mean: (M, 4), and the members of each of the M."""
    if len(boxes) == 1:  # as most are
        return boxes, [[0]]
    groups = merge_boxes(boxes, threshold)
    return np.stack([boxes[group].mean(axis=0) for group in groups]), groups


def _corners(x: float, y: float, width: float, height: float) -> np.ndarray:
    return np.array([x, y, x + width, y + height], dtype=np.float64)
