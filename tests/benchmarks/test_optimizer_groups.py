"""Parameter groups of our configs' optimizers: as mmengine's constructor makes them, and as the config's own does."""
from pathlib import Path

import pytest
import torch
from benchmarks.inputs import generated_tokenizer
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from torch import nn

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
YOLO_OPTIONS = dict(norm_decay_mult=0., bias_decay_mult=0.)  # what mmengine's constructor would be told for the recipe


def build_without_weights(cfg: Config) -> nn.Module:
    # mmdet's EfficientNet looks at numbers while it is built, and language models are read from files
    on_cpu = cfg.backbone.type == 'EfficientNet' or 'language_model' in cfg
    with generated_tokenizer(cfg, ['word'], 300), torch.device('cpu' if on_cpu else 'meta'):
        return MODELS.build(cfg)


@pytest.mark.parametrize('name, options, trained, by_mmengine, by_constructor', [
    ('yolov9/yolov9t_shapes', {}, 897, 897, 3),  # weights, norms, biases
    ('smca/smca_r50_50e_coco', {}, 277, 277, 2),  # backbone and the rest
    ('smca/smca_r50_50e_coco', {'model.backbone.frozen_stages': 4}, 235, 235, 1),
    ('mdetr/mdetr_r101_refcoco', {}, 491, 491, 3),  # the text encoder is alone, at the backbone's rate
    ('mdetr/mdetr_r18_shapes', {}, 365, 1, 1),  # no paramwise_cfg
    ('mix/rd_rtmdet_tiny_8xb32-300e_coco', {}, 249, 249, 2),
])
def test_parameters_with_the_same_options_are_one_group(name, options, trained, by_mmengine, by_constructor):
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    cfg.merge_from_dict(options)
    model = build_without_weights(cfg.model)
    wrapper = cfg.optim_wrapper.to_dict() | dict(type='OptimWrapper')
    plain = wrapper | dict(constructor='DefaultOptimWrapperConstructor')
    if wrapper.get('constructor') == 'YOLOOptimWrapperConstructor':
        plain['paramwise_cfg'] = YOLO_OPTIONS
    assert sum(parameter.requires_grad for parameter in model.parameters()) == trained
    assert len(build_optim_wrapper(model, plain).optimizer.param_groups) == by_mmengine
    assert len(build_optim_wrapper(model, wrapper).optimizer.param_groups) == by_constructor
