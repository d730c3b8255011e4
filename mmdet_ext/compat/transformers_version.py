"""What differs between transformers 4 and 5 for text models. Everything else is written so that both take it."""
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch.nn as nn
from packaging.version import Version


def takes_masks_of_heads() -> bool:
    """Whether BERT and RoBERTa take attention masks with an axis for the heads, (B, 1, Q, K), as of transformers 5.

    Those of transformers 4 take (B, K) and (B, Q, K), of which 5 takes the first only.
    """
    try:
        return Version(version('transformers')) >= Version('5.0.0.dev0')
    except PackageNotFoundError:
        return False


def adapt_bert(model: nn.Module) -> None:
    """Let a `BertModel` of mmdet 3.3 work under transformers 5; under 4 it stays as it is.

    Tokenizers of transformers 5 have no `batch_encode_plus`, so they are called instead. Attention masks (B, L, L),
    which keep the parts of a text between full stops apart, get an axis for the heads.
    """
    if not hasattr(model.tokenizer, 'batch_encode_plus'):
        model.tokenizer.batch_encode_plus = model.tokenizer
    if takes_masks_of_heads():
        model.language_backbone.body.model.register_forward_pre_hook(_add_head_axis, with_kwargs=True)


def _add_head_axis(_: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
    mask = kwargs['attention_mask']
    return args, kwargs | dict(attention_mask=mask.unsqueeze(1) if mask.dim() == 3 else mask)
