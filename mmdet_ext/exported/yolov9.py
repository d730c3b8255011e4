"""What the outputs of an exported YOLOv9 mean."""
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from ..models.dense_heads.postprocess import to_original_images
from .metadata import Metadata


def feeds(metadata: Metadata, images: Tensor, samples: Sequence[DetDataSample]) -> dict[str, np.ndarray]:
    """The inputs of the file for a batch, by name."""
    return {metadata.inputs[0]: images.numpy()}


def instances(metadata: Metadata, outputs: Mapping[str, np.ndarray],
              samples: Sequence[DetDataSample]) -> list[InstanceData]:
    """The detections of each image, with boxes in pixels of the original image."""
    boxes, scores, labels, counts = (torch.from_numpy(outputs[name])
                                     for name in ('boxes', 'scores', 'labels', 'num_dets'))
    results = [InstanceData(bboxes=boxes[row, :count], scores=scores[row, :count], labels=labels[row, :count].long())
               for row, count in enumerate(counts.flatten().tolist())]
    to_original_images(results, [sample.metainfo for sample in samples])
    return results
