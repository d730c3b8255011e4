"""RoBERTa as the text encoder of a detector (MDETR, https://arxiv.org/abs/2104.12763, section 2.2)."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor

from ...compat.transformers_version import takes_masks_of_heads
from ...text.positive_map import NUM_COLUMNS
from ...text.tokenization import load_tokenizer, pad_tokens, tokenize
from ...transfers import to_device
from .feature_cache import CaptionFeatures, FeatureCache, Fingerprint, feature_key
from .language_model import build_language_model, longest_caption


class TextFeatures(NamedTuple):
    """Features of B captions of at most L tokens, the special ones at both ends included.

    - hidden: (B, L, D)
    - pooled: (B, D), or None if the encoder was made with `pooled=False`
    - padding: (B, L) bool, True for padding
    - offsets: B lists of L pairs, the characters [start, end) of each token; (0, 0) for special tokens and padding
    """
    hidden: Tensor
    pooled: Tensor | None
    padding: Tensor
    offsets: list[list[tuple[int, int]]]


@MODELS.register_module()
class RobertaTextEncoder(BaseModule):
    """RoBERTa: features of each token of a caption. It needs the package transformers.

    A local folder is read without network access. The weights are those of transformers' RobertaModel, pooler included,
    with the prefix `language_model.`.

    A frozen encoder can cache the features of each caption (`cache`), so that RoBERTa does not run from the second
    epoch on. It then computes them without autocast, in the precision of its weights, and they do not depend on the
    other captions of the batch. With weights in half precision nothing is cached. Each process has its own memory; all
    processes share a folder. The key of a cached feature depends on weights, config and tokens, so a wrong one is never
    used.

    Args:
        name: Folder with config, tokenizer and weights, or name on the Hugging Face Hub.
        pretrained: Whether to load the weights. Otherwise they are random until a checkpoint is loaded, and `name` need
            not have weights.
        tokenizer: Folder or name of the tokenizer, if it is not that of `name`.
        config: Arguments of RobertaConfig, instead of the config of `name`, for a model of another size with random
            weights. Missing arguments are those of RoBERTa-base.
        frozen: Whether the encoder is not trained; it then has no dropout either.
        pooled: Whether to return the pooled feature and to train its layer. Do not set it if the feature is not used: a
            distributed run then fails.
        cache: Where a frozen encoder keeps features: None for nowhere, 'memory', or the path of a folder for memory and
            disk.
        cache_mib: Memory for them, in MiB; of RoBERTa-base a caption of 20 tokens takes 1/16 MiB.
        init_cfg: As for mmengine's BaseModule.

    Raises:
        OSError: Config, weights or tokenizer are not on the disk and cannot be downloaded.
        ValueError: They do not fit or are of another kind, or an argument is wrong.
    """

    def __init__(self, name: str = 'roberta-base', *, pretrained: bool = True, tokenizer: str | None = None,
                 config: dict[str, Any] | None = None, frozen: bool = False, pooled: bool = False,
                 cache: str | Path | None = None, cache_mib: float = 1024, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if cache is not None and not frozen:
            raise ValueError(f'cache={cache} needs frozen=True: features of a text encoder that learns cannot be kept')
        self.tokenizer = load_tokenizer(tokenizer or name, 'tokenizer' if tokenizer else 'name')
        self.language_model = build_language_model(name, pretrained=pretrained, config=config)
        self._check_tokenizer(tokenizer or name)
        self.frozen, self.pooled = frozen, pooled
        self.embed_dims = self.language_model.config.hidden_size
        self.max_tokens = min(longest_caption(self.language_model.config), NUM_COLUMNS)
        self.language_model.requires_grad_(not frozen)
        self.language_model.pooler.requires_grad_(pooled and not frozen)
        self.cache = None if cache is None else FeatureCache(None if cache == 'memory' else cache, cache_mib)
        self._fingerprint = Fingerprint()
        self.train()

    def _check_tokenizer(self, name: str) -> None:
        config = self.language_model.config
        if len(self.tokenizer) > config.vocab_size:
            raise ValueError(f'tokenizer={name} has {len(self.tokenizer)} tokens, the language model '
                             f'{config.vocab_size}')
        if self.tokenizer.pad_token_id != config.pad_token_id:
            raise ValueError(f'tokenizer={name} pads with {self.tokenizer.pad_token_id}, the language model with '
                             f'{config.pad_token_id}')

    def train(self, mode: bool = True) -> 'RobertaTextEncoder':
        super().train(mode)
        if self.frozen:
            self.language_model.eval()
        return self

    def forward(self, captions: Sequence[str]) -> TextFeatures:
        """Features of captions, padded to the longest.

        Raises:
            ValueError: If a caption has more than `max_tokens` tokens; captions are never cut.
        """
        ids, offsets = tokenize(self.tokenizer, captions, self.max_tokens)
        length = max(map(len, ids))
        input_ids, mask = pad_tokens(ids, self.tokenizer.pad_token_id, length, self.language_model.device)
        hidden, pooled = self._encode_known(ids) if self._keeps_features() else self.encode_tokens(
            input_ids, self._seen_mask(ids, mask))
        offsets = [spans + [(0, 0)] * (length - len(spans)) for spans in offsets]
        return TextFeatures(hidden, pooled, mask == 0, offsets)

    def encode_tokens(self, input_ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Features of given tokens; they are not cached.

        Args:
            input_ids: (B, L) integers.
            attention_mask: (B, L), 1 for tokens and 0 for padding; or as transformers takes it.

        Returns:
            Hidden states (B, L, D), those of padding included, and the pooled feature (B, D) or None.
        """
        output = self.language_model(input_ids=input_ids, attention_mask=attention_mask)
        return output.last_hidden_state, output.pooler_output if self.pooled else None

    def _seen_mask(self, ids: list[list[int]], mask: Tensor) -> Tensor | None:
        """The mask (B, L) as transformers makes it, but without waiting for the device: (B, 1, 1, L), or None."""
        if self.language_model.config._attn_implementation != 'sdpa' or not takes_masks_of_heads():
            return mask
        return None if len({len(row) for row in ids}) == 1 else mask[:, None, None].bool()

    def _keeps_features(self) -> bool:
        return self.cache is not None and self.language_model.dtype not in (torch.float16, torch.bfloat16)

    def _encode_known(self, ids: list[list[int]]) -> tuple[Tensor, Tensor | None]:
        """Features of the captions, of which RoBERTa reads only those that are not known yet."""
        fingerprint = self._fingerprint.of(self.language_model)
        keys = [feature_key(fingerprint, row) for row in ids]
        rows = dict(zip(keys, ids, strict=True))
        features = {key: self.cache.get(key) for key in rows}
        unknown = {key: row for key, row in rows.items() if features[key] is None}
        if unknown:
            features |= zip(unknown, self._encode_apart(list(unknown.values())), strict=True)
            for key in unknown:
                self.cache.put(key, features[key])
        device, length = self.language_model.device, max(map(len, ids))
        hidden = to_device(torch.stack([_pad_rows(features[key].hidden, length) for key in keys]), device)  # (B, L, D)
        return hidden, to_device(torch.stack([features[key].pooled for key in keys]), device) if self.pooled else None

    def _encode_apart(self, ids: list[list[int]]) -> list[CaptionFeatures]:
        """Features of each caption, with one padding token after it, on the CPU."""
        device, length = self.language_model.device, max(map(len, ids)) + 1
        input_ids, mask = pad_tokens(ids, self.tokenizer.pad_token_id, length, device)
        with torch.autocast(device.type, enabled=False):
            output = self.language_model(input_ids=input_ids, attention_mask=mask)
        hidden, pooled = output.last_hidden_state.cpu(), output.pooler_output.cpu()
        return [CaptionFeatures(states[:len(row) + 1].clone(), pool.clone())  # a view would keep the batch in memory
                for row, states, pool in zip(ids, hidden, pooled, strict=True)]


def _pad_rows(hidden: Tensor, length: int) -> Tensor:
    """(n + 1, D) -> (length, D): the first n rows, and the last one as often as it takes."""
    return hidden[torch.arange(length).clamp(max=len(hidden) - 1)]
