"""Random scale and position of an image; boxes of which too little is left are dropped."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from .canvas import Canvas, Region
from .instances import boxes_of_polygons, get_boxes, has_polygon, select, set_boxes


@TRANSFORMS.register_module()
class YOLOAffine(BaseTransform):
    """Scale an image about its centre and put the centre near the middle of a new image.

    It is used for a mosaic, which it crops, and for a single image. For a single image it gives the same as the
    published letterbox to `size` with the published affine after it, because both centre the image and fill with the
    same colour. If the letterbox pads an odd number of pixels, it pads one pixel less on the left or above.

    Boxes are clipped to the new image. If an instance has a polygon, its box is computed from the points inside the
    image, which is tighter. A box is kept if both sides are longer than `min_side`, the aspect ratio is below
    `max_aspect`, and more than `min_visible` of its area is in the image.

    Args:
        size: (width, height) of the new image in pixels.
        scale: The factor is uniform in [1 - scale, 1 + scale].
        translate: The centre is uniform in [0.5 - translate, 0.5 + translate] of width and height.
        min_visible: Share of the box's area left, 0 to 1.
        min_visible_polygon: The same for boxes recomputed from a polygon.
        min_side: In pixels.
        max_aspect: Longer over shorter side.
        pad_value: Colour outside the image, 0 to 255.
    """

    def __init__(self, size: tuple[int, int] = (640, 640), *, scale: float = 0.9, translate: float = 0.1,
                 min_visible: float = 0.10, min_visible_polygon: float = 0.01, min_side: float = 2.,
                 max_aspect: float = 100., pad_value: int = 114) -> None:
        if not 0 <= scale < 1:
            raise ValueError(f'scale must be at least 0 and below 1, got {scale}')
        self.size = tuple(size)
        self.scale = scale
        self.translate = translate
        self.min_visible = min_visible
        self.min_visible_polygon = min_visible_polygon
        self.min_side = min_side
        self.max_aspect = max_aspect
        self.pad_value = pad_value

    def transform(self, results: dict) -> dict:
        factor = np.random.uniform(1 - self.scale, 1 + self.scale)
        target = np.random.uniform(0.5 - self.translate, 0.5 + self.translate, 2) * self.size
        height, width = results['img'].shape[:2]
        padding = np.round((np.array(self.size) - [width, height]) / 2 - 0.1)  # left and above, negative for a mosaic
        offset = target + factor * (padding - np.array(self.size) / 2)  # new (x, y) = factor * (x, y) + offset
        matrix = np.array([[factor, 0, offset[0]], [0, factor, offset[1]]])
        img = results['img']
        if isinstance(img, Canvas):
            img = img.draw(self._shown_region(factor, offset, img.shape))
        results['img'] = cv2.warpAffine(img, matrix, dsize=self.size, borderValue=(self.pad_value, ) * 3)
        results['img_shape'] = self.size[::-1]
        self._move_boxes(results, factor, offset)
        return results

    def _shown_region(self, factor: float, offset: np.ndarray, shape: tuple[int, ...]) -> Region:
        """What the new image shows of one of the shape (H, W, ...), and two pixels more for the interpolation."""
        first = np.floor(-offset / factor) - 2
        last = np.ceil((np.array(self.size) - offset) / factor) + 2
        limits = np.array(shape[1::-1])
        return *first.clip(0, limits).astype(int).tolist(), *last.clip(0, limits).astype(int).tolist()

    def _move_boxes(self, results: dict, factor: float, offset: np.ndarray) -> None:
        width, height = self.size
        unclipped = (get_boxes(results) * factor + np.tile(offset, 2)).astype(np.float32)
        boxes = unclipped.clip(0, np.float32([width, height, width, height]))
        min_visible = np.full(len(boxes), self.min_visible)
        if 'gt_polygons' in results:
            polygons = results.pop('gt_polygons')
            by_polygon = has_polygon(polygons)
            moved = (polygons[by_polygon] * factor + offset).astype(np.float32)
            boxes[by_polygon] = boxes_of_polygons(moved, width, height)
            min_visible[by_polygon] = self.min_visible_polygon
        set_boxes(results, boxes)
        select(results, self._worth_keeping(unclipped, boxes, min_visible))

    def _worth_keeping(self, unclipped: np.ndarray, boxes: np.ndarray, min_visible: np.ndarray) -> np.ndarray:
        """(N, 4) before and after clipping, (N,) -> (N,) bool."""
        sides = boxes[:, 2:] - boxes[:, :2]
        areas_before = (unclipped[:, 2:] - unclipped[:, :2]).prod(axis=1)
        visible = sides.prod(axis=1) / (areas_before + 1e-16)
        aspect = sides.max(axis=1) / (sides.min(axis=1) + 1e-16)
        return (sides > self.min_side).all(axis=1) & (visible > min_visible) & (aspect < self.max_aspect)
