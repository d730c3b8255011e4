"""`image_size` and `classes` stand in one place, for every config."""
import copy
import pickle
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

import mmdet_ext
from mmdet_ext import launch
from mmdet_ext.config_sizes import dicts_in, image_size_of, type_name
from mmdet_ext.config_variables import apply_variables

ROOT = Path(__file__).resolve().parents[2]
YOLO, SHAPES = ROOT / 'configs/yolov9/yolov9s_coco.py', ROOT / 'configs/yolov9/yolov9t_shapes.py'
PETS = '''
_base_ = __import__('mmdet_ext').config_file('yolov9/yolov9s_coco.py')
classes = ('cat', 'dog')
image_size = 320
val_dataloader = dict(dataset=dict(data_root='pets/', ann_file='val.json'))
test_dataloader = val_dataloader
'''


@cache
def loaded(path: Path) -> Config:
    return Config.fromfile(path)


def config_of(path: Path) -> Config:
    """A config that may be changed."""
    return copy.deepcopy(loaded(path))


@pytest.fixture
def pets(tmp_path) -> Path:
    path = tmp_path / 'pets.py'
    path.write_text(PETS)
    return path


def test_all_sizes_of_yolo_follow():
    cfg = config_of(YOLO)
    cfg.merge_from_dict(dict(image_size=320))
    mosaic, _, affine, mixup, *_ = cfg.train_dataloader.dataset.pipeline
    assert (mosaic.size, affine.size, mixup.transforms[0].size, mixup.transforms[2].size) == (
        320, (320, 320), 320, (320, 320))
    assert cfg.train_dataloader.dataset.dataset.pipeline[3] == dict(type='YOLOResize', size=320, shrink='linear')
    assert cfg.val_dataloader.dataset.batch_shapes == dict(batch_size=32, size=320, stride=32, pad=0.5)
    assert cfg.load_train[-1].size == 320  # what a config that is derived from a dump would use


def test_sizes_of_detr_keep_their_proportion():
    cfg = config_of(ROOT / 'configs/smca/smca_r50_50e_coco.py')
    cfg.merge_from_dict(dict(image_size=400))
    choice = cfg.train_dataloader.dataset.pipeline[3].transforms
    assert choice[0][0].scales[0] == (240, 666) and choice[1][1].crop_size == (192, 300)
    assert cfg.test_dataloader.dataset.pipeline[1].scales == [(400, 666)]


def test_images_that_are_evaluated_as_they_are_get_resized_for_another_size(monkeypatch):
    cfg = config_of(ROOT / 'configs/mdetr/mdetr_r18_clevr.py')
    cfg.merge_from_dict(dict(image_size=160))
    assert [type_name(step) for step in cfg.val_dataloader.dataset.pipeline][:2] == ['LoadImageFromFile', 'FloorResize']
    assert cfg.train_dataloader.dataset.pipeline[2].transforms[0][0].scales[0] == (128, 256)


def test_a_relative_crop_is_no_size():
    cfg = config_of(ROOT / 'configs/smca/smca_r18_shapes.py')
    cfg.merge_from_dict(dict(image_size=320))
    crop, resize = cfg.train_dataloader.dataset.pipeline[3:5]
    assert crop.crop_size == (0.7, 0.7) and resize.scale == (320, 320)


def test_pipelines_that_a_config_writes_itself_stay(tmp_path):
    text = "_base_ = __import__('mmdet_ext').config_file('yolov9/yolov9s_coco.py')\n{}" \
        'steps = [dict(step, size=416) if step["type"] == "YOLOResize" else step for step in _base_.test_pipeline]\n' \
        'val_dataloader = dict(dataset=dict(pipeline=steps))\ntest_dataloader = val_dataloader\n'
    for line in ('', 'image_size = 416\n'):
        path = tmp_path / f'mine{len(line)}.py'
        path.write_text(text.format(line))
        cfg = Config.fromfile(path)
        assert image_size_of(cfg.test_dataloader) == 416 and cfg.load_train[-1].size == 640


@pytest.mark.parametrize(('value', 'message'), [
    (0, 'whole number of pixels, got 0'), (-320, 'got -320'), ('big', "got 'big'"), (320.5, 'got 320.5'),
    (True, 'got True'), ((320, 240), 'keep their aspect ratio'), (300, 'multiple of 32.* 288 and 320')])
def test_a_wrong_image_size_is_one_clear_error(value, message):
    with pytest.raises(ValueError, match=f'image_size should be.*{message}'):
        config_of(YOLO).merge_from_dict(dict(image_size=value))


def test_detr_takes_any_side():
    cfg = config_of(ROOT / 'configs/smca/smca_r18_coco128.py')
    cfg.merge_from_dict(dict(image_size=300))
    assert image_size_of(cfg.test_dataloader) == 300


@pytest.mark.parametrize('path', ['yolov9/yolov9c_coco', 'gelan/gelant_coco', 'smca/smca_ms_r50_50e_coco',
                                  'mix/faster-rcnn_gelanc_fpn_1x_coco', 'mix/pgi_retinanet_r50_fpn_1x_coco'])
def test_classes_reach_data_sets_and_heads(path):
    cfg = config_of(ROOT / f'configs/{path}.py')
    cfg.merge_from_dict(dict(classes=('cat', 'dog', 'cow')))
    assert {node['num_classes'] for node in dicts_in(cfg.model) if 'num_classes' in node} == {3}
    for split in ('train', 'val', 'test'):
        dataset = cfg[f'{split}_dataloader'].dataset
        assert dataset.get('dataset', dataset).metainfo.classes == ('cat', 'dog', 'cow')


@pytest.mark.parametrize(('value', 'message'), [
    ('cat', 'tuple of names'), ((), 'tuple of names'), ((1, 2), 'tuple of names'), (('cat', 'dog', 'cat'), 'cat more')])
def test_wrong_classes_are_one_clear_error(value, message):
    with pytest.raises(ValueError, match=message):
        config_of(YOLO).merge_from_dict(dict(classes=value))


def test_the_number_of_tokens_of_a_language_model_stays():
    dataset = dict(type='CocoDataset', metainfo=dict(palette=[(1, 2, 3)]))
    cfg = Config(dict(classes=('cat', 'dog'), test_dataloader=dict(dataset=dataset),
                      model=dict(language_model=dict(), bbox_head=dict(num_classes=256))))
    apply_variables(cfg, always=True)
    assert cfg.model.bbox_head.num_classes == 256
    assert cfg.test_dataloader.dataset.metainfo == dict(classes=('cat', 'dog'))  # without one colour for two classes


def test_number_and_names_agree():
    with pytest.raises(ValueError, match='num_classes is 3, and classes has 2 names'):
        config_of(YOLO).merge_from_dict(dict(classes=('cat', 'dog'), num_classes=3))


def test_captions_have_no_classes():
    with pytest.raises(ValueError, match='classes: no data set'):
        config_of(ROOT / 'configs/mdetr/mdetr_r18_shapes.py').merge_from_dict(dict(classes=('cat', )))


def test_a_config_for_own_data_is_short_and_a_dump_of_it_is_plain(pets, tmp_path):
    cfg = Config.fromfile(pets)
    assert cfg.model.bbox_head.num_classes == cfg.model.aux_head.head.num_classes == 2
    assert cfg.val_evaluator.ann_file == cfg.test_evaluator.ann_file == 'pets/val.json'
    assert image_size_of(cfg.train_dataloader.dataset) == 320
    dump = tmp_path / 'dump.py'
    cfg.dump(dump)
    assert 'mmdet_ext.config' not in dump.read_text()
    assert Config.fromfile(dump).to_dict() == cfg.to_dict() == pickle.loads(pickle.dumps(cfg)).to_dict()


def test_a_metric_follows_its_data_set():
    cfg = config_of(SHAPES)
    cfg.merge_from_dict({'val_dataloader.dataset.ann_file': 'annotations/instances_test.json'})
    assert cfg.val_evaluator.ann_file == 'data/shapes/annotations/instances_test.json'
    cfg.merge_from_dict({'val_evaluator.ann_file': 'other.json', 'val_dataloader.dataset.ann_file': 'x.json'})
    assert cfg.val_evaluator.ann_file == 'other.json'


def test_configs_of_others_are_left_alone(tmp_path):
    foreign = dict(image_size=320, classes=('cat', ), model=dict(bbox_head=dict(num_classes=80)),
                   test_dataloader=dict(dataset=dict(pipeline=[dict(type='Resize', scale=(1333, 800))])))
    assert Config(copy.deepcopy(foreign)).to_dict() == foreign
    path = tmp_path / 'foreign.py'
    Config(dict(test_dataloader=foreign['test_dataloader'])).dump(path)
    cfg = launch.load_config(str(path), options=dict(image_size=400))  # unless they are asked
    assert cfg.test_dataloader.dataset.pipeline[0].scale == (666, 400)


def test_load_config_names_the_file(pets):
    with pytest.raises(ValueError, match=r'^.*pets.py: image_size should be'):
        pets.write_text(PETS.replace('320', '-1'))
        launch.load_config(str(pets))


def test_config_file_is_found_in_the_checkout():
    assert mmdet_ext.config_file('yolov9/yolov9s_coco.py') == str(YOLO)
    with pytest.raises(FileNotFoundError, match='no config yolov9/none.py'):
        mmdet_ext.config_file('yolov9/none.py')
