"""A random crop that keeps a part of every box, if possible."""
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes, autocast_box_type


@TRANSFORMS.register_module()
class BoxSafeRandomCrop(BaseTransform):
    """Crop an image at random; try again until a part of every box is inside the crop.

    The caption is not changed, so the objects that it names should stay in the image. After `attempts` crops the last
    one is used: boxes outside it are dropped, with their labels, masks and spans.

    Args:
        min_size: Smallest side of the crop in pixels; a side of the image that is shorter is not cropped.
        max_size: Largest side. Each side is drawn uniformly between both, and is at most the image's.
        attempts: How often to try.
    """

    def __init__(self, min_size: int, max_size: int, attempts: int = 100) -> None:
        if not 0 < min_size <= max_size:
            raise ValueError(f'min_size must be positive and at most max_size, got {min_size} and {max_size}')
        if attempts < 1:
            raise ValueError(f'attempts must be at least 1, got {attempts}')
        self.min_size = min_size
        self.max_size = max_size
        self.attempts = attempts

    @autocast_box_type()
    def transform(self, results: dict) -> dict:
        boxes = results.get('gt_bboxes', HorizontalBoxes(np.zeros((0, 4), np.float32)))
        for _ in range(self.attempts):
            region = self._sample(*results['img'].shape[:2])
            cropped = _crop_boxes(boxes, region)
            visible = ((cropped.widths > 0) & (cropped.heights > 0)).numpy()
            if visible.all():
                break
        x1, y1, x2, y2 = region
        results['img'] = results['img'][y1:y2, x1:x2]
        results['img_shape'] = (y2 - y1, x2 - x1)
        if 'gt_bboxes' in results:
            results['gt_bboxes'] = cropped[visible]
        for key in ('gt_bboxes_labels', 'gt_ignore_flags', 'gt_isfinal'):
            if key in results:
                results[key] = results[key][visible]
        if 'gt_tokens_positive' in results and 'gt_bboxes' in results:
            spans = results['gt_tokens_positive']
            results['gt_tokens_positive'] = [box_spans for box_spans, keep in zip(spans, visible, strict=True) if keep]
        if 'gt_masks' in results:
            results['gt_masks'] = results['gt_masks'][np.flatnonzero(visible)].crop(np.array(region))
        return results

    def _sample(self, height: int, width: int) -> tuple[int, int, int, int]:
        """A region (x1, y1, x2, y2) of whole pixels."""
        crop_width, crop_height = (np.random.randint(min(self.min_size, side), min(self.max_size, side) + 1)
                                   for side in (width, height))
        x1, y1 = np.random.randint(width - crop_width + 1), np.random.randint(height - crop_height + 1)
        return x1, y1, x1 + crop_width, y1 + crop_height


def _crop_boxes(boxes: HorizontalBoxes, region: tuple[int, int, int, int]) -> HorizontalBoxes:
    x1, y1, x2, y2 = region
    cropped = boxes.clone()
    cropped.translate_((-x1, -y1))
    cropped.clip_((y2 - y1, x2 - x1))
    return cropped
