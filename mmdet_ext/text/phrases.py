"""From the token probabilities of boxes to the phrases of the caption that they ground (MDETR,
https://arxiv.org/abs/2104.12763, section 2.2.1)."""
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..transfers import to_device, to_host
from .positive_map import Offsets
from .spans import Spans, join_spans, phrase_text

PHRASE_FRACTION = 0.5


class GroundedPhrases(NamedTuple):
    """The phrases of the caption that N boxes of an image are named by, for each box."""
    spans: list[list[list[int]]]  # characters [begin, end) of the caption, in order, apart from each other
    phrases: list[str]  # these characters
    labels: list[int]  # number of the phrase, counted through the caption: boxes of one phrase have one number


def grounded_phrases(probabilities: Tensor, offsets: Sequence[Offsets], captions: Sequence[str],
                     fraction: float = PHRASE_FRACTION) -> list[GroundedPhrases]:
    """The phrase of each box: the tokens that are nearly as probable as its most probable one.

    A box has a phrase however little its score, and none only if the caption has no tokens. The probabilities come to
    the CPU once for the batch.

    Args:
        probabilities: (B, Q, T) softmax over the tokens, the last column for "no object".
        offsets: For each caption the characters [start, end) of its tokens; (0, 0) for special ones.
        captions: B texts.
        fraction: A token belongs to a box if its probability is at least this share, from 0 to 1, of the largest one
            that the box gives to a token of the caption.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f'phrase_fraction should be from 0 to 1, got {fraction}')
    words = np.zeros((len(offsets), 1, probabilities.shape[-1]), dtype=bool)
    for row, tokens in zip(words[:, 0, :-1], offsets):
        row[:len(tokens)] = [end > start for start, end in tokens[:len(row)]]
    words = to_device(torch.from_numpy(words), probabilities.device)
    probabilities = probabilities * words
    chosen = (probabilities >= fraction * probabilities.amax(dim=-1, keepdim=True)) & words  # (B, Q, T)
    return [_phrases_of(*image) for image in zip(to_host(chosen).numpy(), offsets, captions, strict=True)]


def number_phrases(spans: Sequence[Spans]) -> list[int]:
    """For each of N lists of spans the index of its phrase among the different ones, in the order of the caption."""
    keys = [tuple(map(tuple, phrase)) for phrase in spans]
    phrase_numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return [phrase_numbers[key] for key in keys]


def _phrases_of(chosen: np.ndarray, offsets: Offsets, caption: str) -> GroundedPhrases:
    """For one image; chosen: (Q, T) bool."""
    tokens = [[] for _ in chosen]
    for box, column in zip(*(indices.tolist() for indices in chosen.nonzero())):
        tokens[box].append(offsets[column])
    spans = [join_spans(phrase, caption) for phrase in tokens]
    return GroundedPhrases(spans, [phrase_text(phrase, caption) for phrase in spans], number_phrases(spans))
