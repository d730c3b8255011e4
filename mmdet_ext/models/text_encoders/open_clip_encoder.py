"""Text towers of open_clip as encoders of phrases."""
from collections.abc import Sequence
from pathlib import Path

import torch
from mmdet.registry import MODELS
from torch import Tensor

from ...open_clip_models import load_open_clip
from .phrase_encoder import PhraseEncoder


@MODELS.register_module()
class OpenCLIPTextEncoder(PhraseEncoder):
    """The text tower of an open_clip model, whose features share a space with images.

    Args:
        name: Name as in `open_clip.list_models()`, or 'local-dir:FOLDER' or 'hf-hub:NAME', which bring their weights.
        pretrained: Tag of open_clip's weights, or a file; None or False for random weights, or those that come with a
            folder.
        frozen, cache, cache_mib, init_cfg: As for `PhraseEncoder`.

    Raises:
        OSError: A file or folder does not exist, or weights cannot be downloaded.
        ValueError: The model is not known, or the weights are those of another one.
    """

    def __init__(self, name: str, *, pretrained: str | bool | None = None, frozen: bool = True,
                 cache: str | Path | None = None, cache_mib: float = 1024, init_cfg: dict | None = None) -> None:
        import open_clip  # only here: other detectors need no open_clip

        model = load_open_clip(name, pretrained or None)
        del model.visual
        length = getattr(model, 'text', model).context_length
        with torch.no_grad():
            width = model.encode_text(torch.zeros(1, length, dtype=torch.long)).shape[1]
        super().__init__(model, width, length, frozen=frozen, cache=cache, cache_mib=cache_mib, init_cfg=init_cfg)
        for scale in ('logit_scale', 'logit_bias'):  # of the contrast with images
            if isinstance(getattr(model, scale, None), torch.nn.Parameter):
                getattr(model, scale).requires_grad_(False)
        self.tokenizer = open_clip.get_tokenizer(name)
        self.pad_id = getattr(getattr(self.tokenizer, 'tokenizer', None), 'pad_token_id', None) or 0

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        rows = self.tokenizer(list(texts), context_length=4 * self.max_tokens).tolist()  # open_clip cuts at the length
        return [row[:1 + max(i for i, token in enumerate(row) if token != self.pad_id)] for row in rows]

    def encode(self, ids: Sequence[Sequence[int]], device: torch.device) -> Tensor:
        rows = [[*row, *[self.pad_id] * (self.max_tokens - len(row))] for row in ids]
        return self.language_model.encode_text(torch.tensor(rows, device=device))
