"""Contrastive loss between whole images and whole captions, an option of MDETR's code that the paper does not
mention."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class ImageTextContrastiveLoss(nn.Module):
    """Symmetric InfoNCE between the images and the captions of a batch.

    Args:
        temperature: What similarities are divided by.
        loss_weight: Factor of the result.
    """

    def __init__(self, temperature: float = 0.07, loss_weight: float = 0.1) -> None:
        super().__init__()
        self.temperature = temperature
        self.loss_weight = loss_weight

    def forward(self, images: Tensor, texts: Tensor) -> Tensor:
        """(B, D) and (B, D), not necessarily unit vectors -> scalar."""
        images, texts = F.normalize(images.float(), dim=1), F.normalize(texts.float(), dim=1)
        similarity = images @ texts.T / self.temperature
        target = torch.arange(len(images), device=images.device)
        return self.loss_weight * (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.T, target)) / 2
