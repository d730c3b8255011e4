"""Copy-paste within an image (https://arxiv.org/abs/2012.07177): mirror images of instances are pasted."""
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS

from .canvas import Canvas, fill, polygon_extent
from .instances import KEYS, concatenate, get_boxes, has_polygon, select, set_boxes


@TRANSFORMS.register_module()
class YOLOCopyPaste(BaseTransform):
    """Paste the mirror image of some instances at the mirrored position, if it covers little of every box.

    Only instances with a polygon are pasted; without `gt_polygons` nothing happens.

    Args:
        prob: Share of the instances that may be pasted, 0 to 1; their number is rounded.
        max_overlap: An instance may not be pasted if it would cover this share of a box of the image, 0 to 1.
    """

    def __init__(self, prob: float = 0.3, max_overlap: float = 0.30) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must be between 0 and 1, got {prob}')
        self.prob = prob
        self.max_overlap = max_overlap

    def transform(self, results: dict) -> dict:
        if 'gt_polygons' not in results:
            return results
        width = results['img'].shape[1]
        boxes = get_boxes(results)
        mirrored = np.stack([width - boxes[:, 2], boxes[:, 1], width - boxes[:, 0], boxes[:, 3]], axis=1)
        candidates = [index for index in np.flatnonzero(has_polygon(results['gt_polygons']))
                      if (covered_shares(mirrored[index], boxes) < self.max_overlap).all()]
        chosen = np.random.permutation(candidates)[:round(self.prob * len(candidates))].astype(int)
        if len(chosen):
            self._paste(results, chosen, mirrored[chosen])
        return results

    def _paste(self, results: dict, chosen: np.ndarray, boxes: np.ndarray) -> None:
        pasted = {key: results[key] for key in KEYS if key in results}
        select(pasted, chosen)
        set_boxes(pasted, boxes)
        img = results['img']
        pasted['gt_polygons'] = pasted['gt_polygons'] * np.float32([-1, 1]) + np.float32([img.shape[1], 0])
        if isinstance(img, Canvas):
            img.paste_mirrored(pasted['gt_polygons'])
        else:
            results['img'] = paste_mirrored(img, pasted['gt_polygons'])
        results.update(concatenate([results, pasted]))


def covered_shares(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Return which share (N,) of the area of each of the boxes (N, 4) a box (4,) covers."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    return sides.clip(0).prod(axis=1) / (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def paste_mirrored(img: np.ndarray, polygons: np.ndarray) -> np.ndarray:
    """Return the image with the pixels of its own mirror image inside the polygons (N, P, 2), in pixels."""
    width = img.shape[1]
    result = img.copy()
    for polygon in polygons.astype(np.int32):
        x1, y1, x2, y2 = polygon_extent(polygon, img.shape)
        if x1 >= x2 or y1 >= y2:
            continue
        source = img[y1:y2, width - x2:width - x1][:, ::-1]  # the image as it was, not what was pasted before
        np.copyto(result[y1:y2, x1:x2], source, where=fill(polygon, (x1, y1, x2, y2))[..., None])
    return result
