"""Deformable convolution without (v1) and with (v2, "modulated") a mask.

B batch, G groups of offsets, K pixels of the kernel: offsets are (B, 2 * G * K, H, W) in (y, x), masks (B, G * K, H,
W).
"""
from weakref import ref

import torch
from torch import Tensor

from .kernels import KERNELS, computed


def deform_conv_forward(input: Tensor, weight: Tensor, offset: Tensor, output: Tensor, columns: Tensor, ones: Tensor,
                        kW: int, kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
                        group: int, deformable_group: int, im2col_step: int) -> None:
    """Fill `output`; `columns`, `ones` and `im2col_step` are of no account."""
    tensors = computed(input, weight, offset)
    output.copy_(KERNELS.deform_conv2d(
        *tensors, *_without_mask(*tensors), dH, dW, padH, padW, dilationH, dilationW, group, deformable_group, False))


def deform_conv_backward_input(input: Tensor, offset: Tensor, gradOutput: Tensor, gradInput: Tensor,
                               gradOffset: Tensor, weight: Tensor, columns: Tensor, kW: int, kH: int, dW: int, dH: int,
                               padW: int, padH: int, dilationW: int, dilationH: int, group: int,
                               deformable_group: int, im2col_step: int) -> None:
    """Fill `gradInput` and `gradOffset`, and keep the gradient of the weight, which torchvision computes with them."""
    geometry = dH, dW, padH, padW, dilationH, dilationW
    tensors = computed(input, weight, offset)
    grad_input, grad_weight, grad_offset, *_ = _backward(gradOutput, *tensors, *_without_mask(*tensors), geometry,
                                                         group, deformable_group, False)
    gradInput.copy_(grad_input)
    gradOffset.copy_(grad_offset)
    columns.grad_weight = ref(gradOutput), grad_weight  # `columns` belongs to one call of the operator


def deform_conv_backward_parameters(input: Tensor, offset: Tensor, gradOutput: Tensor, gradWeight: Tensor,
                                    columns: Tensor, ones: Tensor, kW: int, kH: int, dW: int, dH: int, padW: int,
                                    padH: int, dilationW: int, dilationH: int, group: int, deformable_group: int,
                                    scale: float, im2col_step: int) -> None:
    """Add `scale` times the gradient of the weight to `gradWeight`."""
    of, grad_weight = vars(columns).pop('grad_weight', (lambda: None, None))
    if of() is not gradOutput:  # the input and the offset need no gradient
        geometry = dH, dW, padH, padW, dilationH, dilationW
        images, weight, offsets = computed(input, gradWeight, offset)
        grad_weight = _backward(gradOutput, images, weight, offsets, *_without_mask(images, weight, offsets), geometry,
                                group, deformable_group, False)[1]
    gradWeight.add_(grad_weight.to(gradWeight.dtype), alpha=scale)


def modulated_deform_conv_forward(input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
                                  mask: Tensor, output: Tensor, columns: Tensor, kernel_h: int, kernel_w: int,
                                  stride_h: int, stride_w: int, pad_h: int, pad_w: int, dilation_h: int,
                                  dilation_w: int, group: int, deformable_group: int, with_bias: bool) -> None:
    """Fill `output`; `ones` and `columns` are of no account."""
    offset, mask = (_as_read(values, output.shape[2:]) for values in (offset, mask))
    images, kernel, offsets, masks, shift = computed(input, weight, offset, mask, bias)
    if not with_bias:
        shift = kernel.new_zeros(len(kernel))
    output.copy_(KERNELS.deform_conv2d(
        images, kernel, offsets, masks, shift, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, group,
        deformable_group, True))


def modulated_deform_conv_backward(input: Tensor, weight: Tensor, bias: Tensor, ones: Tensor, offset: Tensor,
                                   mask: Tensor, columns: Tensor, grad_input: Tensor, grad_weight: Tensor,
                                   grad_bias: Tensor, grad_offset: Tensor, grad_mask: Tensor, grad_output: Tensor,
                                   kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
                                   dilation_h: int, dilation_w: int, group: int, deformable_group: int,
                                   with_bias: bool) -> None:
    """Fill the gradients, which have the shapes of the inputs."""
    geometry = stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w
    offset, mask = (_as_read(values, grad_output.shape[2:]) for values in (offset, mask))
    images, kernel, offsets, masks = computed(input, weight, offset, mask)
    gradients = _backward(grad_output, images, kernel, offsets, masks, kernel.new_zeros(len(kernel)), geometry, group,
                          deformable_group, True)
    for target, gradient in zip((grad_input, grad_weight, grad_offset, grad_mask), gradients):
        target.copy_(_where_read(gradient, target.shape))
    if with_bias:
        grad_bias.copy_(gradients[4])


def _as_read(values: Tensor, size: torch.Size) -> Tensor:
    """Offsets or masks (B, N, *size) of a convolution whose output has that size.

    mmdet's DyHead passes those of a larger map. mmcv then reads the first values of each image, row by row.
    """
    if values.shape[2:] == size:
        return values
    if values.shape[2:].numel() < size.numel():
        raise ValueError(f'offsets and masks must cover the output, {tuple(size)}, got {tuple(values.shape[2:])}')
    return values.flatten(1)[:, :values.shape[1] * size.numel()].unflatten(1, (-1, *size))


def _where_read(gradient: Tensor, shape: torch.Size) -> Tensor:
    """The gradient of what `_as_read` took, as that of all values."""
    if gradient.shape == shape:
        return gradient
    complete = gradient.new_zeros(shape)
    complete.flatten(1)[:, :gradient[0].numel()] = gradient.flatten(1)
    return complete


def _without_mask(input: Tensor, weight: Tensor, offset: Tensor) -> tuple[Tensor, Tensor]:
    """What torchvision takes for no mask and no bias."""
    return input.new_zeros(len(input), 1), weight.new_zeros(len(weight))


def _backward(grad_output: Tensor, input: Tensor, weight: Tensor, offset: Tensor, mask: Tensor, bias: Tensor,
              geometry: tuple[int, ...], groups: int, offset_groups: int, use_mask: bool) -> tuple[Tensor, ...]:
    """Gradients of input, weight, offset, mask and bias."""
    gradients = list(KERNELS._deform_conv2d_backward(
        grad_output.to(input.dtype), input, weight, offset, mask, bias, *geometry, groups, offset_groups, use_mask))
    outside = _on_the_edge(offset, weight.shape[2:], geometry)
    gradients[2] = torch.where(outside, 0, gradients[2])
    return tuple(gradients)


def _on_the_edge(offset: Tensor, kernel: tuple[int, int], geometry: tuple[int, ...]) -> Tensor:
    """Offsets (B, 2 * G * K, H, W) to a point exactly one pixel above or left of the image.

    Offsets begin as zeros, which makes them common. A sample there is 0; mmcv's gradient is that of the outside, 0,
    and torchvision's that of the inside.
    """
    stride, padding, dilation = geometry[:2], geometry[2:4], geometry[4:]
    down, across = (torch.arange(size, device=offset.device) for size in offset.shape[2:])
    kernel_down, kernel_across = (torch.arange(size, device=offset.device) for size in kernel)
    top = (down * stride[0] - padding[0]).view(-1, 1) + dilation[0] * kernel_down.view(-1, 1, 1, 1)
    left = across * stride[1] - padding[1] + dilation[1] * kernel_across.view(-1, 1, 1)
    y, x = offset.unflatten(1, (-1, *kernel, 2)).unbind(4)  # each (B, G, kernel rows, kernel columns, H, W)
    return ((y == -1 - top) | (x == -1 - left)).unsqueeze(4).expand(*y.shape[:4], 2, *y.shape[4:]).reshape_as(offset)
