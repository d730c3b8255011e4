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
from .mdetr import MDETR
from .mdetr_tokens import Fused


@MODELS.register_module()
class MDETRSegmenter(MDETR):
    """MDETR that also predicts a mask for each query.

    The backbone returns the maps of all its stages; neck and transformer use only the last one. In training masks are
    computed only for matched queries, in prediction only for the queries that are kept.

    Args:
        mask_head: Config of an `MDETRMaskHead`.
        freeze_detector: Whether to train only the mask head, as published. The detector then keeps its weights, stays
            in evaluation mode and has no losses.
        test_cfg: With `score_thr`: queries whose score is not above it are left out (0.7 for PhraseCut). Other entries
            are for `bbox_head`.
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
        """Images (B, 3, H, W) -> the backbone's maps, the largest first, the last one after the neck."""
        return self.run_graphed('features', self._stages, self.to_memory_format(batch_inputs))

    def _stages(self, images: Tensor) -> tuple[Tensor, ...]:
        *stages, last = self.backbone(images)
        if len(stages) != len(self.mask_head.adapters):
            raise ValueError(f'mask_head.in_channels has {len(self.mask_head.adapters)} maps, backbone.out_indices '
                             f'should have one more, got {len(stages) + 1}')
        return (*stages, *self.neck([last]))

    def loss(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        """`loss_mask` and `loss_dice` of the queries that are matched in the last layer, and the losses of
        `bbox_head`."""
        head = self.bbox_head
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.freeze_detector):
            maps, text, fused = self.encode(batch_inputs, batch_data_samples)
            states, references, _ = self.decode(fused)
            layers = states if head.aux_loss and not self.freeze_detector else states[-1:]
            outputs = head(layers, fused.text, references)
        objects = head.objects(text.offsets, batch_data_samples)
        matched = match_layers(head.assigner, outputs.logits, outputs.boxes, objects)
        losses = {} if self.freeze_detector else head.losses(outputs, objects, matched)
        targets = torch.cat(target_masks(batch_data_samples, batch_inputs.device))
        count, = average_factors([len(targets)], targets.device)
        logits = self.mask_head(mask_inputs(maps, fused, states), matched.image[-1], matched.query[-1])
        return losses | self.mask_head.loss_by_feat(logits, targets[matched.flat_object[-1]], count)

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Add `pred_instances` to the samples, with `masks` bool (N, H, W); with `rescale` of the size of the original
        image."""
        maps, text, fused = self.encode(batch_inputs, batch_data_samples)
        states, references, _ = self.decode(fused)
        results = self.bbox_head.predict(states[-1:], fused.text, text.offsets, batch_data_samples, rescale,
                                         references=references)
        scores = torch.stack([instances.scores for instances in results])  # (B, Q)
        kept = torch.ones_like(scores, dtype=torch.bool) if self.score_thr is None else scores > self.score_thr
        kept_on_host = to_host(kept)
        image, query = to_device(torch.stack(kept_on_host.nonzero(as_tuple=True)), scores.device)
        logits = self.mask_head(mask_inputs(maps, fused, states), image, query)
        logits = logits.split(kept_on_host.sum(dim=1).tolist())
        results = [instances[rows] for instances, rows in zip(results, kept)]
        for instances, masks in zip(results, self.mask_head.predict_by_feat(logits, batch_data_samples, rescale)):
            instances.masks = masks
        return self.add_pred_to_datasample(batch_data_samples, results)

    def _forward(self, batch_inputs: Tensor, batch_data_samples: SampleList) -> tuple:
        """The head's `GroundingOutputs` of all queries, and the logits (B, Q, h, w) of their masks."""
        maps, _, fused = self.encode(batch_inputs, batch_data_samples)
        states, references, _ = self.decode(fused)
        shape = states.shape[1:3]
        image, query = torch.ones(shape, device=states.device).nonzero(as_tuple=True)
        logits = self.mask_head(mask_inputs(maps, fused, states), image, query)
        return self.bbox_head(states, fused.text, references), logits.unflatten(0, shape)


def mask_inputs(maps: tuple[Tensor, ...], fused: Fused, states: Tensor) -> MaskInputs:
    """The inputs of the mask head, from the outputs of `extract_feat`, `fuse` and `decode` (hidden states (layers, B,
    Q, C))."""
    pixels = maps[-1].shape[2] * maps[-1].shape[3]
    return MaskInputs(maps, fused.memory[:, :pixels], fused.padding[:, :pixels], states[-1])
