"""Bags of words: the plainest text encoder, for data that bring no language model."""
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from torch import Tensor

from ...text.tokenization import load_tokenizer
from .phrase_encoder import PhraseEncoder


@MODELS.register_module()
class WordTextEncoder(PhraseEncoder):
    """The mean of learned embeddings of a text's words, in lower case.

    What 'red' and 'circle' mean is learned from any text that has one of them, so that 'red circle' has a meaning even
    if no text of the training had both. The order of words is not seen. Special tokens are left out, and a word at the
    beginning of a text is the same token as elsewhere. With a tokenizer of few tokens a rare word is several of them.

    Args:
        name: Folder of a tokenizer, as `tools/data/make_tokenizer.py` writes it, or name on the Hugging Face Hub.
        pretrained: Must be False: the embeddings begin random.
        embed_dims: D, the width of the embeddings.
        frozen: Whether the embeddings are not trained.
        cache, cache_mib, init_cfg: As for `PhraseEncoder`.

    Raises:
        OSError: The tokenizer is neither on the disk nor to be downloaded.
        ValueError: An argument is wrong.
    """

    def __init__(self, name: str, *, pretrained: bool = False, embed_dims: int = 64, frozen: bool = False,
                 cache: str | Path | None = None, cache_mib: float = 1024, init_cfg: dict | None = None) -> None:
        if pretrained:
            raise ValueError(f'pretrained={pretrained}: WordTextEncoder has no weights to load, it learns its own')
        tokenizer = load_tokenizer(name, 'name')
        words = nn.EmbeddingBag(len(tokenizer), embed_dims, mode='mean')
        nn.init.normal_(words.weight, std=embed_dims**-0.5)  # of about unit length
        super().__init__(words, embed_dims, None, frozen=frozen, cache=cache, cache_mib=cache_mib, init_cfg=init_cfg)
        self.tokenizer = tokenizer

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        spaced = [f' {" ".join(text.lower().split())}' for text in texts]
        return self.tokenizer(spaced, add_special_tokens=False)['input_ids']

    def encode(self, ids: Sequence[Sequence[int]], device: torch.device) -> Tensor:
        flat = torch.tensor([token for row in ids for token in row], device=device)
        starts = torch.tensor([0, *map(len, ids)][:-1], device=device).cumsum(0)
        return self.language_model(flat, starts)
