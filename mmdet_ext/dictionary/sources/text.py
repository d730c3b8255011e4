"""Features of texts, for the language-model dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmdet_ext.fingerprints import digest, digest_weights
from mmdet_ext.text.language_models import POOLINGS, load_text_model, longest_text, pool_tokens

from ...annotations.text_files import read_texts
from .base import Samples, Source


class TextSource(Source):
    """One feature per text from a language model of transformers: class names, captions or any lines.

    Texts longer than the model reads are cut. Of an encoder-decoder the encoder is taken.

    Args:
        model: Folder with config, weights and tokenizer, or name on the Hugging Face Hub.
        files: Plain texts, one per line, or COCO annotations (names of the categories) or captions; see `read_texts`.
        pooling: Over the tokens of a text, those that the tokenizer adds included: their 'mean', the first ('cls') or
            the 'last' one, which is the one that has seen the others in a decoder.
        batch_size: Texts to compute at a time.
        device: Where the model runs.

    Raises:
        OSError: The model is neither there nor to be downloaded, or a text file is not there.
        ValueError: The folder is no text model with its weights and tokenizer, or a file holds no texts.
    """
    name = 'text'

    def __init__(self, model: str, files: Sequence[str | Path], *, pooling: str = 'mean', batch_size: int = 64,
                 device: str | torch.device = 'cpu') -> None:
        if pooling not in POOLINGS:
            raise ValueError(f'pooling should be one of {", ".join(POOLINGS)}, got {pooling!r}')
        self.texts = read_texts(files)
        self.pooling, self.batch_size, self.device = pooling, batch_size, device
        self.num_items = len(self.texts)
        self.tokenizer, self.model = load_text_model(model)
        self.model.to(device)
        self.limit = longest_text(self.tokenizer, self.model)
        tokens = self._tokenize([text.text for text in self.texts[:batch_size]])
        self.width = self._embed([next(filter(None, tokens), [0])]).shape[1]
        self.fingerprint = dict(
            pooling=pooling, batch_size=batch_size, limit=self.limit, tokens=digest([repr(tokens)]),
            texts=digest(text.text for text in self.texts), weights=digest_weights(self.model),
            config=digest([self.model.config.to_json_string()]))

    def compute(self, items: Sequence[int]) -> Samples:
        tokens = dict(zip(items, self._tokenize([self.texts[item].text for item in items]), strict=True))
        empty = [self.texts[item] for item, ids in tokens.items() if not ids]
        tokens = {item: ids for item, ids in tokens.items() if ids}
        features = self._embed(list(tokens.values())) if tokens else torch.empty(0, self.width)
        return Samples(features.float().cpu().numpy(), np.array(list(tokens), np.int64),
                       np.zeros((len(tokens), 4), np.float32),
                       [f'{text.file}:{text.line}: no token is left of {text.text!r}' for text in empty])

    def _tokenize(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, truncation=self.limit is not None, max_length=self.limit)['input_ids']

    @torch.no_grad()
    def _embed(self, tokens: list[list[int]]) -> Tensor:
        """Token ids of each text -> (texts, d); padded behind, where no token of a decoder sees it."""
        padded = self.tokenizer.pad(dict(input_ids=tokens), return_tensors='pt').to(self.device)
        mask = padded['attention_mask']
        hidden = self.model(input_ids=padded['input_ids'], attention_mask=mask).last_hidden_state  # (B, T, d)
        return pool_tokens(hidden, mask, self.pooling)

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        return self.texts[item]._asdict()
