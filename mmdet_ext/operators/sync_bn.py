"""The steps of mmcv's synchronised batch norm between which its Python code asks the other processes.

Inputs are (B, C, P) with the P pixels of a map; statistics (C,) are in float32.
"""
from torch import Tensor


def sync_bn_forward_mean(input: Tensor, mean: Tensor) -> None:
    """Fill `mean` with that of this process."""
    mean.copy_(input.float().mean(dim=(0, 2)))


def sync_bn_forward_var(input: Tensor, mean: Tensor, var: Tensor) -> None:
    """Fill `var` with the mean squared distance of this process's input from the mean of all."""
    var.copy_((input.float() - mean.view(-1, 1)).square().mean(dim=(0, 2)))


def sync_bn_forward_output(input: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor,
                           running_mean: Tensor, running_var: Tensor, norm: Tensor, std: Tensor, output: Tensor,
                           eps: float, momentum: float, group_size: int) -> None:
    """Fill `norm`, the input with mean 0 and variance 1, `std` and `output`, and move the running statistics."""
    std.copy_((var + eps).sqrt())
    norm.copy_((input.float() - mean.view(-1, 1)) / std.view(-1, 1))
    output.copy_(norm * weight.view(-1, 1) + bias.view(-1, 1))
    count = input.shape[0] * input.shape[2] * group_size
    momentum = float(momentum)
    running_mean.copy_(momentum * mean + (1 - momentum) * running_mean)
    running_var.copy_(momentum * var * (count / (count - 1) if count > 1 else 1) + (1 - momentum) * running_var)


def sync_bn_backward_param(grad_output: Tensor, norm: Tensor, grad_weight: Tensor, grad_bias: Tensor) -> None:
    """Fill the gradients (C,) of weight and bias."""
    grad_weight.copy_((grad_output.float() * norm).sum(dim=(0, 2)))
    grad_bias.copy_(grad_output.float().sum(dim=(0, 2)))


def sync_bn_backward_data(grad_output: Tensor, weight: Tensor, grad_weight: Tensor, grad_bias: Tensor, norm: Tensor,
                          std: Tensor, grad_input: Tensor) -> None:
    """Fill `grad_input` from the gradients of weight and bias of all processes."""
    number = grad_output.shape[0] * grad_output.shape[2]
    shared = (grad_weight.view(-1, 1) * norm + grad_bias.view(-1, 1)) / number
    grad_input.copy_((weight / std).view(-1, 1) * (grad_output.float() - shared))
