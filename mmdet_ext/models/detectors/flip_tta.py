"""Test-time augmentation with torchvision's NMS, which runs on every device."""
import torch
from mmdet.models.test_time_augs import DetTTAModel
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torchvision.ops import batched_nms, nms


@MODELS.register_module()
class FlipTTAModel(DetTTAModel):
    """mmdet's `DetTTAModel` without mmcv's NMS: detections of all views of an image are flipped back, then NMS is run.

    Args:
        tta_cfg: `nms`, `dict(type='nms', iou_threshold=..., class_agnostic=False)`, and `max_per_img`.
        kwargs: As for mmengine's BaseTTAModel: `module`, the detector.

    Raises:
        ValueError: For another type of NMS.
    """

    def __init__(self, tta_cfg: dict | None = None, **kwargs) -> None:
        super().__init__(tta_cfg=tta_cfg, **kwargs)
        settings = dict(self.tta_cfg.nms)
        if settings.get('type', 'nms') != 'nms' or settings.keys() - {'type', 'iou_threshold', 'class_agnostic'}:
            raise ValueError(f"tta_cfg.nms takes type='nms', iou_threshold and class_agnostic, got {settings}")

    def _merge_single_sample(self, data_samples: list[DetDataSample]) -> DetDataSample:
        """The sample of the first view, with the merged detections of all views."""
        views = [sample.pred_instances for sample in data_samples]
        if 'masks' in views[0]:
            raise ValueError('test-time augmentation has no way to merge masks')
        boxes, scores = self.merge_aug_bboxes([view.bboxes for view in views], [view.scores for view in views],
                                              [sample.metainfo for sample in data_samples])
        labels = torch.cat([view.labels for view in views])
        threshold = self.tta_cfg.nms['iou_threshold']
        if self.tta_cfg.nms.get('class_agnostic'):
            kept = nms(boxes, scores, threshold)
        else:
            kept = batched_nms(boxes, scores, labels, threshold)
        kept = kept[:self.tta_cfg.max_per_img]
        data_samples[0].pred_instances = InstanceData(bboxes=boxes[kept], scores=scores[kept], labels=labels[kept])
        return data_samples[0]
