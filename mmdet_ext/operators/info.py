"""What ``mmcv.ops.get_compiler_version`` and its sister answer."""
import torch


def get_compiler_version() -> str:
    return 'none (mmdet_ext.operators)'


def get_compiling_cuda_version() -> str:
    return torch.version.cuda or 'not available'
