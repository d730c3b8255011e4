"""Captions of one image put together into few long ones, in which no two phrases speak of the same object.

https://arxiv.org/abs/2104.12763, appendix on the pre-training data
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ....text.spans import Spans, clip_spans, consolidate_spans, shift_spans
from ..boxes import iou_matrix


class Caption(NamedTuple):
    """A text about an image."""
    text: str
    boxes: Sequence[dict]  # with `bbox` (x, y, width, height) in pixels, `tokens_positive`, and other fields
    negative: Spans = ()  # its `tokens_negative`, which nothing reads


def combine_captions(captions: Sequence[Caption], *, max_chars: int = 250, threshold: float = 0.5,
                     generalized: bool = False) -> list[Caption]:
    """Fewer captions of an image with all boxes of the given ones.

    Those of at most `max_chars` characters together, dots and spaces not counted, are joined. Captions with boxes of
    which two overlap by more than `threshold` stay apart: by IoU as in the published code, or by GIoU (`generalized`)
    as in the paper.
    """
    adjacent = overlap_graph([caption.boxes for caption in captions], threshold, generalized=generalized)
    lengths = [len(caption.text) for caption in captions]
    return [join_captions([captions[node] for node in nodes]) for nodes in colour_graph(adjacent, lengths, max_chars)]


def overlap_graph(boxes: Sequence[Sequence[dict]], threshold: float, *, generalized: bool = False) -> np.ndarray:
    """Which captions have boxes that overlap by more than `threshold`: boxes of N captions -> (N, N), no loops."""
    owner = np.repeat(np.arange(len(boxes)), [len(of_caption) for of_caption in boxes])
    corners = np.array([box['bbox'] for of_caption in boxes for box in of_caption], dtype=np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    one, other = np.nonzero(iou_matrix(corners, corners, generalized=generalized) > threshold)
    adjacent = np.zeros((len(boxes), len(boxes)), dtype=bool)
    adjacent[owner[one], owner[other]] = True
    np.fill_diagonal(adjacent, False)
    return adjacent


def colour_graph(adjacent: np.ndarray, lengths: Sequence[int], max_chars: int) -> list[list[int]]:
    """Nodes of each colour in the order in which they get it: those with most neighbours first, of equals the last.

    A node takes the first colour without a neighbour and with room for its length and 2 characters more, or else a new
    one. A colour has room for `max_chars` characters; `adjacent` is (N, N), symmetric.
    """
    neighbours = [set(np.flatnonzero(row).tolist()) for row in adjacent]
    colours: list[list[int]] = []
    for node in sorted(range(len(lengths)), key=lambda node: (len(neighbours[node]), node), reverse=True):
        for nodes in colours:
            total = sum(lengths[member] for member in nodes)
            if total + lengths[node] + 2 <= max_chars and neighbours[node].isdisjoint(nodes):
                nodes.append(node)
                break
        else:
            colours.append([node])
    return colours


def join_captions(captions: Sequence[Caption]) -> Caption:
    """One caption of sentences; its spans are whole words, and a box may have none left."""
    text, boxes, negative = '', [], []
    for caption in captions:
        offset = len(text)
        text += f'{caption.text} ' if caption.text.endswith(('.', '?')) else f'{caption.text}. '
        # cut off, so that spans do not reach into a neighbouring caption
        boxes += [box | dict(tokens_positive=shift_spans(clip_spans(box['tokens_positive'], caption.text), offset))
                  for box in caption.boxes]
        negative += shift_spans(clip_spans(caption.negative, caption.text), offset)
    text = text[:-1]
    boxes = [box | dict(tokens_positive=consolidate_spans(box['tokens_positive'], text)) for box in boxes]
    return Caption(text, boxes, consolidate_spans(negative, text))
