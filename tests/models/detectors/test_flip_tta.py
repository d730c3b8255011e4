"""Views of an image merged, against mmdet's own way and by hand."""
import copy

import pytest
import torch
from mmdet.models.test_time_augs import DetTTAModel
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from torch.testing import assert_close

from mmdet_ext.models.detectors import FlipTTAModel


class Detector(BaseModel):
    """A detector, which merging does not use."""

    def forward(self) -> None:
        pass


def model(kind: type, nms: dict | None = None) -> DetTTAModel:
    nms = dict(dict(type='nms', iou_threshold=0.6), **(nms or {}))
    return kind(module=Detector(), tta_cfg=ConfigDict(nms=nms, max_per_img=50))


def views() -> list[DetDataSample]:
    samples = []
    for flip in (False, True):
        corners = torch.rand(40, 2) * 80
        instances = InstanceData(bboxes=torch.cat([corners, corners + 5 + torch.rand(40, 2) * 40], 1),
                                 scores=torch.rand(40), labels=torch.randint(0, 3, (40, )))
        samples.append(DetDataSample(metainfo=dict(ori_shape=(120, 130), flip=flip, flip_direction='horizontal'),
                                     pred_instances=instances))
    return samples


@pytest.mark.parametrize('nms', [dict(), dict(class_agnostic=True)])
def test_detections_are_those_of_mmdet(nms):
    samples = views()
    merged, merged_by_mmdet = (model(kind, nms).merge_preds([copy.deepcopy(samples)])[0].pred_instances
                               for kind in (FlipTTAModel, DetTTAModel))
    assert 20 < len(merged) == len(merged_by_mmdet)
    for name in ('bboxes', 'scores', 'labels'):
        assert_close(merged[name], merged_by_mmdet[name])


def test_a_mirrored_box_is_mirrored_back_and_nothing_stays_nothing():
    samples = views()
    boxes = ([[10., 10, 30, 40]], [[100., 10, 120, 40]])  # the same box of an image 130 wide, before and after the flip
    for sample, box in zip(samples, boxes):
        sample.pred_instances = InstanceData(bboxes=torch.tensor(box), scores=torch.tensor([0.5]),
                                             labels=torch.tensor([1]))
    merged = model(FlipTTAModel).merge_preds([samples])[0].pred_instances
    assert merged.bboxes.tolist() == [[10, 10, 30, 40]]
    empty = views()
    for sample in empty:
        sample.pred_instances = sample.pred_instances[:0]
    assert len(model(FlipTTAModel).merge_preds([empty])[0].pred_instances) == 0


def test_another_kind_of_suppression_is_refused():
    with pytest.raises(ValueError, match='tta_cfg.nms.*soft_nms'):
        model(FlipTTAModel, dict(type='soft_nms'))
