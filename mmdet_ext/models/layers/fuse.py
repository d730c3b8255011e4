"""Fold a trained network for deployment: batch norms, `RepConv` and `RetrieverDictionary`."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F
from mmcv.cnn import fuse_conv_bn

from .conv import RepConv
from .retriever_dictionary import FoldedRetrieverDictionary, RetrieverDictionary


def fuse(module: nn.Module) -> nn.Module:
    """Fold `module` in place: every batch norm that follows a convolution, then every `RepConv` and
    `RetrieverDictionary`.

    The outputs in evaluation mode stay the same up to rounding. Folded tensors have other names than trained ones: to
    load folded weights, fold the module first.
    """
    _unshare(module)
    for child in module.modules():
        if isinstance(child, RetrieverDictionary):
            child.bake_atoms()
    fuse_conv_bn(module)
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, RepConv):
                setattr(parent, name, _merge(child))
            elif isinstance(child, RetrieverDictionary):
                setattr(parent, name, FoldedRetrieverDictionary(child))
    return module


def _unshare(module: nn.Module) -> None:
    """If a child is used in several places, as the convolutions of RTMDet's head are, give each place a copy of it.

    In each place another batch norm follows it, so that the folded convolutions differ.
    """
    seen = set()
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if id(child) in seen:
                setattr(parent, name, copy.deepcopy(child))
            seen.add(id(child))


@torch.no_grad()
def _merge(rep: RepConv) -> nn.Sequential:
    """One 3x3 convolution that replaces the two folded branches of `rep`."""
    conv = rep.conv3x3.conv
    conv.weight += F.pad(rep.conv1x1.conv.weight, (1, 1, 1, 1))
    conv.bias += rep.conv1x1.conv.bias
    return nn.Sequential(conv, rep.act)
