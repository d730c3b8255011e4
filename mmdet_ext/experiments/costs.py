"""What detectors cost at inference, measured side by side in one process."""
from typing import NamedTuple

import torch

from ..deployment import count_flops
from ..export.check import milliseconds
from ..models.detectors import PGIDetector


class Costs(NamedTuple):
    """Parameters, multiply-adds times two of one image in billions, and milliseconds for it, without NMS."""
    parameters: int
    gflops: float
    milliseconds: float

    def over(self, other: 'Costs') -> 'Costs':
        """The ratios to another one's."""
        return Costs(*(mine / its for mine, its in zip(self, other, strict=True)))


@torch.inference_mode()
def costs(models: dict[str, PGIDetector], size: int, repeats: int = 15) -> dict[str, Costs]:
    """Measure detectors on one square image. Auxiliary branches do not count, nor text encoders: a `TextYOLOv9` encodes
    its classes once, before.

    Args:
        models: In evaluation mode, by name.
        size: Side of the image in pixels, a multiple of 32.
        repeats: Timed calls of each, in turn; the median counts.
    """
    image = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    times = milliseconds({name: lambda model=model: model(image, mode='tensor') for name, model in models.items()},
                         repeats)
    parts = ('backbone.', 'neck.', 'bbox_head.', 'fusion.')
    return {name: Costs(sum(value.numel() for key, value in model.named_parameters() if key.startswith(parts)),
                        count_flops(model, size) / 1e9, times[name]) for name, model in models.items()}
