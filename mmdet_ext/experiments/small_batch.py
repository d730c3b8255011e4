"""A batch of two small images of random pixels with everything that mmdet's detectors learn from."""
from collections.abc import Sequence

import numpy as np
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.structures import InstanceData, PixelData
from torch import Tensor

CLASSES = ('cat', 'red dog')
BOXES = (((10., 10, 60, 90), (40, 20, 120, 80)), ((5., 8, 60, 50), ))
STUFF = (80, 85)  # classes of the left and the right half of a semantic map, outside the boxes


def batch(sizes: Sequence[tuple[int, int]], *, captioned: bool, masked: bool, semantic: bool = False,
          num_classes: int | None = None) -> dict:
    """Two images of these sizes (height, width) with boxes, classes and texts, as mmdet's data loaders give them.

    Args:
        sizes: Height and width of each image.
        captioned: Whether the text is a caption, of which boxes have phrases, and not a list of classes.
        masked: Whether there are masks of the boxes.
        semantic: Whether there is a map of classes, of the boxes and of two regions around them.
        num_classes: How many classes the detector has, if it may be one.
    """
    generator, samples, images = torch.Generator().manual_seed(0), [], []
    for number, ((height, width), boxes) in enumerate(zip(sizes, BOXES)):
        labels = torch.arange(len(boxes)) % (num_classes or len(boxes))
        instances = InstanceData(bboxes=torch.tensor(boxes), labels=labels)
        if masked:
            instances.masks = BitmapMasks(_masks(height, width, boxes), height, width)
        meta = dict(img_shape=(height, width), ori_shape=(height, width), pad_shape=(height, width),
                    scale_factor=(1., 1.), img_id=number, text=CLASSES, custom_entities=True)
        if captioned:
            instances.labels = torch.zeros(len(boxes), dtype=torch.long)
            instances.tokens_positive = [[[0, 3]], [[6, 13]]][:len(boxes)]
            meta['text'] = 'cat . red dog'
        sample = DetDataSample(gt_instances=instances, metainfo=meta)
        if semantic:
            sample.gt_sem_seg = PixelData(sem_seg=_semantic_map(height, width, boxes, labels))
        samples.append(sample)
        images.append(torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator))
    return dict(inputs=images, data_samples=samples)


def _masks(height: int, width: int, boxes: Sequence[Sequence[float]]) -> np.ndarray:
    masks = np.zeros((len(boxes), height, width), dtype=np.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes):
        mask[int(y1):int(y2), int(x1):int(x2)] = 1
    return masks


def _semantic_map(height: int, width: int, boxes: Sequence[Sequence[float]], labels: Tensor) -> Tensor:
    classes = torch.full((1, height, width), STUFF[0])
    classes[..., width // 2:] = STUFF[1]
    for mask, label in zip(_masks(height, width, boxes), labels):
        classes[0, torch.from_numpy(mask).bool()] = label
    return classes
