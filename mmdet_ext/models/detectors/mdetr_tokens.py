"""The data that MDETR (https://arxiv.org/abs/2104.12763) passes from step to step: images, captions, both, queries."""
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class ImageTokens(NamedTuple):
    """Images before they are encoded with a text.

    tokens, pos: (B, S, C). padding: (B, S), True where ignored. sizes: (B, 2), width and height in pixels, without
    padding. shape: h, w of the map, whose cells are the tokens; with `loss_image_text` a learned token is the first.
    """
    tokens: Tensor
    pos: Tensor
    padding: Tensor
    sizes: Tensor
    shape: tuple[int, int]

    def select(self, row: int) -> 'ImageTokens':
        """The tokens of one image."""
        return ImageTokens(*(part[row:row + 1] for part in self[:4]), self.shape)

    def expand(self, count: int) -> 'ImageTokens':
        """The tokens of one image, repeated for `count` texts without copies."""
        return ImageTokens(*(part.expand(count, *part.shape[1:]) for part in self[:4]), self.shape)


class TextTokens(NamedTuple):
    """Captions before they are encoded with an image.

    tokens: (B, L, C). padding: (B, L), True where ignored. pooled: (B, D) of the text encoder, or None.
    offsets: For each caption the characters [start, end) of its tokens.
    """
    tokens: Tensor
    padding: Tensor
    pooled: Tensor | None
    offsets: Sequence[Sequence[tuple[int, int]]]

    def select(self, rows: Sequence[int]) -> 'TextTokens':
        """The captions of the given indices."""
        return TextTokens(self.tokens[rows], self.padding[rows], None if self.pooled is None else self.pooled[rows],
                          [self.offsets[row] for row in rows])


class Fused(NamedTuple):
    """Image and text encoded together.

    memory, pos: (B, S + L, C). padding: (B, S + L), True where ignored. text: (B, L, C), the last part of the memory.
    pooled: (B, C) of the image, or None. sizes, shape: Of the images, as in `ImageTokens`.
    """
    memory: Tensor
    pos: Tensor
    padding: Tensor
    text: Tensor
    pooled: Tensor | None
    sizes: Tensor
    shape: tuple[int, int]


class Encoded(NamedTuple):
    """maps: What `extract_feat` gives, (B, C_i, h_i, w_i) each. text: The captions alone. fused: With the images."""
    maps: tuple[Tensor, ...]
    text: TextTokens
    fused: Fused


class Decoded(NamedTuple):
    """The decoder's outputs.

    objects: (layers, B, Q, C), hidden states. references: (B, Q, 2), logits of the points that the boxes of these
    queries are predicted from; None without an `SMCATransformerDecoder`. answers: (layers, B, A, C), hidden states of
    the queries of answers; None without `answer_head`.
    """
    objects: Tensor
    references: Tensor | None
    answers: Tensor | None
