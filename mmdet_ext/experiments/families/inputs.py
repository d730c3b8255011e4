"""What a model of MMDetection learns from and predicts on: images, videos of two frames, or images with and without
labels, small and of random pixels."""
import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from mmdet.structures import DetDataSample, TrackDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from ..small_batch import BOXES, batch

SIZES = ((128, 128), (96, 128))
LARGER_SIZES = ((300, 300), (240, 300))
ONE_BY_ONE = ('GARPNHead', 'GARetinaHead')  # which predict on one image at a time
LARGER = ('SSDVGG', 'DDODHead')  # whose last maps would be too small for their convolutions
DETECTIONS_OF_VIDEOS = ('ByteTrack', 'OCSORT')  # trackers that train their detector, on images
VIDEOS = (*DETECTIONS_OF_VIDEOS, 'DeepSORT', 'StrongSORT', 'QDTrack', 'MaskTrackRCNN', 'Mask2FormerVideo')


def training_inputs(cfg: ConfigDict) -> dict:
    """Two images, or for models of videos two frames, that a model learns from, as mmdet's data loaders give them.

    Args:
        cfg: Config of the model.
    """
    images = _detection_batch(cfg, training=True)
    if cfg.type == 'SoftTeacher':
        return _half_labelled(images)
    return _video(images) if cfg.type in VIDEOS and cfg.type not in DETECTIONS_OF_VIDEOS else images


def prediction_inputs(cfg: ConfigDict) -> list[dict]:
    """The same for a model that predicts, in one batch, or in two of one image each."""
    images = _detection_batch(cfg, training=False)
    if cfg.type in VIDEOS:
        return [_video(images)]
    if any(node.get('type') in ONE_BY_ONE for node in nodes(cfg)):
        return [{key: values[number:number + 1] for key, values in images.items()} for number in range(2)]
    return [images]


def _detection_batch(cfg: ConfigDict, training: bool) -> dict:
    sizes = LARGER_SIZES if any(node.get('type') in LARGER for node in nodes(cfg)) else SIZES
    masked = any(node.get('mask_head') or node.get('loss_mask') for node in nodes(cfg))
    if training and masked and not any(node.get('pad_mask') for node in nodes(cfg)):  # learns from images of one size
        sizes = sizes[:1] * 2
    counts = [node['num_classes'] for node in nodes(cfg) if isinstance(node.get('num_classes'), int)]
    semantic = any(node.get('semantic_head') or node.get('num_stuff_classes') for node in nodes(cfg))
    images = batch(sizes, captioned=False, masked=masked, semantic=semantic, num_classes=min(counts, default=None))
    for sample in images['data_samples']:
        ignored = [[90., 70, 120, 90]] if cfg.type == 'CrowdDet' else []  # which takes no image of a single object
        sample.ignored_instances = InstanceData(bboxes=torch.tensor(ignored).view(-1, 4),
                                                labels=torch.full((len(ignored), ), -1))
        height, width = sample.img_shape
        if cfg.get('roi_head') and not cfg.get('rpn_head'):
            sample.proposals = _proposals(height, width)
        sample.set_metainfo(dict(homography_matrix=np.eye(3, dtype=np.float32), flip=False, flip_direction=None,
                                 border=np.array([0, height, 0, width], dtype=np.float32)))
        if not training and 'text' in sample:
            sample.set_metainfo(dict(text=' . '.join(sample.text)))
    return images


def nodes(cfg: Any) -> Iterator[dict]:
    """All dicts inside a config, itself first."""
    if isinstance(cfg, dict):
        yield cfg
    for value in cfg.values() if isinstance(cfg, dict) else cfg if isinstance(cfg, (list, tuple)) else ():
        yield from nodes(value)


def _proposals(height: int, width: int) -> InstanceData:
    """Boxes for models without a network that proposes regions: the objects, moved a little, and others."""
    generator = torch.Generator().manual_seed(1)
    objects = torch.tensor(BOXES[0]).repeat(5, 1)
    boxes = torch.cat([objects, torch.rand(20, 4, generator=generator) * 60 + torch.tensor([0., 0, 30, 30])])
    boxes += torch.randn(boxes.shape, generator=generator)
    boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 4)
    limits = torch.tensor([width, height, width, height], dtype=torch.float)
    return InstanceData(bboxes=boxes.clamp(min=torch.zeros(4), max=limits),
                        scores=torch.linspace(1, 0.1, len(boxes)))


def _video(images: dict) -> dict:
    """One video of two frames: the first image, and the same moved by two pixels."""
    first: DetDataSample = images['data_samples'][0]
    first.gt_instances.instances_ids = torch.arange(len(first.gt_instances))
    frames = []
    for number in range(2):
        frame = copy.deepcopy(first)
        frame.set_metainfo(dict(frame_id=number, img_id=number, video_id=0, video_length=2, ori_video_length=2))
        frames.append(frame)
    track = TrackDataSample(metainfo=dict(key_frames_inds=[0], ref_frames_inds=[1]))
    track.video_data_samples = frames
    image = images['inputs'][0]
    return dict(inputs=[torch.stack([image, image.roll(2, dims=2)])], data_samples=[track])


def _half_labelled(images: dict) -> dict:
    """The first image with its labels, and the second one twice without, as a teacher and a student see it."""
    branches = dict(sup=0, unsup_teacher=1, unsup_student=1)
    return {key: {branch: [copy.deepcopy(values[number])] for branch, number in branches.items()}
            for key, values in images.items()}
