"""Project features, such as those of text, to the width of the transformer (MDETR,
https://arxiv.org/abs/2104.12763)."""
import torch.nn as nn
from torch import Tensor


class FeatureResizer(nn.Module):
    """A linear layer, a LayerNorm and dropout, without an activation.

    Args:
        in_channels: Width of the input, 768 for RoBERTa-base.
        out_channels: Width of the output.
        dropout: Probability with which an element is dropped in training.

    Shape:
        (..., in_channels) -> (..., out_channels)
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.fc = nn.Linear(in_channels, out_channels)
        self.layer_norm = nn.LayerNorm(out_channels, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, feat: Tensor) -> Tensor:
        return self.dropout(self.layer_norm(self.fc(feat)))
