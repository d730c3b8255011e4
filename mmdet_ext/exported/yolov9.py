"""What the outputs of an exported YOLOv9 mean."""
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmdet.models.task_modules import MlvlPointGenerator
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from ..models.dense_heads.postprocess import batch_detections, to_original_images
from ..models.losses import DensePredictions
from .metadata import Metadata


def feeds(metadata: Metadata, images: Tensor, samples: Sequence[DetDataSample]) -> dict[str, np.ndarray]:
    """The inputs of the file for a batch, by name."""
    return {metadata.inputs[0]: images.numpy()}


def instances(metadata: Metadata, outputs: Mapping[str, np.ndarray],
              samples: Sequence[DetDataSample]) -> list[InstanceData]:
    """The detections of each image, with boxes in pixels of the original image. What the file left out, decoding or
    NMS, is done here."""
    tensors = {name: torch.from_numpy(value) for name, value in outputs.items()}
    if metadata.nms:
        results = [InstanceData(bboxes=tensors['boxes'][row, :count], scores=tensors['scores'][row, :count],
                                labels=tensors['labels'][row, :count].long())
                   for row, count in enumerate(outputs['num_dets'].tolist())]
    else:
        if 'boxes' in tensors:
            boxes, logits = tensors['boxes'], tensors['scores'].logit()
        else:
            boxes, logits = decode(tensors)
        results = batch_detections(logits, lambda images, points: boxes[images, points], **metadata.test_cfg)
    to_original_images(results, [sample.metainfo for sample in samples])
    return results


def decode(maps: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes (B, N, 4) in pixels of the input and class logits (B, N, C), from the raw maps `class_S` and `box_S`."""
    strides = [int(name.partition('_')[2]) for name in maps if name.startswith('class_')]
    logits, distances = (torch.cat([maps[f'{kind}_{stride}'].float().flatten(2) for stride in strides], dim=2)
                         for kind in ('class', 'box'))
    priors = torch.cat(MlvlPointGenerator(strides).grid_priors(
        [maps[f'class_{stride}'].shape[-2:] for stride in strides], logits.dtype, logits.device, with_stride=True))
    predictions = DensePredictions(logits, distances.unflatten(1, (4, -1)), priors[:, :2], priors[:, 2])
    return predictions.boxes().transpose(1, 2), logits.transpose(1, 2)
