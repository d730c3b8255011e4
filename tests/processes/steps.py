"""Small models of each system, batches for them, and what a step of training gives: for one process or several."""
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

import mmdet_ext.models  # noqa: F401  registers the models

CONFIGS = dict(yolov9='yolov9/yolov9t_shapes', smca='smca/smca_r18_shapes', mdetr='mdetr/mdetr_r18_shapes',
               mdetr_masks='mdetr/mdetr_r18_shapes_seg')
HEIGHT, WIDTH = 64, 96
CAPTION = 'a red circle and a star'  # the same for all: MDETR's contrast counts padded words
# boxes of the images of a batch: as many that scores add up to more than 1, the least that YOLOv9 divides by
BOXES = ((16, 0), (3, 4))


class Step(NamedTuple):
    """Losses by name, and gradients by the parameter's name."""
    losses: dict[str, Tensor]
    gradients: dict[str, Tensor]


def build(system: str, text_folder: Path) -> nn.Module:
    """The model of a small config, always with the same weights; its batch norms do not look at the batch."""
    init_default_scope('mmdet')
    cfg = Config.fromfile(Path(__file__).parents[2] / f'configs/{CONFIGS[system]}.py').model
    if 'text_encoder' in cfg:
        cfg.text_encoder.name = str(text_folder)
    torch.manual_seed(0)
    model = MODELS.build(cfg)
    model.init_weights()
    model.train()
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()
    return model


def images(box_counts: Sequence[int], first: int = 0) -> dict[str, Any]:
    """A batch of images with so many boxes; `first` is the number of the first image, on which its pixels depend."""
    inputs, samples = [], []
    for image, boxes in zip(count(first), box_counts):
        generator = torch.Generator().manual_seed(100 + image)
        inputs.append(torch.randn(3, HEIGHT, WIDTH, generator=generator))
        corner = torch.rand(boxes, 2, generator=generator) * torch.tensor([WIDTH / 2, HEIGHT / 2])
        size = (0.2 + 0.3 * torch.rand(boxes, 2, generator=generator)) * torch.tensor([WIDTH, HEIGHT])
        instances = InstanceData(bboxes=torch.cat([corner, corner + size], dim=1), labels=torch.arange(boxes) % 6,
                                 tokens_positive=([[[2, 12]], [[19, 23]]] * boxes)[:boxes],
                                 masks=BitmapMasks(torch.ones(boxes, HEIGHT, WIDTH).numpy(), HEIGHT, WIDTH))
        sample = DetDataSample(gt_instances=instances)
        sample.set_metainfo(dict(img_shape=(HEIGHT, WIDTH), batch_input_shape=(HEIGHT, WIDTH), text=CAPTION,
                                 ori_shape=(HEIGHT, WIDTH), scale_factor=(1., 1.)))
        samples.append(sample)
    return dict(inputs=torch.stack(inputs), data_samples=samples)


def step(model: nn.Module, batch: dict[str, Any], forward: AbstractContextManager = nullcontext()) -> Step:
    """A pass forward, in a context such as autocast's, and backward of a detector or one that DDP wraps."""
    detector = getattr(model, 'module', model)
    detector.zero_grad()
    with forward:
        total, losses = detector.parse_losses(model(**batch, mode='loss'))
    total.backward()
    gradients = {name: p.grad.clone() for name, p in detector.named_parameters() if p.requires_grad}
    return Step({name: value.detach() for name, value in losses.items()}, gradients)
