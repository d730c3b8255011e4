"""The BERT of mmdet's GLIP and Grounding DINO, for transformers 4 and 5."""
from typing import Any

import torch.nn as nn
from mmdet.models.language_models import BertModel
from mmdet.registry import MODELS

from ...compat.transformers_version import takes_masks_of_heads
from ...text.hub import load_files


@MODELS.register_module()
class BertLanguageModel(BertModel):
    """mmdet 3.3's `BertModel`, made for transformers 4, with the same weights and results under transformers 5.

    Tokenizers of transformers 5 have no `batch_encode_plus`, so they are called instead. Attention masks (B, L, L),
    which keep the parts of a text between full stops apart, get an axis for the heads. With transformers 4 nothing is
    changed.

    Args:
        name: Folder with config, tokenizer and weights, or name on the Hugging Face Hub.
        kwargs: As for mmdet's BertModel.

    Raises:
        OSError: The files are neither there nor to be downloaded.
    """

    def __init__(self, name: str = 'bert-base-uncased', **kwargs: Any) -> None:
        from transformers import AutoConfig  # only here: other detectors need no transformers

        load_files(AutoConfig.from_pretrained, name, argument='name', what='config')  # an error that says what to do
        super().__init__(name, **kwargs)
        if not hasattr(self.tokenizer, 'batch_encode_plus'):
            self.tokenizer.batch_encode_plus = self.tokenizer
        if takes_masks_of_heads():
            self.language_backbone.body.model.register_forward_pre_hook(_add_head_axis, with_kwargs=True)


def _add_head_axis(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    mask = kwargs['attention_mask']
    return args, kwargs | dict(attention_mask=mask.unsqueeze(1) if mask.dim() == 3 else mask)
