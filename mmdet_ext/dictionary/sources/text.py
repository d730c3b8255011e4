"""Features of texts, for the language-model dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from torch import Tensor

from mmdet_ext.fingerprints import digest, digest_weights

from .base import Samples, Source
from .text_files import read_texts

POOLINGS = ('mean', 'cls', 'last')


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
        self.tokenizer, self.model = _load(model)
        self.model.to(device)
        self.limit = _longest(self.tokenizer, self.model)
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
        if self.pooling == 'cls':
            return hidden[:, 0]
        if self.pooling == 'last':
            return hidden[torch.arange(len(hidden), device=hidden.device), mask.sum(dim=1) - 1]
        weight = mask[..., None].to(hidden.dtype)
        return (hidden * weight).sum(dim=1) / weight.sum(dim=1)

    def describe(self, item: int, box: np.ndarray) -> dict[str, Any]:
        return self.texts[item]._asdict()


def _load(name: str) -> tuple[Any, nn.Module]:
    """Tokenizer and model in float32 and evaluation mode, from a folder, the Hub's cache, or else the Hub."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer  # only here: other sources need no transformers

    if not Path(name).is_dir() and (Path(name).is_absolute() or name.startswith('.') or name.count('/') > 1):
        raise FileNotFoundError(f'model={name}: there is no such folder (seen from {Path.cwd()})')
    for local in (True, False):  # the cache first: without a network each file on the Hub takes half a minute to fail
        try:
            config = AutoConfig.from_pretrained(name, local_files_only=local)
            tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=local)
            model, info = AutoModel.from_pretrained(
                name, config=config, dtype=torch.float32, local_files_only=local, output_loading_info=True)
            break
        except OSError as error:
            if local and not Path(name).is_dir():
                continue
            reason = str(error).splitlines()[0]
            raise OSError(f'model={name} cannot be had: {reason} Pass a folder with config, weights and tokenizer, as '
                          'save_pretrained writes it') from error
        except ValueError as error:
            raise ValueError(f'model={name}: {str(error).splitlines()[0]}') from error
    missing = sorted(key for key in info['missing_keys'] if 'pooler' not in key)  # poolers are not used here
    problems = {
        f' lacks {len(missing)} weights of {type(model).__name__}: {", ".join(missing[:3])}': missing,
        f' is a {config.model_type}, which is no model of text alone': not hasattr(config, 'hidden_size'),
        # what transformers makes up where the files are missing
        f' has no tokenizer: its vocabulary is {tokenizer.all_special_tokens}':
            len(tokenizer) <= len(tokenizer.all_special_ids),
        ': its tokenizer has neither a padding nor an end token':
            tokenizer.pad_token is None and tokenizer.eos_token is None}
    if wrong := [problem for problem, is_there in problems.items() if is_there]:
        raise ValueError(f'model={name}{wrong[0]}')
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    tokenizer.padding_side = tokenizer.truncation_side = 'right'
    model = model.get_encoder() if config.is_encoder_decoder else model
    return tokenizer, model.eval().requires_grad_(False)


def _longest(tokenizer: Any, model: nn.Module) -> int | None:
    """How many tokens the model reads at most; None for no limit."""
    positions = getattr(model.config, 'max_position_embeddings', None)
    table = getattr(getattr(model, 'embeddings', None), 'position_embeddings', None)
    if positions is not None and getattr(table, 'padding_idx', None) is not None:
        positions -= table.padding_idx + 1  # RoBERTa counts positions from behind the padding token's
    said = tokenizer.model_max_length if tokenizer.model_max_length < 1_000_000 else None  # 1e30 where it is not known
    return min((limit for limit in (positions, said) if limit), default=None)
