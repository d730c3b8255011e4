"""Captions of one image put together into few long ones, in which no two phrases speak of the same object.

https://arxiv.org/abs/2104.12763, appendix on the pre-training data
"""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ....text.spans import Spans, consolidate_spans, shift_spans
from ..boxes import iou_matrix


class Caption(NamedTuple):
    """A text about an image."""
    text: str
    boxes: Sequence[dict]  # with `bbox` (x, y, width, height) in pixels, `tokens_positive`, and other fields
    negative: Spans = ()  # its `tokens_negative`, which nothing reads


def combine_captions(captions: Sequence[Caption], *, max_chars: int = 250, threshold: float = 0.5,
                     generalized: bool = False) -> list[Caption]:
    """Fewer captions with all boxes of the given ones.

    Args:
        captions: Of one image.
        max_chars: What captions may have together, dots and spaces not counted; one that has more stays alone.
        threshold: Captions with boxes of which two overlap more stay apart.
        generalized: Measure overlap by GIoU, as the paper has it, in place of the published code's IoU.
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

    A node takes the first colour without a neighbour and with room for it, or else a new one.

    Args:
        adjacent: (N, N) symmetric.
        lengths: Characters of each node.
        max_chars: What is room enough for the nodes of a colour; 2 characters more are asked of one that joins them.
    """
    degrees = adjacent.sum(axis=1).tolist()
    neighbours = [set(np.flatnonzero(row).tolist()) for row in adjacent]
    colours: list[list[int]] = []
    totals: list[int] = []
    for node in sorted(range(len(degrees)), key=lambda node: (degrees[node], node), reverse=True):
        for colour, nodes in enumerate(colours):
            if totals[colour] + lengths[node] + 2 <= max_chars and neighbours[node].isdisjoint(nodes):
                nodes.append(node)
                totals[colour] += lengths[node]
                break
        else:
            colours.append([node])
            totals.append(lengths[node])
    return colours


def join_captions(captions: Sequence[Caption]) -> Caption:
    """One caption of sentences; its spans are whole words, and a box may have none left."""
    sentences = [text if text.endswith(('.', '?')) else f'{text}.' for text, _, _ in captions]
    offsets = np.cumsum([0] + [len(sentence) + 1 for sentence in sentences]).tolist()
    text = ' '.join(sentences)
    boxes = [
        box | dict(tokens_positive=consolidate_spans(
            shift_spans(_inside(box['tokens_positive'], caption.text), offset), text))
        for caption, offset in zip(captions, offsets) for box in caption.boxes
    ]
    negative = [span for caption, offset in zip(captions, offsets)
                for span in shift_spans(_inside(caption.negative, caption.text), offset)]
    return Caption(text, boxes, consolidate_spans(negative, text))


def _inside(spans: Spans, text: str) -> list[list[int]]:
    """The spans cut off at the ends of their caption, so that they do not reach into a neighbouring one."""
    return [[min(max(end, 0), len(text)) for end in span] for span in spans]
