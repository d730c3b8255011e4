"""Every config builds, and every registered class is named by one."""
import copy
from functools import cache
from pathlib import Path

import pytest
import torch
from configs.kinds import REPRESENTATIVES, kind_of, types_in
from configs.mmcv_operators import operators_of
from mmdet import registry
from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import Registry

from mmdet_ext.config_sizes import image_size_of
from mmdet_ext.config_variables import apply_variables
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path for path in (ROOT / 'configs').rglob('*.py') if path.parent.name != '_base_')
# what no config names, and why
UNNAMED = {
    'AmpNoWaitOptimWrapper',  # --amp puts it in the place of NoWaitOptimWrapper
    'AmpSumOptimWrapper',  # --amp puts it in the place of SumOptimWrapper
    'FlipTTAModel',  # tools/test.py --tta builds it
    'ReportHook',  # tools/train.py adds it
    'ThreadsHook',  # tools/train.py and test.py add it
    'ImageTextContrastiveLoss',  # an option that no published MDETR was trained with
}


@cache
def loaded(path: Path) -> Config:
    return Config.fromfile(path)


def config_of(path: Path) -> Config:
    """A config that may be changed; reading one takes longer than what most tests do with it."""
    return copy.deepcopy(loaded(path))


@pytest.fixture(scope='module')
def text_folder(tmp_path_factory) -> str:
    """A tokenizer and a small config in the place of RoBERTa's, which would be downloaded."""
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer(['a red circle'], 300), folder, layers=1, hidden_size=32, heads=2)
    return str(folder)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_builds(path, monkeypatch, text_folder, bert_folder):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    cfg = config_of(path)
    if 'text_encoder' in cfg.model:
        if cfg.model.text_encoder.type == 'OpenCLIPTextEncoder':  # open_clip moves what it builds to the CPU
            cfg.model.text_encoder = dict(type='WordTextEncoder', embed_dims=512)
        cfg.model.text_encoder.update(name=text_folder, pretrained=False)
    if 'language_model' in cfg.model:
        cfg.model.language_model.name = bert_folder
    # mmdet's EfficientNet looks at numbers while it is built, and its BERT loads weights
    on_cpu = cfg.model.backbone.type == 'EfficientNet' or 'language_model' in cfg.model
    with torch.device('cpu' if on_cpu else 'meta'):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) > 1e6
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    assert len(wrapper.optimizer.param_groups) <= 3
    clips = type(wrapper).__name__ in ('NoWaitOptimWrapper', 'SumOptimWrapper')
    assert clips or wrapper.clip_grad_kwargs is None  # mmengine's own would wait for the norm
    assert path.parent.name == 'mix' or operators_of(model) == set()
    dataset = cfg.train_dataloader.dataset
    dataset = dataset.datasets[0] if 'datasets' in dataset else dataset
    pipelines = [dataset.pipeline, cfg.val_dataloader.dataset.pipeline]
    if 'dataset' in dataset:
        assert dataset.type in DATASETS
        inner = dataset.dataset
        pipelines += [part.pipeline for part in inner.get('datasets', [inner])]
    for step in (step for pipeline in pipelines for step in pipeline):
        if 'vocabulary' in step:  # the file is made with the data
            step['vocabulary'] = ['circle']
        assert TRANSFORMS.build(step) is not None
    for hook in cfg.default_hooks.values():
        assert HOOKS.get(hook.type) is not None
    assert not types_in(cfg.default_hooks) & {'CheckpointHook', 'ParamSchedulerHook', 'DistSamplerSeedHook'}
    evaluators = cfg.val_evaluator if isinstance(cfg.val_evaluator, list) else [cfg.val_evaluator]
    assert all(METRICS.get(evaluator.type) is not None for evaluator in evaluators)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_classes_agree_throughout(path, monkeypatch):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    cfg = config_of(path)
    dataset = cfg.train_dataloader.dataset
    classes = dataset.get('dataset', dataset).get('metainfo', {}).get('classes')
    if 'text_encoder' in cfg.model:
        return  # no classes, but texts
    heads = [cfg.model[name] for name in ('bbox_head', ) if name in cfg.model]
    auxiliary = cfg.model.get('aux_head') or []
    heads += [aux.head for aux in (auxiliary if isinstance(auxiliary, list) else [auxiliary])]
    for head in heads:
        assert head.num_classes == (len(classes) if classes else 80)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_image_size_reaches_every_config_and_comes_back(path, monkeypatch):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    cfg = config_of(path)
    before, size = cfg.to_dict(), image_size_of(cfg.test_dataloader)
    apply_variables(cfg)
    assert cfg.to_dict() == before and cfg.get('image_size', size) in (size, 320)
    cfg.merge_from_dict(dict(image_size=1280))
    assert image_size_of(cfg.test_dataloader) == image_size_of(cfg.val_dataloader) == 1280
    once = cfg.to_dict()
    apply_variables(cfg)
    assert cfg.to_dict() == once
    if size in (160, 320, 640, 800):  # nothing is rounded
        cfg.merge_from_dict(dict(image_size=size))
        trained = {name: cfg[name] for name in ('train_dataloader', 'val_dataloader', 'model')}
        assert trained == {name: before[name] for name in trained}


@pytest.mark.parametrize('path', [path for path in CONFIGS if path.parent.name != 'mix'], ids=lambda path: path.stem)
def test_every_hook_has_a_name(path, monkeypatch):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    assert 'custom_hooks' not in loaded(path)
    assert (loaded(path).default_hooks.get('lr_schedule') is not None) == (path.parent.name == 'mdetr')


def test_a_hook_changes_by_its_name_on_the_command_line():
    cfg = config_of(ROOT / 'configs/mdetr/mdetr_r101_refcoco.py')
    cfg.merge_from_dict({'default_hooks.lr_schedule.lr_drop': 7, 'default_hooks.ema.decay': 0.5})
    assert cfg.default_hooks.lr_schedule == dict(type='MDETRLrHook', schedule='linear_with_warmup', lr_drop=7)
    assert cfg.default_hooks.ema.type == 'StepEMAHook' and cfg.default_hooks.ema.decay == 0.5


def test_no_base_is_deeper_than_two():

    def depth(path: Path) -> int:
        text = path.read_text()
        bases = Config._get_base_files(str(path)) if '_base_' in text else []
        base_files = [(path.parent / base).resolve() for base in bases if '::' not in base]
        return 1 + max(map(depth, base_files)) if base_files else 0

    assert {path.stem: depth(path) for path in CONFIGS if depth(path) > 2} == {}


def test_every_registered_class_is_named_by_a_config():
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    for parts_registry in registries:
        parts_registry.import_from_location()
    names = {
        name
        for parts_registry in registries for name, cls in parts_registry.module_dict.items()
        if cls.__module__.startswith('mmdet_ext.')
    }
    assert len(names) > 20
    named = set().union(*(types_in(loaded(path)._cfg_dict.to_dict()) for path in CONFIGS))
    assert names - named == UNNAMED


def test_every_kind_of_model_of_ours_has_one_representative():
    kinds = [kind_of(loaded(ROOT / f'configs/{name}.py')) for name in REPRESENTATIVES]
    assert len(kinds) == len(set(kinds))
    our_kinds = {kind_of(loaded(path)) for path in CONFIGS if path.parent.name not in ('mix', 'ablation')}
    assert our_kinds == set(kinds)
