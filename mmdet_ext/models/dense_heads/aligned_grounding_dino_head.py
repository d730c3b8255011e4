"""Grounding DINO (https://arxiv.org/abs/2303.05499) with MDETR's contrastive alignment."""
from collections.abc import Iterable
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.models.dense_heads import GroundingDINOHead
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from ..losses.layer_losses import average_factors, split_by_layer


@MODELS.register_module()
class AlignedGroundingDINOHead(GroundingDINOHead):
    """mmdet's `GroundingDINOHead` with a loss that makes queries similar to the tokens of their objects.

    Each decoder layer has this loss, between its matching queries (not the denoising queries) and the tokens after the
    encoder. Both are projected to unit vectors first. The encoder's proposals have no such loss, and prediction does
    not change.

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

    def get_targets(self, cls_scores_list: list[Tensor], bbox_preds_list: list[Tensor],
                    batch_gt_instances: 'MatchedInstances', batch_img_metas: list[dict]) -> tuple:
        """As the parent's, which matches queries with objects; the tokens of these objects are stored in
        `batch_gt_instances`."""
        targets = super().get_targets(cls_scores_list, bbox_preds_list, batch_gt_instances, batch_img_metas)
        batch_gt_instances.token_targets.append(torch.stack(targets[0]))
        return targets

    def loss(self, hidden_states: Tensor, references: list[Tensor], memory_text: Tensor, text_token_mask: Tensor,
             enc_outputs_class: Tensor, enc_outputs_coord: Tensor, batch_data_samples: SampleList,
             dn_meta: dict[str, int]) -> dict[str, Tensor]:
        """The parent's losses and ``loss_align``, ``d0.loss_align``, ...; arguments as there."""
        self.text_masks = text_token_mask  # which the parent's `loss_by_feat` reads
        instances = MatchedInstances(sample.gt_instances for sample in batch_data_samples)
        metas = [sample.metainfo for sample in batch_data_samples]
        losses = self.loss_by_feat(*self(hidden_states, references, memory_text, text_token_mask), enc_outputs_class,
                                   enc_outputs_coord, instances, metas, dn_meta)
        targets = instances.token_targets[:len(hidden_states)]  # of the decoder's layers; those of the encoder are last
        matching = hidden_states[:, :, dn_meta['num_denoising_queries']:]
        count, = average_factors([sum(map(len, instances))], memory_text.device)
        return losses | self.alignment(matching, memory_text, targets, count)

    def alignment(self, hidden_states: Tensor, memory_text: Tensor, targets: list[Tensor],
                  avg_factor: float | Tensor) -> dict[str, Tensor]:
        """The alignment loss of every layer.

        Args:
            hidden_states: (layers, B, Q, C), of the matching queries.
            memory_text: (B, L, C).
            targets: For each layer (B, Q, T), T >= L, above 0 at the tokens of the query's object.
            avg_factor: The number of objects.
        """
        queries = F.normalize(self.align_query(hidden_states).float(), dim=-1)
        tokens = F.normalize(self.align_token(memory_text).float(), dim=-1)
        positive = torch.stack(list(targets))[..., :tokens.shape[1]] > 0
        return split_by_layer(dict(loss_align=self.loss_align(queries, tokens, positive, avg_factor)))


class MatchedInstances(list):
    """The ground truth of each image, a list that the parent's methods pass to `get_targets`.

    token_targets: For each layer that was matched (B, Q, max_text_len), 1 at the tokens of the query's object.
    """

    def __init__(self, instances: Iterable[InstanceData]) -> None:
        super().__init__(instances)
        self.token_targets: list[Tensor] = []
