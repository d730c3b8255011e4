"""Resizing to a long side, and padding to a rectangle around the image's centre."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from .instances import get_boxes, set_boxes

_SHRINK = dict(area=cv2.INTER_AREA, linear=cv2.INTER_LINEAR)


@TRANSFORMS.register_module()
class YOLOResize(BaseTransform):
    """Scale an image so that its long side is `size`; the sides are truncated to whole pixels.

    Args:
        size: Long side in pixels, or (height, width) of a rectangle that the image is to fit into.
        shrink: Interpolation when the image becomes smaller: 'area' (evaluation) or 'linear' (training). Enlarging is
            linear.
        published_factor: Whether `scale_factor` is the ratio of the heights for both axes, as in the published
            evaluation. On an image of 1366 x 768 boxes then come back up to 3 pixels off.

    Boxes and outlines in the results are scaled too; annotations that a later step loads are in original pixels. Sets
    `scale_factor` to (ratio of the widths, ratio of the heights); `RectLetterbox` says how boxes are mapped back.
    """

    def __init__(self, size: int | tuple[int, int] = 640, shrink: str = 'area', *,
                 published_factor: bool = False) -> None:
        if shrink not in _SHRINK:
            raise ValueError(f"shrink must be 'area' or 'linear', got {shrink!r}")
        self.size = size
        self.shrink = shrink
        self.published_factor = published_factor

    def transform(self, results: dict) -> dict:
        scaled_from = results.pop('scaled_from', None)  # by `CachedLoading`
        height, width = scaled_from or results['img'].shape[:2]
        if scaled_from is None:
            results['img'] = self.scale(results['img'])
        new_height, new_width = results['img'].shape[:2]
        results['img_shape'] = (new_height, new_width)
        factors = new_width / width, new_height / height
        results['scale_factor'] = factors[1:] * 2 if self.published_factor else factors
        scale = np.float32(factors)
        if 'gt_bboxes' in results:
            set_boxes(results, get_boxes(results) * np.tile(scale, 2))
        if 'gt_polygons' in results:
            results['gt_polygons'] = results['gt_polygons'] * scale
        return results

    def scale(self, img: np.ndarray) -> np.ndarray:
        """(H, W, C) -> (h, w, C) with the long side `size`, or in the rectangle `size`."""
        height, width = img.shape[:2]
        if isinstance(self.size, int):
            ratio = self.size / max(height, width)
        else:
            ratio = min(self.size[0] / height, self.size[1] / width)
        if ratio == 1:
            return img
        size = max(int(width * ratio), 1), max(int(height * ratio), 1)
        return cv2.resize(img, size, interpolation=_SHRINK[self.shrink] if ratio < 1 else cv2.INTER_LINEAR)


@TRANSFORMS.register_module()
class RectLetterbox(BaseTransform):
    """Pad an image on all sides to `shape`, or to the data set's `batch_shape` (h, w), or else to the next multiples of
    `stride`.

    Args:
        stride: Sides become multiples of it, in pixels.
        pad_value: Colour of the padding, 0 to 255.
        shape: (height, width) of every image, in pixels.
        published_padding: Whether `pad_param` is exactly half of all padding, as in the published evaluation. If the
            padding is odd, this is half a pixel more than is really added on the left or above.

    Sets `pad_param` to (x, y), the padding left and above in pixels: boxes of the padded image are mapped back by (box
    - pad_param) / scale_factor.
    """

    def __init__(self, stride: int = 32, pad_value: int = 114, *, shape: tuple[int, int] | None = None,
                 published_padding: bool = False) -> None:
        self.stride = stride
        self.shape = None if shape is None else tuple(shape)
        self.pad_value = pad_value
        self.published_padding = published_padding

    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        shape = self.shape or results.get('batch_shape')
        shape = shape or tuple(-(-side // self.stride) * self.stride for side in (height, width))
        pad_y, pad_x = (shape[0] - height) / 2, (shape[1] - width) / 2
        if pad_x < 0 or pad_y < 0:
            raise ValueError(f'{results.get("img_path")}: {height} x {width} pixels do not fit into the shape '
                             f"{shape}: it, or the data set's batch_shapes.size, must be the size of YOLOResize")
        top, left = round(pad_y - 0.1), round(pad_x - 0.1)  # halves: the smaller part above and left
        bottom, right = round(pad_y + 0.1), round(pad_x + 0.1)
        results['img'] = cv2.copyMakeBorder(
            results['img'], top, bottom, left, right, cv2.BORDER_CONSTANT, value=(self.pad_value, ) * 3)
        results['img_shape'] = shape
        results['pad_param'] = (pad_x, pad_y) if self.published_padding else (left, top)
        if 'gt_bboxes' in results:
            set_boxes(results, get_boxes(results) + np.float32([left, top, left, top]))
        return results
