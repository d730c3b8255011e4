"""Changes to models of mmdet 3.3, made when this module is imported: mmdet's registry of models does that with its own
models, once `compat.apply` has told it to.

- GLIP and Grounding DINO work under transformers 5.
- GLIP with fusion can be built under transformers 4.56 and later.
- SSD predicts.
"""
from functools import wraps
from importlib import import_module, reload
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn as nn
from mmdet.models.dense_heads import SSDHead
from mmdet.models.language_models import BertModel
from torch import Tensor

from .transformers_version import adapt_bert, takes_masks_of_heads


def adapt_berts() -> None:
    """Let mmdet's `BertModel` adapt itself to transformers 5."""
    init = BertModel.__init__
    if not takes_masks_of_heads() or getattr(init, 'adapts', False):
        return

    @wraps(init)
    def init_and_adapt(model: BertModel, *args: Any, **kwargs: Any) -> None:
        init(model, *args, **kwargs)
        adapt_bert(model)

    init_and_adapt.adapts = True
    BertModel.__init__ = init_and_adapt


def import_bert_layers() -> None:
    """Let mmdet import the layers of GLIP's fusion, which are objects without anything otherwise.

    They import `apply_chunking_to_forward` from where transformers had it before 4.56. Two methods that they inherit
    are others, or no more, in transformers 5.
    """
    if find_spec('transformers') is None:
        return
    functions, former = (import_module(f'transformers.{name}') for name in ('pytorch_utils', 'modeling_utils'))
    if hasattr(former, 'apply_chunking_to_forward') or not hasattr(functions, 'apply_chunking_to_forward'):
        return
    former.apply_chunking_to_forward = functions.apply_chunking_to_forward
    helper = reload(import_module('mmdet.models.utils.vlfuse_helper'))
    helper.BertAttention.forward = _attend
    helper.BertEncoderLayer.get_extended_attention_mask = _added_mask
    for name in ('mmdet.models.utils', 'mmdet.models.dense_heads.atss_vlfusion_head'):
        module = import_module(name)
        for known in ('BertEncoderLayer', 'VLFuse', 'permute_and_flatten'):
            if hasattr(module, known):
                setattr(module, known, getattr(helper, known))


def _attend(layer: nn.Module, hidden: Tensor, mask: Tensor, *_: Any, **__: Any) -> tuple[Tensor, ...]:
    """Self-attention and its output layer, as transformers 4 calls them: (B, L, C) -> (B, L, C)."""
    attended, *weights = layer.self(hidden, mask)
    return layer.output(attended, hidden), *weights


def _added_mask(layer: nn.Module, mask: Tensor, *_: Any) -> Tensor:
    """A mask (B, K) or (B, Q, K), 1 for what is seen, as what is added to attention's logits, (B, 1, 1 or Q, K)."""
    hidden = 1 - mask[:, None, None] if mask.dim() == 2 else 1 - mask[:, None]
    return hidden.to(layer.dtype) * torch.finfo(layer.dtype).min


def let_ssd_predict() -> None:
    """The base of all heads reads `loss_cls` when it predicts, which SSD does not have."""
    if not hasattr(SSDHead, 'loss_cls'):
        SSDHead.loss_cls = None


adapt_berts()
import_bert_layers()
let_ssd_predict()
