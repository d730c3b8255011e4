"""Inputs and outputs of encoders and decoders."""
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class Maps(NamedTuple):
    """Feature maps on their way through an encoder.

    feats: (B, C, h, w) per map. pos: the same shape, positions. padding: (B, h, w), True where ignored, or None.
    """
    feats: Sequence[Tensor]
    pos: Sequence[Tensor]
    padding: Sequence[Tensor | None]


class Memory(NamedTuple):
    """The keys and values that a decoder attends to, one entry per map.

    values: (B, S, C), the h * w cells of the map, and after them tokens without a position in it, such as words.
    keys: The same with positions added. padding: (B, S), True where ignored, never for all of an image, or None.
    shapes: h, w.
    """
    values: Sequence[Tensor]
    keys: Sequence[Tensor]
    padding: Sequence[Tensor | None]
    shapes: Sequence[tuple[int, int]]


class DecoderOutput(NamedTuple):
    """The outputs of a decoder.

    hidden_states: (layers, B, Q, C), each layer's output after the decoder's norm. reference_logits: (B, Q, 2), x and y
    of the points that boxes are predicted from, before the sigmoid; None for a decoder without such points.
    """
    hidden_states: Tensor
    reference_logits: Tensor | None


def check_number_of_maps(memory: Memory, expected: int) -> None:
    """Raises ValueError if `memory` has another number of maps."""
    if len(memory.values) != expected:
        raise ValueError(f'the decoder takes {expected} maps, got {len(memory.values)} maps')
