"""Grounding DINO (https://arxiv.org/abs/2303.05499) with MDETR's contrastive alignment and soft tokens."""
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
    """mmdet's `GroundingDINOHead` with MDETR's losses between queries and the tokens of their objects.

    Each decoder layer has these losses of its matching queries (not the denoising queries); the encoder's proposals
    have none, and prediction does not change. `loss_align` makes the projections of queries and of the tokens after
    the encoder similar, all of unit length. `loss_soft_token` is for a second classifier, which tells from a query
    alone at which positions of the text the tokens of its object are.

    Args:
        loss_align: Config of a `ContrastiveAlignLoss`, or None.
        align_dims: Width of the projections.
        loss_soft_token: Config of a `SoftTokenLoss`, or None.
        kwargs: As for mmdet's GroundingDINOHead.

    Raises:
        ValueError: If there is neither loss, or arguments are of a head without queries.
    """

    def __init__(self, *, loss_align: dict | None = None, align_dims: int = 64, loss_soft_token: dict | None = None,
                 **kwargs: Any) -> None:
        if dense := {'anchor_generator', 'lang_model_name', 'feat_channels', 'strides'} & kwargs.keys():
            raise ValueError('AlignedGroundingDINOHead is for the queries of Grounding DINO; '
                             f"{', '.join(sorted(dense))} belong to a head without queries, such as GLIP's, whose "
                             'class scores are similarities of regions and words already')
        if not (loss_align or loss_soft_token):
            raise ValueError('AlignedGroundingDINOHead needs loss_align, loss_soft_token or both, got neither')
        super().__init__(**kwargs)
        self.loss_align = MODELS.build(loss_align) if loss_align else None
        if loss_align:
            self.align_query = nn.Linear(self.embed_dims, align_dims)
            self.align_token = nn.Linear(self.embed_dims, align_dims)
        self.loss_soft_token = MODELS.build(loss_soft_token) if loss_soft_token else None
        if loss_soft_token:
            self.soft_token = nn.Linear(self.embed_dims, self.max_text_len + 1)

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
        """The parent's losses and ``loss_align``, ``loss_soft_token``, ``d0.loss_align``, ...; arguments as there."""
        self.text_masks = text_token_mask  # which the parent's `loss_by_feat` reads
        instances = MatchedInstances(sample.gt_instances for sample in batch_data_samples)
        metas = [sample.metainfo for sample in batch_data_samples]
        losses = self.loss_by_feat(*self(hidden_states, references, memory_text, text_token_mask), enc_outputs_class,
                                   enc_outputs_coord, instances, metas, dn_meta)
        targets = instances.token_targets[:len(hidden_states)]  # of the decoder's layers; those of the encoder are last
        matching = hidden_states[:, :, dn_meta['num_denoising_queries']:]
        count, = average_factors([sum(map(len, instances))], memory_text.device)
        if self.loss_align:
            losses |= self.alignment(matching, memory_text, targets, count)
        return losses | self.soft_tokens(matching, targets, count) if self.loss_soft_token else losses

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

    def soft_tokens(self, hidden_states: Tensor, targets: list[Tensor],
                    avg_factor: float | Tensor) -> dict[str, Tensor]:
        """The soft-token loss of every layer; arguments as for `alignment`."""
        positive = (torch.stack(list(targets)) > 0).float()  # (layers, B, Q, T)
        matched = positive.any(dim=-1)
        rows = F.pad(positive / positive.sum(dim=-1, keepdim=True).clamp(min=1), (0, 1))
        logits = self.soft_token(hidden_states)
        return split_by_layer(dict(loss_soft_token=self.loss_soft_token(logits, rows, matched, avg_factor)))


class MatchedInstances(list):
    """The ground truth of each image, a list that the parent's methods pass to `get_targets`.

    token_targets: For each layer that was matched (B, Q, max_text_len), 1 at the tokens of the query's object.
    """

    def __init__(self, instances: Iterable[InstanceData]) -> None:
        super().__init__(instances)
        self.token_targets: list[Tensor] = []
