"""Captions as tokens with the characters that each stands for."""
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ..transfers import to_device
from .hub import load_files

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Offsets = list[list[tuple[int, int]]]


class Tokens(NamedTuple):
    """Of each caption its token ids and their characters [start, end); (0, 0) for special tokens. Nothing is padded."""
    ids: list[list[int]]
    offsets: Offsets


def load_tokenizer(name: str, argument: str = 'tokenizer') -> 'PreTrainedTokenizerBase':
    """The tokenizer of a folder or of the Hub.

    Raises:
        OSError: It is neither there nor to be downloaded.
        ValueError: It is none that tells of each token its characters, without the space before a word.
    """
    from transformers import AutoTokenizer  # only here: other detectors need no transformers

    tokenizer = load_files(AutoTokenizer.from_pretrained, name, argument=argument, what='tokenizer')
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes up where the files are missing
        raise ValueError(f'{argument}={name} has no tokenizer (tokenizer.json, or vocab.json and merges.txt): its '
                         f'vocabulary would be {tokenizer.all_special_tokens}')
    if not tokenizer.is_fast:
        raise ValueError(f'{argument}={name} is a slow tokenizer ({type(tokenizer).__name__}), which does not tell the '
                         'characters of a token: it should be a fast one, with a tokenizer.json')
    offsets = tokenize(tokenizer, ['a a']).offsets[0]
    if any(start <= 1 < end for start, end in offsets):
        raise ValueError(f'{argument}={name} counts the space before a word among its characters ({offsets} for '
                         "'a a'): its post-processor should have trim_offsets=True")
    return tokenizer


def tokenize(tokenizer: 'PreTrainedTokenizerBase', captions: Sequence[str], limit: int | None = None) -> Tokens:
    """Tokens of captions, the special ones at both ends included.

    Raises:
        ValueError: If `captions` is no list of texts or is empty, or if a caption has more than `limit` tokens.
    """
    if isinstance(captions, str) or not captions:
        raise ValueError(f'captions should be a list of at least one text, got {captions!r}')
    encoded = tokenizer(list(captions), return_offsets_mapping=True, verbose=False)
    for caption, ids in zip(captions, encoded['input_ids'], strict=True):
        if limit is not None and len(ids) > limit:
            raise ValueError(f'the caption {caption[:60]!r}... has {len(ids)} tokens, and the text encoder takes at '
                             f'most {limit}')
    return Tokens(encoded['input_ids'], encoded['offset_mapping'])


def pad_tokens(ids: Sequence[Sequence[int]], pad_id: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows of ids -> input_ids (B, length) and attention_mask (B, length), 1 for tokens and 0 for padding."""
    rows = [[*row, *[pad_id] * (length - len(row))] for row in ids]
    masks = [[1] * len(row) + [0] * (length - len(row)) for row in ids]
    input_ids, attention_mask = to_device(torch.tensor([rows, masks]), device)
    return input_ids, attention_mask
