"""Recall of phrase grounding: is one of the first k boxes of a phrase right?

Two protocols (MDETR, https://arxiv.org/abs/2104.12763, section 4.2): with ANY-BOX, each box of the entity is a target,
with MERGED-BOXES the one box that encloses them all.
"""
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

PROTOCOLS = ('any_box', 'merged_boxes')


class PhraseTarget(NamedTuple):
    """The boxes that a phrase should be grounded to."""
    boxes: Tensor  # (M, 4) float64, (x1, y1, x2, y2) in pixels, any of which is right
    types: tuple[str, ...]  # of the entity; none are known in most files


def phrase_target(boxes: Sequence[Sequence[float]], types: Sequence[str], protocol: str) -> PhraseTarget:
    """The target made of all M >= 1 boxes of an entity, (x1, y1, x2, y2), by the protocol."""
    boxes = torch.tensor(boxes, dtype=torch.float64)
    if protocol == 'merged_boxes':
        boxes = torch.cat([boxes[:, :2].amin(dim=0), boxes[:, 2:].amax(dim=0)])[None]
    return PhraseTarget(boxes, tuple(types))


def rank_boxes(boxes: Tensor, phrase_scores: Tensor) -> Tensor:
    """The boxes of a caption in the order of each phrase.

    Args:
        boxes: (N, 4).
        phrase_scores: (N, P), the score of each box for each phrase.

    Returns:
        (P, N, 4), best first; equal scores keep the order of `boxes`.
    """
    return boxes[phrase_scores.argsort(dim=0, descending=True, stable=True).T]


def phrase_hits(ranked: Tensor, target: PhraseTarget, topk: Sequence[int], iou_thr: float) -> list[bool]:
    """Whether one of the first k boxes has an IoU of at least `iou_thr` with a target, for each k, then for all boxes.

    Args:
        ranked: (N, 4) boxes of the phrase, best first.
        target: Its targets.
    """
    right = (box_iou(ranked.double(), target.boxes) >= iou_thr).any(dim=1)
    return [bool(right[:k].any()) for k in (*topk, len(right))]


def recall(phrases: Iterable[tuple[Sequence[str], Sequence[bool]]], topk: Sequence[int]) -> dict[str, float]:
    """Share of the phrases that are found.

    Args:
        phrases: Types and `phrase_hits` of each phrase; a phrase counts for 'all' and for each of its types.

    Returns:
        ``recall@K_TYPE`` for each k, and ``upper_bound_TYPE`` for all boxes of a phrase.
    """
    names = [*(f'recall@{k}' for k in topk), 'upper_bound']
    totals, right = Counter(), Counter()
    for types, hits in phrases:
        for kind in ('all', *types):
            totals[kind] += 1
            right.update({(name, kind): hit for name, hit in zip(names, hits, strict=True)})
    return {f'{name}_{kind}': right[name, kind] / totals[kind] for name in names for kind in sorted(totals)}
