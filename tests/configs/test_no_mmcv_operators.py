"""Nothing of ours calls a compiled operator of mmcv, which need not be there for CUDA: no config, in no mode."""
from pathlib import Path

import pytest
import torch
from configs.kinds import REPRESENTATIVES
from configs.mmcv_operators import cuda_without_operators, operators_of
from configs.test_mdetr_training import data, shrink_model  # noqa: F401  `data` is a fixture
from mmdet.models.losses import FocalLoss
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmdet_ext.models.detectors import TextYOLOv9
from mmdet_ext.models.layers.atoms import forget_atoms_files

HEIGHT, WIDTH = 64, 96
CAPTION = 'a red circle and a star'


def build(name: str, folder: Path) -> torch.nn.Module:
    cfg = Config.fromfile(f'configs/{name}.py')
    cfg.model.backbone.init_cfg = None
    if cfg.model.type == 'TextYOLOv9':
        width = cfg.model.bbox_head.embed_dims
        cfg.model.text_encoder = dict(type='WordTextEncoder', name=str(folder / 'text'), embed_dims=width)
        forget_atoms_files(cfg.model)
    elif 'text_encoder' in cfg.model:
        shrink_model(cfg.model, folder)
    elif cfg.model.backbone.type == 'ResNet':
        cfg.model.update(num_queries=12, test_cfg=dict(max_per_img=12))
    return MODELS.build(cfg.model)


def batch(model: torch.nn.Module) -> dict:
    samples = []
    for boxes in ([[5., 10, 50, 60], [30, 8, 90, 50]], []):
        count = len(boxes)
        instances = InstanceData(bboxes=torch.tensor(boxes).view(-1, 4), labels=torch.arange(count),
                                 tokens_positive=[[[2, 5]], [[19, 23]]][:count], isfinal=torch.ones(count),
                                 masks=BitmapMasks(torch.ones(count, HEIGHT, WIDTH).numpy(), HEIGHT, WIDTH))
        sample = DetDataSample(gt_instances=instances)
        sample.set_metainfo(dict(img_shape=(HEIGHT, WIDTH), ori_shape=(HEIGHT, WIDTH), scale_factor=(1., 1.),
                                 img_id=len(samples), text=CAPTION))
        if isinstance(model, TextYOLOv9):
            sample.set_metainfo(dict(text=('a red circle', 'a star')))
        if getattr(model, 'answer_head', None):
            kind = next(kind for kind in model.answer_head.branches if kind != 'type')
            sample.set_metainfo(dict(question_type=kind, answer=model.answer_head.vocabulary.names[kind][0]))
        samples.append(sample)
    images = [torch.randint(0, 256, (3, HEIGHT, WIDTH), dtype=torch.uint8) for _ in samples]
    return dict(inputs=images, data_samples=samples)


@pytest.mark.parametrize('name', REPRESENTATIVES)
def test_a_training_step_and_a_prediction_call_none(name, data):  # noqa: F811
    model = build(name, data)
    with cuda_without_operators():
        losses = model.train()(**model.data_preprocessor(batch(model), training=True), mode='loss')
        model.parse_losses(losses)[0].backward()
        with torch.no_grad():
            model.eval()(**model.data_preprocessor(batch(model)), mode='predict')


def test_mmdets_focal_loss_is_caught_either_way():
    loss = FocalLoss()
    with cuda_without_operators(), pytest.raises(AssertionError, match='sigmoid_focal_loss_forward was called'):
        loss(torch.zeros(2, 3), torch.tensor([0, 3]))
    assert operators_of(torch.nn.Sequential(loss)) == {'FocalLoss.forward: _sigmoid_focal_loss'}
