"""Grounding DINO (https://arxiv.org/abs/2303.05499) with MDETR's contrastive alignment."""
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.models.dense_heads import GroundingDINOHead
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ..losses.layer_losses import average_factors, by_layer


@MODELS.register_module()
class AlignedGroundingDINOHead(GroundingDINOHead):
    """mmdet's `GroundingDINOHead` that also draws queries and the tokens of their objects together.

    The loss is added for each decoder layer, between its matching queries and the tokens that leave the encoder, both
    projected to unit vectors; denoising queries and the encoder's proposals have none. Prediction is unchanged.

    Args:
        loss_align: Config of a `ContrastiveAlignLoss`.
        align_dims: Width of the projections.
        kwargs: As for mmdet's GroundingDINOHead.
    """

    def __init__(self, *, loss_align: dict, align_dims: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.align_query = nn.Linear(self.embed_dims, align_dims)
        self.align_token = nn.Linear(self.embed_dims, align_dims)
        self.loss_align = MODELS.build(loss_align)
        self._token_targets: list[Tensor] = []  # filled and emptied within one call of `loss`

    def get_targets(self, *args: Any) -> tuple:
        """As the parent's, which matches queries to objects; takes note of the tokens of each query's object."""
        targets = super().get_targets(*args)
        self._token_targets.append(torch.stack(targets[0]))  # (B, Q, max_text_len), 1 at the object's tokens
        return targets

    def loss(self, hidden_states: Tensor, references: list[Tensor], memory_text: Tensor, text_token_mask: Tensor,
             enc_outputs_class: Tensor, enc_outputs_coord: Tensor, batch_data_samples: SampleList,
             dn_meta: dict[str, int]) -> dict[str, Tensor]:
        """The parent's losses and ``loss_align``, ``d0.loss_align``, ...; arguments as there."""
        self._token_targets = []
        losses = super().loss(hidden_states, references, memory_text, text_token_mask, enc_outputs_class,
                              enc_outputs_coord, batch_data_samples, dn_meta)
        targets, self._token_targets = self._token_targets[:len(hidden_states)], []  # decoder layers, then the encoder
        matching = hidden_states[:, :, dn_meta['num_denoising_queries']:]
        count, = average_factors([sum(len(sample.gt_instances) for sample in batch_data_samples)], memory_text.device)
        return losses | self.alignment(matching, memory_text, targets, count)

    def alignment(self, hidden_states: Tensor, memory_text: Tensor, targets: list[Tensor],
                  avg_factor: float | Tensor) -> dict[str, Tensor]:
        """The alignment of every layer.

        Args:
            hidden_states: (layers, B, Q, C), of the matching queries.
            memory_text: (B, L, C).
            targets: For each layer (B, Q, T), T >= L, above 0 at the tokens of the query's object.
            avg_factor: The number of objects.
        """
        queries = F.normalize(self.align_query(hidden_states).float(), dim=-1)
        tokens = F.normalize(self.align_token(memory_text).float(), dim=-1)
        positive = torch.stack(list(targets))[..., :tokens.shape[1]] > 0
        return by_layer(dict(loss_align=self.loss_align(queries, tokens, positive, avg_factor)))
