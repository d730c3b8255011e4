"""Resizing to a long side, and padding to a rectangle around the picture's centre."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from .instances import get_boxes, set_boxes

_SHRINK = dict(area=cv2.INTER_AREA, linear=cv2.INTER_LINEAR)


@TRANSFORMS.register_module()
class YOLOResize(BaseTransform):
    """Scale a picture so that its long side is `size`; the sides are truncated to whole pixels.

    Args:
        size: Long side in pixels.
        shrink: Interpolation when the picture becomes smaller: 'area' (evaluation) or 'linear' (training). Enlarging
            is linear.

    Boxes and outlines that are there already are scaled with it; annotations loaded behind it stay in original pixels.
    Sets `scale_factor` to (gain, gain), the ratio of the heights: `RectLetterbox` tells how boxes go back.
    """

    def __init__(self, size: int = 640, shrink: str = 'area') -> None:
        if shrink not in _SHRINK:
            raise ValueError(f"shrink must be 'area' or 'linear', got {shrink!r}")
        self.size = size
        self.shrink = shrink

    def transform(self, results: dict) -> dict:
        scaled_from = results.pop('scaled_from', None)  # by `CachedLoading`
        height, width = scaled_from or results['img'].shape[:2]
        said = results.get('height', height), results.get('width', width)
        if said != (height, width):
            raise ValueError(f'{results.get("img_path")} has {height} x {width} pixels (height x width), the '
                             f'annotation file says {said[0]} x {said[1]}')
        if scaled_from is None:
            results['img'] = self.scale(results['img'])
        new_height, new_width = results['img'].shape[:2]
        results['img_shape'] = (new_height, new_width)
        results['scale_factor'] = (new_height / height, ) * 2
        scale = np.float32([new_width / width, new_height / height])
        if 'gt_bboxes' in results:
            set_boxes(results, get_boxes(results) * np.tile(scale, 2))
        if 'gt_polygons' in results:
            results['gt_polygons'] = results['gt_polygons'] * scale
        return results

    def scale(self, img: np.ndarray) -> np.ndarray:
        """(H, W, C) -> (h, w, C) with the long side `size`."""
        height, width = img.shape[:2]
        ratio = self.size / max(height, width)
        if ratio == 1:
            return img
        size = max(int(width * ratio), 1), max(int(height * ratio), 1)
        return cv2.resize(img, size, interpolation=_SHRINK[self.shrink] if ratio < 1 else cv2.INTER_LINEAR)


@TRANSFORMS.register_module()
class RectLetterbox(BaseTransform):
    """Pad a picture on all sides to the data set's `batch_shape` (h, w), or else to the next multiples of `stride`.

    Args:
        stride: Sides become multiples of it, in pixels.
        pad_value: Colour of the padding, 0 to 255.

    Sets `pad_param` to (x, y), the padding left and above in pixels, with halves although whole pixels are drawn:
    boxes of the padded picture go back by (box - pad_param) / scale_factor.
    """

    def __init__(self, stride: int = 32, pad_value: int = 114) -> None:
        self.stride = stride
        self.pad_value = pad_value

    def transform(self, results: dict) -> dict:
        height, width = results['img'].shape[:2]
        shape = results.get('batch_shape') or tuple(-(-side // self.stride) * self.stride for side in (height, width))
        pad_y, pad_x = (shape[0] - height) / 2, (shape[1] - width) / 2
        if pad_x < 0 or pad_y < 0:
            raise ValueError(f'{results.get("img_path")}: {height} x {width} pixels do not fit into batch_shape '
                             f"{shape}: the data set's batch_shapes.size must be the size of YOLOResize")
        top, left = round(pad_y - 0.1), round(pad_x - 0.1)  # halves: the smaller part above and left
        bottom, right = round(pad_y + 0.1), round(pad_x + 0.1)
        results['img'] = cv2.copyMakeBorder(
            results['img'], top, bottom, left, right, cv2.BORDER_CONSTANT, value=(self.pad_value, ) * 3)
        results['img_shape'] = shape
        results['pad_param'] = (pad_x, pad_y)
        if 'gt_bboxes' in results:
            set_boxes(results, get_boxes(results) + np.float32([left, top, left, top]))
        return results
