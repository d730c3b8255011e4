"""Convolution of some places only: the pixels around them as columns, and results back to their places.

As in mmcv, it is that of the first image of a batch. P places, C channels, K pixels of the kernel.
"""
import torch.nn.functional as F
from torch import Tensor


def masked_im2col_forward(im: Tensor, mask_h_idx: Tensor, mask_w_idx: Tensor, col: Tensor, kernel_h: int,
                          kernel_w: int, pad_h: int, pad_w: int) -> None:
    """(B, C, H, W), (P,), (P,) -> `col` (C * K, P)."""
    image = F.pad(im[0], (pad_w, pad_w, pad_h, pad_h))
    columns = col.view(im.shape[1], kernel_h, kernel_w, -1)
    for row in range(kernel_h):
        for column in range(kernel_w):
            columns[:, row, column] = image[:, mask_h_idx + row, mask_w_idx + column].to(col.dtype)


def masked_col2im_forward(col: Tensor, mask_h_idx: Tensor, mask_w_idx: Tensor, im: Tensor, height: int, width: int,
                          channels: int) -> None:
    """(C, P), (P,), (P,) -> these places of `im` (B, C, H, W)."""
    im[0, :, mask_h_idx, mask_w_idx] = col.to(im.dtype)
