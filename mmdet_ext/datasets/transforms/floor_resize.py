"""Resizing as in DETR and its successors: the short side gets a given size, the long side is rounded down."""
from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.datasets.transforms import Resize
from mmdet.registry import TRANSFORMS


def floor_size(width: int, height: int, short: int, longest: int | None) -> tuple[int, int]:
    """The new (width, height): the short side is `short`, or less if the long side would be longer than `longest`."""
    low, high = min(width, height), max(width, height)
    if longest is not None and high / low * short > longest:
        short = round(longest * low / high)
    long = int(short * high / low)
    return (short, long) if width < height else (long, short)


@TRANSFORMS.register_module()
class FloorResize(BaseTransform):
    """Resize an image, its boxes and masks to one of some sizes, with Pillow's bilinear filter.

    mmdet's `Resize` rounds the long side to the nearest pixel, the published recipes round it down; OpenCV's bilinear
    filter skips pixels where Pillow's averages them.

    Args:
        scales: Pairs (short, long) of sides in pixels. Each image gets a random one: the short side becomes `short`,
            unless the long one would then be longer than `long`; `long` may be None, no limit.
    """

    def __init__(self, scales: Sequence[tuple[int, int | None]]) -> None:
        scales = list(scales)
        pairs = all(isinstance(scale, (list, tuple)) and len(scale) == 2 for scale in scales)
        if not scales or not pairs or not all(side is None or side > 0 for _, side in scales) or not all(
                side is not None and side > 0 for side, _ in scales):
            raise ValueError(f'scales must be pairs (short, long) of positive sides, long or None, got {scales}')
        self.scales = scales

    def transform(self, results: dict) -> dict:
        short, longest = self.scales[np.random.randint(len(self.scales))]
        height, width = results['img'].shape[:2]
        size = floor_size(width, height, short, longest)
        return Resize(scale=size, keep_ratio=False, backend='pillow').transform(results)
