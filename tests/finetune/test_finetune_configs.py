"""Every model that has a name gets a config of one's own classes and image size."""
import ast
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS as BUILDERS
from mmengine.config import Config

import mmdet_ext.compat.apply  # noqa: F401
from mmdet_ext.annotations.formats import PreparedData, Split
from mmdet_ext.config_sizes import dicts_in, image_size_of
from mmdet_ext.finetune.config_text import Choices, config_text
from mmdet_ext.finetune.models import MODELS, Model, model_named
from mmdet_ext.finetune.recipe import recipe_for

CLASSES = ('cat', 'dog', 'polar bear')
BUILT = {'yolov9-t', 'gelan-s', 'yolov9-m-rd', 'smca-r18', 'smca-ms-r50', 'mdetr-r18', 'mdetr-r101'}


def prepared(folder: Path, kind: str = 'boxes', images: Path | None = None) -> PreparedData:
    """What `prepare_data` would give for 300 images."""
    train, val = (Split(folder / 'annotations' / f'{name}.json', images or folder / 'images', number, 3 * number)
                  for name, number in (('train', 300), ('val', 75)))
    return PreparedData(kind, 'YOLO txt', CLASSES, train, val, None, 'the page', 0)


def write(model: Model, folder: Path, image_size: int = 320, **choices: object) -> Config:
    text = None if model.kind == 'boxes' else ('roberta-base', False)
    settings = dict(workers=1, weights=None, backbone_weights=bool(model.weights), text=text) | choices
    recipe = recipe_for(model, 300, 50, 4)
    content = config_text(model, prepared(folder, model.kind), recipe, Choices(image_size, **settings), 'train it')
    path = folder / 'config.py'
    path.write_text(content)
    assert max(map(len, content.splitlines())) <= 120 and len(content.splitlines()) <= 55
    return Config.fromfile(path)


@pytest.fixture(autouse=True)
def no_folder_of_coco128(monkeypatch):
    monkeypatch.delenv('MMDET_EXT_COCO128', raising=False)


@pytest.mark.parametrize('model', MODELS.values(), ids=list(MODELS))
def test_a_config_has_the_classes_the_size_and_the_data(model, tmp_path, text_folder):
    cfg = write(model, tmp_path)
    assert image_size_of(cfg.train_dataloader) and image_size_of(cfg.test_dataloader) == 320
    assert cfg.work_dir == str(tmp_path) and cfg.train_cfg.max_epochs == 50
    assert cfg.train_dataloader.batch_size == 4 and cfg.val_evaluator.ann_file == f'{tmp_path}/annotations/val.json'
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        dataset = dataset.get('dataset', dataset)
        assert dataset.data_root == str(tmp_path / 'images') and 'datasets' not in dataset
        if model.kind == 'boxes':
            assert dataset.metainfo.classes == CLASSES
    class_counts = {node['num_classes'] for node in dicts_in(cfg.model) if 'num_classes' in node}
    assert class_counts == ({3} if model.kind == 'boxes' else set())
    if model.name in BUILT:
        if 'text_encoder' in cfg.model:
            cfg.model.text_encoder.name = text_folder
        with torch.device('meta'):
            assert sum(p.numel() for p in BUILDERS.build(cfg.model).parameters()) > 1e6


def test_each_value_stands_once(tmp_path):
    write(MODELS['yolov9-s'], tmp_path)
    text = (tmp_path / 'config.py').read_text()
    assert text.count('320') == text.count("'cat'") == text.count('/images') == 1
    names = [node.targets[0].id for node in ast.parse(text).body]
    assert names[:9] == ['_base_', 'work_dir', 'annotations', 'images', 'classes', 'image_size', 'batch_size',
                         'num_workers', 'max_epochs']


@pytest.mark.parametrize('name', ['yolov9-t', 'smca-r18', 'mdetr-r18'])
def test_without_data_workers_none_is_kept(tmp_path, name):
    for workers in (0, 2):
        cfg = write(MODELS[name], tmp_path, workers=workers)
        for split in ('train', 'val', 'test'):
            assert cfg[f'{split}_dataloader'].persistent_workers == (workers > 0)


def test_many_classes_are_wrapped(tmp_path):
    data = prepared(tmp_path)
    many = tuple(f'class of number {number}' for number in range(60))
    data = PreparedData('boxes', data.format, many, data.train, data.val, data.val, '', 0)
    model = MODELS['yolov9-t']
    content = config_text(model, data, recipe_for(model, 300, 50, 4), Choices(640, 1, None, False), 'train it')
    (tmp_path / 'config.py').write_text(content)
    cfg = Config.fromfile(tmp_path / 'config.py')
    assert cfg.classes == many and max(map(len, content.splitlines())) <= 120
    assert cfg.model.aux_head.head.num_classes == 60


def test_a_backbone_without_weights_learns_from_its_first_layer_on(tmp_path):
    kept = write(MODELS['smca-r50'], tmp_path).model.backbone
    assert kept.frozen_stages == 1 and kept.init_cfg.checkpoint == 'torchvision://resnet50'
    anew = write(MODELS['smca-r50'], tmp_path, backbone_weights=False).model.backbone
    assert anew.init_cfg is None and anew.frozen_stages == -1 and anew.norm_cfg.requires_grad and not anew.norm_eval
    loaded = write(MODELS['mdetr-r101'], tmp_path, backbone_weights=False, weights='/w.pth')
    assert loaded.model.backbone.init_cfg is None and loaded.model.backbone.frozen_stages == 1
    assert loaded.load_from == '/w.pth'


def test_a_test_set_of_its_own_is_used(tmp_path):
    data = prepared(tmp_path)
    test = Split(tmp_path / 'annotations/test.json', tmp_path / 'elsewhere', 5, 9)
    data = PreparedData('boxes', data.format, CLASSES, data.train, data.val, test, '', 0)
    for name in ('yolov9-t', 'smca-r18'):
        model = MODELS[name]
        (tmp_path / 'config.py').write_text(
            config_text(model, data, recipe_for(model, 300, 50, 4), Choices(320, 1, None, True), ''))
        cfg = Config.fromfile(tmp_path / 'config.py')
        assert cfg.test_evaluator.ann_file == f'{tmp_path}/annotations/test.json'
        assert cfg.test_dataloader.dataset.data_root == str(tmp_path / 'elsewhere')
        assert cfg.val_evaluator.ann_file == f'{tmp_path}/annotations/val.json'


def test_an_unknown_name_lists_close_ones_and_all():
    with pytest.raises(ValueError, match=r"no model 'yolov9s', did you mean .*yolov9-s.*All models: yolov9-t, .*effb5"):
        model_named('yolov9s')
    with pytest.raises(ValueError, match=r"no model 'xyz'\. All"):
        model_named('xyz')
