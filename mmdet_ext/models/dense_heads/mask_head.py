"""Masks of queries, as in DETR with another softmax (MDETR, https://arxiv.org/abs/2104.12763, section 4.2)."""
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import SampleList
from mmdet.structures.mask import BaseInstanceMasks
from mmengine.model import BaseModule
from torch import Tensor

from ...transfers import to_device
from ..layers.box_attention import BoxAttention

# How many masks of an image are enlarged at a time, which bounds the memory.
_MASKS_AT_ONCE = 16


class MaskInputs(NamedTuple):
    """The inputs of the mask head.

    maps: All maps of the backbone (B, C_i, h_i, w_i) except the last, the largest first, and then the neck's (B, C, h,
    w).
    memory: (B, h * w, C), the encoder's output at the image's tokens.
    padding: (B, h * w), True where ignored.
    states: (B, Q, C), the queries after the last decoder layer.
    """
    maps: Sequence[Tensor]
    memory: Tensor
    padding: Tensor
    states: Tensor


@MODELS.register_module()
class MDETRMaskHead(BaseModule):
    """Attention maps of the queries over the encoded image, refined to masks with the backbone's maps.

    The mask of a query does not depend on other queries, so masks are computed only for the queries that need one. The
    first convolution is split in two: the part for the image's map is computed once for all queries of an image.

    Args:
        embed_dims: C.
        in_channels: Channels of the backbone's maps except the last, the largest map first.
        num_heads: Heads of the attention; each gives one channel.
        num_groups: Groups of the norms, which must divide `embed_dims + num_heads` and `embed_dims / 2`, `/ 4`...
        loss_mask: Config of mmdet's FocalLoss.
        loss_dice: Config of mmdet's DiceLoss.
        init_cfg: As in mmengine.
    """

    def __init__(self, embed_dims: int = 256, in_channels: Sequence[int] = (256, 512, 1024), *, num_heads: int = 8,
                 num_groups: int = 8, loss_mask: dict | None = None, loss_dice: dict | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg or [dict(type='Caffe2Xavier', layer='Conv2d'),
                                      dict(type='Xavier', layer='Linear', distribution='uniform')])
        widths = [embed_dims + num_heads, *(embed_dims // 2**i for i in range(1, len(in_channels) + 2))]
        if embed_dims % num_heads or any(width % num_groups or not width for width in widths):
            raise ValueError(f'embed_dims={embed_dims} must be a multiple of num_heads={num_heads}, and the channels '
                             f'{widths} of the mask head of num_groups={num_groups}')
        self.attention = BoxAttention(embed_dims, num_heads)
        self.convs = nn.ModuleList(nn.Conv2d(before, after, 3, padding=1)
                                   for before, after in zip([widths[0], *widths], widths))
        self.norms = nn.ModuleList(nn.GroupNorm(num_groups, width) for width in widths)
        self.adapters = nn.ModuleList(nn.Conv2d(channels, width, 1)
                                      for channels, width in zip(reversed(in_channels), widths[1:]))
        self.out_conv = nn.Conv2d(widths[-1], 1, 3, padding=1)
        self.loss_mask = MODELS.build(loss_mask or dict(type='FocalLoss', gamma=2.0, alpha=0.25))
        self.loss_dice = MODELS.build(loss_dice or dict(type='DiceLoss', naive_dice=True, eps=1.0))

    def forward(self, inputs: MaskInputs, image: Tensor, query: Tensor) -> Tensor:
        """Logits of masks at the size of the largest map.

        Args:
            inputs: See `MaskInputs`.
            image: (M, ), for each mask the index of its image.
            query: (M, ), for each mask the index of its query.

        Returns:
            (M, h_0, w_0), float32.
        """
        *stages, feat = inputs.maps
        attention = self.attention(inputs.states, inputs.memory, inputs.padding)[image, query]  # (M, heads, h * w)
        attention = attention.unflatten(-1, feat.shape[2:])
        first, embed_dims = self.convs[0], feat.shape[1]
        shared = F.conv2d(feat, first.weight[:, :embed_dims], first.bias, padding=1)
        x = shared[image] + F.conv2d(attention, first.weight[:, embed_dims:], padding=1)
        x = self.norms[0](x).relu()
        x = self.norms[1](self.convs[1](x)).relu()
        for adapter, stage, conv, norm in zip(self.adapters, reversed(stages), self.convs[2:], self.norms[2:],
                                              strict=True):
            x = adapter(stage)[image] + F.interpolate(x, size=stage.shape[2:], mode='nearest')
            x = norm(conv(x)).relu()
        return self.out_conv(x).squeeze(1).float()

    def loss_by_feat(self, logits: Tensor, targets: Tensor, count: Tensor) -> dict[str, Tensor]:
        """Focal loss (mean over the pixels) and dice loss of matched queries.

        Args:
            logits: (M, h, w); they are enlarged to the size of the targets.
            targets: (M, H, W), 0 or 1, of the padded images.
            count: Number of objects that the sums over masks are divided by.
        """
        logits = F.interpolate(logits[:, None], size=targets.shape[1:], mode='bilinear', align_corners=False).flatten(1)
        targets = targets.flatten(1).float()
        return dict(loss_mask=self.loss_mask(logits, targets, avg_factor=count * targets.shape[1]),
                    loss_dice=self.loss_dice(logits, targets, avg_factor=count))

    def predict_by_feat(self, logits: Sequence[Tensor], samples: SampleList, rescale: bool = True) -> list[Tensor]:
        """Masks in pixels.

        Args:
            logits: For each image (M, h, w).
            samples: With `batch_input_shape` and `img_shape`, and `ori_shape` for `rescale`.
            rescale: Whether masks have the size of the original image; otherwise of the resized one.

        Returns:
            For each image bool (M, H, W).
        """
        return [torch.cat([_enlarge(part, sample, rescale) for part in image_logits.split(_MASKS_AT_ONCE)])
                for image_logits, sample in zip(logits, samples, strict=True)]


def target_masks(samples: SampleList, device: torch.device) -> list[Tensor]:
    """The objects' masks of each image, bool (N, H, W), in the padded size that the batch has.

    Raises:
        ValueError: If an image has none, or another size.
    """
    padded = []
    for sample in samples:
        masks, name = sample.gt_instances.get('masks'), sample.metainfo.get('img_path', 'an image')
        if masks is None:
            raise ValueError(f'{name}: gt_instances has no masks: load them with LoadAnnotations(with_mask=True)')
        if isinstance(masks, BaseInstanceMasks):
            masks = to_device(masks.to_tensor(torch.bool, 'cpu'), device)
        height, width = sample.batch_input_shape
        if masks.shape[1] > height or masks.shape[2] > width:
            raise ValueError(f'{name}: masks of {tuple(masks.shape[1:])} are larger than the batch, {(height, width)}')
        padded.append(F.pad(masks.to(device), (0, width - masks.shape[2], 0, height - masks.shape[1])))
    return padded


def _enlarge(logits: Tensor, sample: object, rescale: bool) -> Tensor:
    """(M, h, w) logits -> bool (M, H, W)."""
    masks = F.interpolate(logits[:, None], size=sample.batch_input_shape, mode='bilinear', align_corners=False)
    height, width = sample.img_shape[:2]
    masks = masks[:, :, :height, :width]
    if rescale:
        masks = F.interpolate(masks, size=tuple(sample.ori_shape[:2]), mode='bilinear', align_corners=False)
    return masks.squeeze(1).sigmoid() > 0.5
