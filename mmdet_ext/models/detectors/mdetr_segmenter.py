"""MDETR with masks (https://arxiv.org/abs/2104.12763, section 4.2, PhraseCut)."""
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from torch import Tensor

from ...transfers import to_device, to_host
from ..dense_heads.mask_head import MaskInputs, target_masks
from ..losses.layer_losses import average_factors
from ..task_modules.layer_matching import match_layers
from .mdetr import MDETR, Fused, TextTokens, captions_of


@MODELS.register_module()
class MDETRSegmenter(MDETR):
    """MDETR whose queries have masks too.

    The backbone gives all its stages, of which the neck and the transformer see the last alone. Masks are computed for
    the queries that are matched in training and for those that are kept in prediction, and for no others.

    Args:
        mask_head: Config of an `MDETRMaskHead`.
        freeze_detector: Whether to train the mask head alone, as published: the rest keeps its weights, stays in
            evaluation mode and has no losses.
        test_cfg: With `score_thr`: queries whose score is not above it are left out (0.7 for PhraseCut); and what the
            `bbox_head` takes.
        kwargs: As for MDETR, without `answer_head` and `loss_image_text`.
    """

    def __init__(self, *, mask_head: dict, freeze_detector: bool = False, test_cfg: dict | None = None,
                 **kwargs: Any) -> None:
        if others := [name for name in ('answer_head', 'loss_image_text') if kwargs.get(name)]:
            raise ValueError(f'MDETRSegmenter has no {others[0]}, got {kwargs[others[0]]}')
        super().__init__(test_cfg=test_cfg, **kwargs)
        self.mask_head = MODELS.build(mask_head)
        self.freeze_detector = freeze_detector
        self.score_thr = (test_cfg or {}).get('score_thr')
        if freeze_detector:
            for name, part in self.named_children():
                part.requires_grad_(name == 'mask_head')

    def train(self, mode: bool = True) -> 'MDETRSegmenter':
        super().train(mode)
        if self.freeze_detector:
            for name, part in self.named_children():
                part.train(mode and name == 'mask_head')
        return self

    def extract_feat(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """Pictures (B, 3, H, W) -> the backbone's maps, the largest first, the last one as the neck makes it."""
        return self.graphed('features', self._stages, self.lay_out(batch_inputs))

    def _stages(self, images: Tensor) -> tuple[Tensor, ...]:
        *stages, last = self.backbone(images)
        if len(stages) != len(self.mask_head.adapters):
            raise ValueError(f'mask_head.in_channels has {len(self.mask_head.adapters)} maps, backbone.out_indices '
                             f'should have one more, got {len(stages) + 1}')
        return (*stages, *self.neck([last]))

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """`loss_mask` and `loss_dice` of the queries that the last layer matches, and the head's own losses."""
        head = self.bbox_head
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_detector):
            states, fused, text, maps = self._detect(batch_inputs, batch_data_samples)
            layers = states if head.aux_loss and not self.freeze_detector else states[-1:]
            outputs = head(layers, fused.text, self.references())
        objects = head.objects(text.offsets, batch_data_samples)
        matched = match_layers(head.assigner, outputs.logits, outputs.boxes, objects)
        losses = {} if self.freeze_detector else head.losses(outputs, objects, matched)
        targets = torch.cat(target_masks(batch_data_samples, batch_inputs.device))
        count, = average_factors([len(targets)], targets.device)
        logits = self.mask_head(mask_inputs(maps, fused, states), matched.image[-1], matched.query[-1])
        return losses | self.mask_head.loss_by_feat(logits, targets[matched.entry[-1]], count)

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Adds `pred_instances` to the samples, with `masks` bool (N, H, W) in the size that `rescale` says."""
        states, fused, text, maps = self._detect(batch_inputs, batch_data_samples)
        results = self.bbox_head.predict(states[-1:], fused.text, text.offsets, batch_data_samples, rescale,
                                         references=self.references())
        scores = torch.stack([found.scores for found in results])  # (B, Q)
        kept = torch.ones_like(scores, dtype=torch.bool) if self.score_thr is None else scores > self.score_thr
        chosen = to_host(kept)
        image, query = chosen.nonzero(as_tuple=True)
        image, query = to_device(torch.stack([image, query]), scores.device)
        logits = self.mask_head(mask_inputs(maps, fused, states), image, query)
        logits = logits.split(chosen.sum(dim=1).tolist())
        results = [found[own] for found, own in zip(results, kept)]
        for found, masks in zip(results, self.mask_head.predict_by_feat(logits, batch_data_samples, rescale)):
            found.masks = masks
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> tuple:
        """What the head says of all queries, and the logits (B, Q, h, w) of their masks."""
        states, fused, _, maps = self._detect(batch_inputs, batch_data_samples)
        shape = states.shape[1:3]
        image, query = torch.ones(shape, device=states.device).nonzero(as_tuple=True)
        logits = self.mask_head(mask_inputs(maps, fused, states), image, query)
        return self.bbox_head(states, fused.text, self.references()), logits.unflatten(0, shape)

    def _detect(self, batch_inputs: Tensor,
                samples: SampleList) -> tuple[Tensor, Fused, TextTokens, tuple[Tensor, ...]]:
        """Hidden states (layers, B, Q, C), and what led to them."""
        text = self.encode_text(captions_of(samples))
        maps = self.extract_feat(batch_inputs)
        fused = self.fuse(self.image_tokens(maps[-1], samples), text)
        return self.decode(fused), fused, text, maps


def mask_inputs(maps: tuple[Tensor, ...], fused: Fused, states: Tensor) -> MaskInputs:
    """Of `extract_feat`, `fuse` and `decode`, whose last layer (B, Q, C) counts."""
    pixels = maps[-1].shape[2] * maps[-1].shape[3]
    return MaskInputs(maps, fused.memory[:, :pixels], fused.padding[:, :pixels], states[-1])
