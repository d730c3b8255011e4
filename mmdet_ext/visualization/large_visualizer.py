"""Truth and prediction side by side, large enough to be read."""
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import BaseBoxes
from mmdet.visualization import DetLocalVisualizer
from mmdet.visualization.palette import get_palette
from mmengine.dist import master_only
from mmengine.structures import InstanceData

from ..drawing import COLORS, LEAST_SIDE, draw_objects, side_by_side, with_heading

_OF_PIXELS = ('gt_sem_seg', 'gt_panoptic_seg', 'pred_sem_seg', 'pred_panoptic_seg')


@VISUALIZERS.register_module()
class LargeVisualizer(DetLocalVisualizer):
    """mmdet's `DetLocalVisualizer` with small images enlarged, labels that are never cut off, and headings.

    It takes the same arguments and draws `gt_instances` and `pred_instances`: boxes, masks, names and scores. Samples
    with maps of segments are drawn as mmdet does. Labels and lines have sizes that suit the image; `line_width`,
    `text_color` and `alpha` are not used.

    Args:
        least_side: Pixels of the longer side of an image; a smaller one is enlarged.
    """

    def __init__(self, name: str = 'visualizer', *args: Any, least_side: int = LEAST_SIDE, **kwargs: Any) -> None:
        super().__init__(name, *args, **kwargs)  # mmengine wants `name`
        self.least_side = least_side

    @master_only
    def add_datasample(self, name: str, image: np.ndarray, data_sample: DetDataSample | None = None,
                       draw_gt: bool = True, draw_pred: bool = True, show: bool = False, wait_time: float = 0,
                       out_file: str | None = None, pred_score_thr: float = 0.3, step: int = 0) -> None:
        """As mmdet's; image: (H, W, 3) RGB. Detections with a score above `pred_score_thr` are drawn."""
        out_file = out_file and str(out_file)
        panels, image = [], image.clip(0, 255).astype(np.uint8)
        if data_sample is not None:
            data_sample = data_sample.cpu()
            if any(key in data_sample for key in _OF_PIXELS):
                super().add_datasample(name, image, data_sample, draw_gt, draw_pred, show, wait_time, out_file,
                                       pred_score_thr, step)
                return
            panels = self._panels(data_sample, draw_gt, draw_pred, pred_score_thr)
        drawn = self._side_by_side(image, panels, data_sample) if panels else image
        super().add_datasample(name, drawn, show=show, wait_time=wait_time, out_file=out_file, step=step)

    def _panels(self, sample: DetDataSample, draw_gt: bool, draw_pred: bool,
                threshold: float) -> list[tuple[str, InstanceData]]:
        """Headings with the objects below them, the best first."""
        panels = []
        if draw_gt and 'gt_instances' in sample:
            panels.append(('truth', sample.gt_instances))
        if draw_pred and 'pred_instances' in sample:
            detections = sample.pred_instances
            detections = detections[detections.scores > threshold]
            panels.append((f'prediction, score above {threshold:g}',
                           detections[detections.scores.argsort(descending=True)]))
        return panels

    def _side_by_side(self, image: np.ndarray, panels: Sequence[tuple[str, InstanceData]],
                      sample: DetDataSample) -> np.ndarray:
        return side_by_side([with_heading(self._draw(image, instances), heading) for heading, instances in panels])

    def _draw(self, image: np.ndarray, instances: InstanceData) -> np.ndarray:
        """(H, W, 3) RGB, enlarged, with the objects on it."""
        labels = np.asarray(instances.get('labels', np.zeros(len(instances)))).astype(int)
        scores, masks = instances.get('scores'), masks_of(instances)
        drawn = draw_objects(
            image[..., ::-1].copy(), boxes_of(instances, masks), labels, self._names(instances, labels),
            None if scores is None else np.asarray(scores), masks, colors=self._colors(labels), least=self.least_side)
        return drawn[..., ::-1]

    def _names(self, instances: InstanceData, labels: np.ndarray) -> list[str]:
        if 'label_names' in instances:
            return list(instances.label_names)
        classes = self.dataset_meta.get('classes') or ()
        return [classes[label] if label < len(classes) else f'class {label}' for label in labels]

    def _colors(self, labels: np.ndarray) -> list[tuple[int, int, int]]:
        """The colours of `bbox_color`, else of the data set's palette, else of this package."""
        palette = self.bbox_color or self.dataset_meta.get('palette') or list(COLORS)
        if palette == 'none' or not len(labels):
            palette = list(COLORS)
        if not isinstance(palette, list):
            palette = get_palette(palette, int(labels.max()) + 1)
        return [tuple(palette[label % len(palette)]) for label in labels]


def masks_of(instances: InstanceData) -> np.ndarray | None:
    """The masks as (N, H, W) bool, None if there are none."""
    if 'masks' not in instances:
        return None
    masks = instances.masks
    return (masks.numpy() if isinstance(masks, torch.Tensor) else masks.to_ndarray()).astype(bool)


def boxes_of(instances: InstanceData, masks: np.ndarray | None = None) -> np.ndarray:
    """The boxes as (N, 4); where there are none, or they are all 0 as in mmdet's SOLO, those around the masks."""
    boxes = instances.get('bboxes')
    boxes = boxes.tensor if isinstance(boxes, BaseBoxes) else boxes
    if masks is not None and len(masks) and (boxes is None or not np.asarray(boxes).any()):
        import supervision as sv  # only now: it takes a while

        return sv.mask_to_xyxy(masks)
    return np.zeros((0, 4)) if boxes is None else np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
