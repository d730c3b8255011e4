"""What encoders of whole phrases share: one feature for each text, kept in a cache where the encoder is frozen."""
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn as nn
from mmengine.model import BaseModule
from torch import Tensor

from ...transfers import to_device
from .feature_cache import CaptionFeatures, FeatureCache, Fingerprint, feature_key


class PhraseEncoder(BaseModule):
    """One feature (D,) for each text. A subclass gives `tokenize` and `encode`.

    A frozen encoder computes without autocast and without gradients, and can keep features (`cache`), so that each text
    goes through it once. The key of a kept feature depends on weights and tokens, so a wrong one is never used.

    Args:
        language_model: The network, in evaluation mode if it is frozen.
        embed_dims: D.
        max_tokens: Most tokens of a text, the special ones included; None for no limit.
        frozen: Whether the encoder is not trained; it then has no dropout either.
        cache: Where a frozen encoder keeps features: None for nowhere, 'memory', or the path of a folder for memory and
            disk.
        cache_mib: Memory for them, in MiB.
        init_cfg: As for mmengine's BaseModule.
    """

    def __init__(self, language_model: nn.Module, embed_dims: int, max_tokens: int | None, *, frozen: bool = True,
                 cache: str | Path | None = None, cache_mib: float = 1024, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if cache is not None and not frozen:
            raise ValueError(f'cache={cache} needs frozen=True: features of a text encoder that learns cannot be kept')
        self.language_model = language_model
        self.embed_dims, self.max_tokens, self.frozen = embed_dims, max_tokens, frozen
        self.language_model.requires_grad_(not frozen)
        self.cache = None if cache is None else FeatureCache(None if cache == 'memory' else cache, cache_mib)
        self._fingerprint = Fingerprint()
        self.train()

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of the tokens of each text, without padding."""
        raise NotImplementedError

    def encode(self, ids: Sequence[Sequence[int]], device: torch.device) -> Tensor:
        """Ids of the tokens of each of N texts -> (N, D)."""
        raise NotImplementedError

    def forward(self, texts: Sequence[str]) -> Tensor:
        """Features (N, D) of N texts.

        Raises:
            ValueError: If a text is empty, or has more than `max_tokens` tokens; texts are never cut.
        """
        ids = self.tokenize(check_texts(texts))
        for text, row in zip(texts, ids, strict=True):
            if self.max_tokens is not None and len(row) > self.max_tokens:
                raise ValueError(f'the text {text[:60]!r}... has {len(row)} tokens, and {type(self).__name__} takes at '
                                 f'most {self.max_tokens}')
        device = next(self.language_model.parameters()).device
        if not self.frozen:
            return self.encode(ids, device)
        with torch.no_grad(), torch.autocast(device.type, enabled=False):
            return self._encode_known(ids, device) if self.cache is not None else self.encode(ids, device)

    def train(self, mode: bool = True) -> 'PhraseEncoder':
        super().train(mode)
        if self.frozen:
            self.language_model.eval()
        return self

    def _encode_known(self, ids: Sequence[Sequence[int]], device: torch.device) -> Tensor:
        fingerprint = self._fingerprint.of(self.language_model)
        keys = [feature_key(fingerprint, row) for row in ids]
        known = {key: self.cache.get(key) for key in keys}
        unknown = {key: row for key, row in zip(keys, ids, strict=True) if known[key] is None}
        if unknown:
            for key, feature in zip(unknown, self.encode(list(unknown.values()), device).cpu(), strict=True):
                known[key] = CaptionFeatures(feature.new_empty(0, self.embed_dims), feature.clone())
                self.cache.put(key, known[key])
        return to_device(torch.stack([known[key].pooled for key in keys]), device)


def check_texts(texts: Sequence[str], what: str = 'texts') -> list[str]:
    """The texts as a list.

    Raises:
        ValueError: If they are no list of texts, or one is empty; names the place `what` they come from.
    """
    if isinstance(texts, str) or not isinstance(texts, Sequence) or not len(texts):
        raise ValueError(f'{what} should be a list of at least one text, got {texts!r}')
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f'{what}: number {number} should be a word or a phrase, got {text!r}')
    return list(texts)
