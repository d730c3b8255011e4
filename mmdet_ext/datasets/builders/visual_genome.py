"""Regions of Visual Genome as captions with boxes (MDETR, https://arxiv.org/abs/2104.12763).

`region_graphs.json` ties objects to words of a region's text by WordNet's synsets. What the text is about, its root,
comes from a parse.
"""
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .boxes import merge_boxes
from .parsing import Parser, Word, content_words
from .roots import root_spans
from .spans import consolidate_spans

Spans = list[list[int]]

MIN_LETTERS = 3
_SAME_PHRASE_IOU = 0.7
_SIDES = ('x', 'y', 'width', 'height')
_REPEATED = re.compile(r'([^\w\s])\1+')


class Region(NamedTuple):
    """A caption of a picture with its boxes."""
    id: int
    caption: str
    key: str  # the caption's content words: regions of one key say the same
    boxes: np.ndarray  # (N, 4), (x1, y1, x2, y2) in pixels
    spans: list[Spans]  # of the N boxes
    has_objects: bool  # whether any of the boxes is that of an object, and not the region's own


def read_regions(row: dict, parser: Parser, counts: Counter, where: str) -> list[Region]:
    """The regions of a picture; what is left out is counted.

    Args:
        row: Of region_graphs.json.
        parser: Of captions.
        counts: To add to.
        where: The file and the picture, for errors.

    Raises:
        ValueError: If a region, or something in it, lacks a field, or has one of another type.
    """
    cleaned = []
    for region in row['regions']:
        own = f'{where}: region {_field(region, "region_id", where)}'
        caption, places = clean_caption(_field(region, 'phrase', own, str))
        box = np.array([_field(region, side, own, int, float) for side in _SIDES], dtype=np.float64)
        counts['regions'] += 1
        if len(caption) < MIN_LETTERS:
            counts[f'regions of less than {MIN_LETTERS} characters'] += 1
        elif not (box[2:] > 0).all():
            counts['regions without area'] += 1
        else:
            box[2:] += box[:2]
            objects = tied_objects(region, caption, places, own, counts)
            cleaned.append((region['region_id'], caption, box, objects))
    parses = parser(caption for _, caption, _, _ in cleaned)
    return [_region(*parts, words, counts) for parts, words in zip(cleaned, parses, strict=True)]


def clean_caption(text: str) -> tuple[str, list[int]]:
    """A text without needless white space and with one of each repeated punctuation mark.

    Returns:
        The clean text, and for each character of `text`, and its end, the place in the clean text where it, or the
        next one that is left, stands.
    """
    keep = [True] * len(text)
    for found in _REPEATED.finditer(text):
        keep[found.start() + 1:found.end()] = [False] * (found.end() - found.start() - 1)
    letters, places = [], []
    pending = False  # a space is due in front of the next letter
    for char, kept in zip(text, keep, strict=True):
        if kept and not char.isspace():
            letters += [' '] * pending + [char]
            places.append(len(letters) - 1)
        else:
            places.append(len(letters))
        pending = bool(letters) and char.isspace()
    return ''.join(letters), [*places, len(letters)]


def tied_objects(region: dict, caption: str, places: Sequence[int], where: str,
                 counts: Counter) -> list[tuple[np.ndarray, Spans]]:
    """The boxes (x1, y1, x2, y2) and spans of the objects that are tied to words without doubt.

    These are objects of exactly one synset, which stands once in the text.

    Args:
        region: Row of region_graphs.json.
        caption: Its clean text.
        places: As `clean_caption` gives them.
        where: The region, for errors.
        counts: To add to.
    """
    by_synset = {}
    for synset in _field(region, 'synsets', where, list):
        ends = [_field(synset, key, f'{where}: a synset', int) for key in ('entity_idx_start', 'entity_idx_end')]
        by_synset.setdefault(_field(synset, 'synset_name', f'{where}: a synset', str), []).append(ends)
    tied = []
    for found in _field(region, 'objects', where, list):
        own = f'{where}: object {_field(found, "object_id", where)}'
        synsets = _field(found, 'synsets', own, list)
        sides = _SIDES if 'width' in found else 'xywh'
        x, y, width, height = (_field(found, side, own, int, float) for side in sides)
        words = by_synset.get(synsets[0], ()) if len(synsets) == 1 else ()
        spans = []
        if len(words) == 1 and 0 <= words[0][0] < words[0][1] < len(places) and width > 0 and height > 0:
            spans = consolidate_spans([[places[words[0][0]], places[words[0][1]]]], caption)
        counts['objects tied to words' if spans else 'objects left out'] += 1
        if spans:
            tied.append((np.array([x, y, x + width, y + height], dtype=np.float64), spans))
    return tied


def average_boxes(boxes: np.ndarray, threshold: float) -> tuple[np.ndarray, list[list[int]]]:
    """Boxes (N, 4) of an IoU from `threshold` on become their mean: (M, 4), and the members of each of the M."""
    if len(boxes) == 1:  # as most are
        return boxes, [[0]]
    groups = merge_boxes(boxes, threshold)
    return np.stack([boxes[group].mean(axis=0) for group in groups]), groups


def intersect(spans: Spans, others: Spans) -> bool:
    return any(begin < other_end and other_begin < end for begin, end in spans for other_begin, other_end in others)


def _region(id_: int, caption: str, box: np.ndarray, objects: list[tuple[np.ndarray, Spans]],
            words: Sequence[Word] | None, counts: Counter) -> Region:
    """A region of its own box and those of the objects that are tied to its words."""
    root = None if words is None else root_spans(caption, words, lazy=False)
    on_root = [root is not None and intersect(spans, root) for _, spans in objects]
    phrases = {}  # boxes by spans
    for (own, spans), is_root in zip(objects, on_root, strict=True):
        phrases.setdefault(_hashable(root if is_root else spans), []).append(own)
    if not any(on_root) and (root is not None or not objects):
        phrases.setdefault(_hashable(root or [[0, len(caption)]]), []).append(box)
        counts['region boxes'] += 1
    boxes, spans = [], []
    for phrase, own in phrases.items():
        averaged, _ = average_boxes(np.stack(own), _SAME_PHRASE_IOU)
        boxes.extend(averaged)
        spans += [[list(span) for span in phrase]] * len(averaged)
    key = ' '.join(content_words(caption, words)) or caption
    return Region(id_, caption, key, np.stack(boxes), spans, bool(objects))


def _hashable(spans: Spans) -> tuple[tuple[int, int], ...]:
    return tuple((begin, end) for begin, end in spans)


def _field(row: Any, key: str, where: str, *types: type) -> Any:
    """A value of a row of the file, of one of the types, if any are given."""
    if not (isinstance(row, dict) and key in row):
        raise ValueError(f'{where} has no {key}: {str(row)[:100]}')
    if types and type(row[key]) not in types:
        raise ValueError(f'{where} has the {key} {row[key]!r}, should be {" or ".join(own.__name__ for own in types)}')
    return row[key]
