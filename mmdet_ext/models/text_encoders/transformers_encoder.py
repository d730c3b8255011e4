"""Text models of transformers as encoders of phrases."""
from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet.registry import MODELS
from torch import Tensor

from ...text.language_models import POOLINGS, load_text_model, longest_text, pool_tokens
from ...text.tokenization import pad_tokens
from .phrase_encoder import PhraseEncoder


@MODELS.register_module()
class TransformersTextEncoder(PhraseEncoder):
    """A text model of transformers: RoBERTa, BERT, T5's encoder, CLIP's text tower and others.

    Of CLIP the projected feature is taken, of others a pooling of the last hidden states.

    Args:
        name: Folder with config, tokenizer and weights, or name on the Hugging Face Hub.
        pretrained: Whether to load the weights. Otherwise they are random until a checkpoint is loaded.
        pooling: Over the tokens of a text: 'mean', 'cls' (the first) or 'last'; not for CLIP.
        frozen, cache, cache_mib, init_cfg: As for `PhraseEncoder`.

    Raises:
        OSError: The files are neither on the disk nor to be downloaded.
        ValueError: They are of another kind, or an argument is wrong.
    """

    def __init__(self, name: str, *, pretrained: bool = True, pooling: str = 'mean', frozen: bool = True,
                 cache: str | Path | None = None, cache_mib: float = 1024, init_cfg: dict | None = None) -> None:
        if pooling not in POOLINGS:
            raise ValueError(f'pooling should be one of {", ".join(POOLINGS)}, got {pooling!r}')
        tokenizer, model = load_text_model(name, pretrained=pretrained, argument='name')
        projected = model.config.model_type.startswith('clip')
        width = model.config.projection_dim if projected else model.config.hidden_size
        limit = longest_text(tokenizer, model)
        super().__init__(model, width, limit, frozen=frozen, cache=cache, cache_mib=cache_mib, init_cfg=init_cfg)
        for layer, module in model.named_modules():  # poolers get no gradient
            if layer.rpartition('.')[2] == 'pooler':
                module.requires_grad_(False)
        self.tokenizer, self.pooling, self.projected = tokenizer, pooling, projected

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        return self.tokenizer(list(texts), verbose=False)['input_ids']

    def encode(self, ids: Sequence[Sequence[int]], device: torch.device) -> Tensor:
        input_ids, mask = pad_tokens(ids, self.tokenizer.pad_token_id, max(map(len, ids)), device)
        output = self.language_model(input_ids=input_ids, attention_mask=mask)
        return output.text_embeds if self.projected else pool_tokens(output.last_hidden_state, mask, self.pooling)
