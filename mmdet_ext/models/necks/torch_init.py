"""torch's own initialisation as an `init_cfg`, for modules of mmdet that have another one by default."""
from collections.abc import Sequence

import torch.nn as nn
from mmengine.model import update_init_info
from mmengine.registry import WEIGHT_INITIALIZERS


@WEIGHT_INITIALIZERS.register_module()  # mmengine's, which is asked where no default scope is set
class TorchInit:
    """Initialise layers by their `reset_parameters`.

    Weights and biases of an `nn.Conv2d` are uniform in +-1 / sqrt(in_channels * kernel_height * kernel_width), as
    published for DETR, SMCA-DETR and MDETR; mmdet's `ChannelMapper` has Xavier's weights and biases of 0.

    Args:
        layer: Name of the class of the layers, or a list of names.
    """

    def __init__(self, layer: str | Sequence[str]) -> None:
        self.layers = (layer, ) if isinstance(layer, str) else tuple(layer)

    def __call__(self, module: nn.Module) -> None:
        for part in module.modules():
            if type(part).__name__ in self.layers:
                part.reset_parameters()
        if hasattr(module, '_params_init_info'):
            update_init_info(module, f'TorchInit of {", ".join(self.layers)}')
