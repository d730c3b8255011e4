"""Rectangular evaluation batches: images of one batch share a padded shape that fits their aspect ratios."""
from math import ceil
from collections.abc import Sequence


def padded_shapes(aspect_ratios: Sequence[float], *, batch_size: int = 32, size: int = 640, stride: int = 32,
                  pad: float = 0.5) -> list[tuple[int, int]]:
    """Return the padded (height, width) in pixels of each image, equal within a batch.

    With the published `pad` of half a stride the long side becomes 672 for `size` 640: published numbers include that
    border.

    Args:
        aspect_ratios: Height / width of each image, in the order of evaluation; sorted ones waste the least padding.
        batch_size: Images that share a shape.
        size: Long side in pixels to which images are resized.
        stride: The shapes are multiples of it, in pixels.
        pad: Strides added to each side before it is rounded up.
    """
    shapes = []
    for start in range(0, len(aspect_ratios), batch_size):
        batch = aspect_ratios[start:start + batch_size]
        height, width = 1., 1.
        if max(batch) < 1:
            height = max(batch)
        elif min(batch) > 1:
            width = 1 / min(batch)
        shape = tuple(ceil(side * size / stride + pad) * stride for side in (height, width))
        shapes.extend([shape] * len(batch))
    return shapes
