"""What the inputs and outputs of an exported SMCA-DETR mean."""
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from .metadata import Metadata


def feeds(metadata: Metadata, images: Tensor, samples: Sequence[DetDataSample]) -> dict[str, np.ndarray]:
    """The inputs of the file for a batch, by name: images (B, 3, H, W), and the sizes (B, 2) that are no padding."""
    sizes = np.array([sample.img_shape[:2] for sample in samples], dtype=np.int64)
    return dict(zip(metadata.inputs[:2], (images.numpy(), sizes), strict=True))


def instances(metadata: Metadata, outputs: Mapping[str, np.ndarray],
              samples: Sequence[DetDataSample]) -> list[InstanceData]:
    """The detections of each image, with boxes in pixels of the original image."""
    scales = torch.tensor([tuple(sample.scale_factor[:2]) * 2 for sample in samples]).unsqueeze(1)
    boxes = torch.from_numpy(outputs['boxes']).float() / scales
    scores, labels = torch.from_numpy(outputs['scores']).float(), torch.from_numpy(outputs['labels']).long()
    return [InstanceData(bboxes=bboxes, scores=values, labels=names)
            for bboxes, values, names in zip(boxes, scores, labels, strict=True)]
