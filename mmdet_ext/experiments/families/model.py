"""The model of one of MMDetection's configs, made small and offline, with the same random weights in each process."""
from pathlib import Path

import torch
import torch.nn as nn
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.config import Config, ConfigDict
from mmengine.logging import MessageHub
from mmengine.model import revert_sync_batchnorm

from ..small_models import offline
from .configs import config_folder
from .inputs import nodes

# Detections of random weights have low scores: nearly all are kept, so that there is something to compare.
THRESHOLDS = ('score_thr', 'filter_thr', 'obj_score_thr', 'init_track_thr')
LOWEST_SCORE = 1e-5
MOST_CLASSES = 1000  # with more classes the thresholds stay, because each box would be kept once for each
MOST_SAMPLES = 32  # regions of an image that heads learn from
MOST_RESULTS = 20  # objects of an image that are predicted
# Backbones whose maps of random weights become infinite, unless their norms normalise.
NORMALISED = ('DetectoRS_ResNet', 'TridentResNet')
SEED = 0
ZERO_WEIGHTS_BECOME = 0.01  # standard deviation
ZERO_BIASES_BECOME = 0.1  # at most, so that boxes have a size


def small_model_config(cfg: ConfigDict, texts: Path) -> ConfigDict:
    """The config of a model, small and without downloads.

    Args:
        cfg: The model of one of MMDetection's configs.
        texts: Folder of `save_small_texts`.
    """
    cfg = offline(cfg, texts)
    if 'detector' in cfg:
        cfg.detector = offline(cfg.detector, texts)
    many = any(isinstance(node.get('num_classes'), int) and node['num_classes'] > MOST_CLASSES for node in nodes(cfg))
    for node in nodes(cfg):
        for key in THRESHOLDS:
            if isinstance(node.get(key), float) and not many:
                node[key] = min(node[key], LOWEST_SCORE)
        if isinstance(node.get('sampler'), dict) and 'num' in node['sampler']:
            node['sampler']['num'] = min(node['sampler']['num'], MOST_SAMPLES)
        # 'nms_pre' is with those of regions; QueryInst predicts as many objects as it has queries
        if 'max_per_img' in node and 'nms_pre' not in node and cfg.type != 'QueryInst':
            node['max_per_img'] = min(node['max_per_img'], MOST_RESULTS)
        if node.get('type') == 'MMSyncBN':
            node['type'] = 'BN'
        if node.get('type') in NORMALISED:
            node.update(norm_eval=False, frozen_stages=-1)
        if isinstance(node.get('teacher_config'), str):  # relative to MMDetection's checkout
            node['teacher_config'] = str(config_folder().parent / node['teacher_config'])
        if 'teacher_ckpt' in node:
            node['teacher_ckpt'] = None
        if isinstance(node.get('obj_score_thrs'), dict):
            node['obj_score_thrs'] = dict(high=2 * LOWEST_SCORE, low=LOWEST_SCORE)
    return cfg


def build_model(cfg: ConfigDict) -> nn.Module:
    """Build with weights that depend on SEED alone. Weights and biases that begin as zeros, such as those that move the
    samples of deformable convolutions, become small random ones, so that they have an effect."""
    torch.manual_seed(SEED)
    model = MODELS.build(cfg)
    model.init_weights()
    model = revert_sync_batchnorm(model)
    for module in model.modules():
        if type(module).__name__ == 'TridentConv':  # its weights are what was in memory
            nn.init.kaiming_normal_(module.weight)
    if hasattr(model, 'set_epoch'):  # which a hook calls
        model.set_epoch(0)
    MessageHub.get_current_instance().update_info('epoch', 0)  # which TOOD asks for
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.  # prediction normalises as the step before did, else its maps may explode
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.any():
                if parameter.dim() > 1:
                    parameter.normal_(std=ZERO_WEIGHTS_BECOME)
                else:
                    parameter.uniform_(0, ZERO_BIASES_BECOME)
    return model


def build_pipelines(cfg: Config) -> str:
    """Build the steps that load the data of a config; the error of the first that cannot be built, else ''."""
    for node in nodes(cfg._cfg_dict):
        for name in ('pipeline', 'train_pipeline', 'test_pipeline'):
            for step in node.get(name) or ():
                try:
                    TRANSFORMS.build(step)
                except Exception as error:
                    return f'{step.get("type")}: {first_line(error)}'
    return ''


def first_line(error: BaseException) -> str:
    """Type and message of an error, in one line."""
    message = ' '.join(str(error).split()).split(', the current sys.path is')[0]
    return f'{type(error).__name__}: {message}'.removesuffix(': ')[:400]
