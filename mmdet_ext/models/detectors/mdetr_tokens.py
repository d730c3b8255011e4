"""What MDETR (https://arxiv.org/abs/2104.12763) passes from step to step: pictures, captions, both together."""
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class ImageTokens(NamedTuple):
    """Pictures before they have met a text.

    tokens, pos: (B, S, C). padding: (B, S), True where ignored. sizes: (B, 2), width and height in pixels, without
    padding. shape: h, w of the map; a learned token, if there is one, stands before its cells.
    """
    tokens: Tensor
    pos: Tensor
    padding: Tensor
    sizes: Tensor
    shape: tuple[int, int]

    def select(self, row: int) -> 'ImageTokens':
        """One picture."""
        return ImageTokens(*(part[row:row + 1] for part in self[:4]), self.shape)

    def expand(self, count: int) -> 'ImageTokens':
        """One picture for `count` texts, without copies."""
        return ImageTokens(*(part.expand(count, *part.shape[1:]) for part in self[:4]), self.shape)


class TextTokens(NamedTuple):
    """Captions before they have met a picture.

    tokens: (B, L, C). padding: (B, L), True where ignored. pooled: (B, D) of the text encoder, or None.
    offsets: For each caption the characters [start, end) of its tokens.
    """
    tokens: Tensor
    padding: Tensor
    pooled: Tensor | None
    offsets: Sequence[Sequence[tuple[int, int]]]

    def select(self, rows: Sequence[int]) -> 'TextTokens':
        """The captions of the given numbers."""
        return TextTokens(self.tokens[rows], self.padding[rows], None if self.pooled is None else self.pooled[rows],
                          [self.offsets[row] for row in rows])


class Fused(NamedTuple):
    """Picture and text encoded together: (B, S + L, C) memory and positions, (B, S + L) padding, (B, L, C) the text's part.

    pooled: (B, C) of the picture, or None. sizes, shape: Of the pictures, as in `ImageTokens`.
    """
    memory: Tensor
    pos: Tensor
    padding: Tensor
    text: Tensor
    pooled: Tensor | None
    sizes: Tensor
    shape: tuple[int, int]
