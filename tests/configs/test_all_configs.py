"""Every config builds, and every registered class is named by one."""
from pathlib import Path

import pytest
import torch
from mmdet import registry
from mmdet.registry import DATASETS, HOOKS, METRICS, MODELS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import Registry

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted(path for path in (ROOT / 'configs').glob('*/*.py') if path.parent.name != '_base_')
# what no config names, and why
UNNAMED = {'AmpSumOptimWrapper'}  # --amp puts it in the place of SumOptimWrapper


def types_in(node: object) -> set[str]:
    """All values of `type`, `*_type` and `constructor` in a config."""
    if isinstance(node, dict):
        named = {value for key, value in node.items() if isinstance(value, str) and key.endswith(('type', 'constructor'))}
        return named.union(*map(types_in, node.values()))
    return set().union(*map(types_in, node)) if isinstance(node, (list, tuple)) else set()


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_builds(path, monkeypatch):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    cfg = Config.fromfile(path)
    with torch.device('meta'):
        model = MODELS.build(cfg.model)
    assert sum(p.numel() for p in model.parameters()) > 1e6
    dataset = cfg.train_dataloader.dataset
    pipelines = [dataset.pipeline, cfg.val_dataloader.dataset.pipeline]
    if 'dataset' in dataset:
        assert dataset.type in DATASETS
        pipelines.append(dataset.dataset.pipeline)
    for step in (step for pipeline in pipelines for step in pipeline):
        assert TRANSFORMS.build(step) is not None
    for hook in cfg.default_hooks.values():
        assert HOOKS.get(hook.type) is not None
    assert METRICS.get(cfg.val_evaluator.type) is not None


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_classes_agree_throughout(path, monkeypatch):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    cfg = Config.fromfile(path)
    dataset = cfg.train_dataloader.dataset
    classes = dataset.get('dataset', dataset).get('metainfo', {}).get('classes')
    heads = [cfg.model[name] for name in ('bbox_head', ) if name in cfg.model]
    if cfg.model.get('aux_head'):
        heads.append(cfg.model.aux_head.head)
    for head in heads:
        assert head.num_classes == (len(classes) if classes else 80)


def test_no_base_is_deeper_than_two():

    def depth(path: Path) -> int:
        text = path.read_text()
        bases = Config._get_base_files(str(path)) if '_base_' in text else []
        own = [(path.parent / base).resolve() for base in bases if '::' not in base]
        return 1 + max(map(depth, own)) if own else 0

    assert {path.stem: depth(path) for path in CONFIGS if depth(path) > 2} == {}


def test_every_registered_class_is_named_by_a_config():
    registries = [value for value in vars(registry).values() if isinstance(value, Registry)]
    ours = {
        name
        for each in registries for name, cls in each.module_dict.items() if cls.__module__.startswith('mmdet_ext.')
    }
    assert len(ours) > 20
    named = set().union(*(types_in(Config.fromfile(path)._cfg_dict.to_dict()) for path in CONFIGS))
    assert ours - named == UNNAMED
