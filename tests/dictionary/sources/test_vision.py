"""Features of a detector at positions of its training images."""
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmdet.utils import register_all_modules
from mmengine.config import Config
from torch.nn import functional as F

from mmdet_ext.shapes import ShapesConfig, make_shapes
from dictionary.fake_sources import everything
from mmdet_ext.dictionary.sources import VisionSource

pytestmark = pytest.mark.usefixtures('shallow_blocks')

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
PLAIN, RD = 'yolov9/yolov9t_shapes.py', 'yolo_rd/yolov9t_rd_shapes.py'
YOLO_STEPS = [dict(type='YOLOResize', size=64), dict(type='RectLetterbox', stride=32)]
MMDET_STEPS = [dict(type='Resize', scale=(64, 64), keep_ratio=True), dict(type='Pad', size_divisor=32)]
IMAGES = dict(a=(128, 80), b=(64, 40), c=(60, 64))  # width and height


@MODELS.register_module(force=True)
class MeanColour(nn.Module):
    """Red, green and blue, averaged over 8 x 8 pixels."""

    def forward(self, x):
        return (F.avg_pool2d(x, 8), )


@pytest.fixture
def colours(tmp_path):
    """Config and checkpoint of a detector whose backbone is `MeanColour`, with three noisy images to train on."""
    images, annotations = [], []
    for index, (name, (width, height)) in enumerate(IMAGES.items()):
        image = np.random.default_rng(index).integers(0, 255, (height // 4, width // 4, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f'{name}.png'), image.repeat(4, axis=0).repeat(4, axis=1))
        images.append(dict(id=index, file_name=f'{name}.png', width=width, height=height))
        annotations.append(dict(id=index, image_id=index, bbox=[8, 8, 24, 24], category_id=1))
    (tmp_path / 'train.json').write_text(json.dumps(dict(images=images, annotations=annotations)))

    def make(steps):
        pipeline = [dict(type='LoadImageFromFile'), steps[0], dict(type='mmdet.LoadAnnotations', with_bbox=True),
                    *steps[1:], dict(type='PackDetInputs')]
        cfg = Config(dict(
            model=dict(
                type='RetinaNet',
                data_preprocessor=dict(type='DetDataPreprocessor', bgr_to_rgb=True, pad_size_divisor=32, pad_value=114,
                                       mean=[0, 0, 0], std=[1, 1, 1]),
                backbone=dict(type='MeanColour'),
                neck=None,
                bbox_head=dict(type='RetinaHead', num_classes=1, in_channels=3, feat_channels=3)),
            train_dataloader=dict(dataset=dict(
                type='CocoDataset', data_root=str(tmp_path), ann_file='train.json', data_prefix=dict(img=''))),
            val_dataloader=dict(dataset=dict(
                type='CocoDataset', data_root=str(tmp_path), ann_file='val.json', pipeline=pipeline))))
        cfg.dump(tmp_path / 'config.py')
        register_all_modules(init_default_scope=True)
        torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'random.pth')
        return tmp_path / 'config.py', tmp_path / 'random.pth'

    return make


# The input is 64 x 40 pixels, shrunk by 2, the same as they are, and 60 x 64. YOLO's padding is 12 rows above and below
# or 2 columns on both sides, so that the first row, or the first and last column of cells are partly padding
@pytest.mark.parametrize('steps, counts, unpadded', [(YOLO_STEPS, [5 * 8, 5 * 8, 8 * 8], [4 * 8, 4 * 8, 8 * 6]),
                                                     (MMDET_STEPS, [5 * 8, 5 * 8, 8 * 7], [5 * 8, 5 * 8, 8 * 7])])
@pytest.mark.parametrize('batch_size', [1, 3])
def test_a_feature_is_that_of_the_part_of_the_image_that_its_box_says(colours, steps, counts, unpadded, batch_size):
    source = VisionSource(*colours(steps), per_image=1000, batch_size=batch_size)
    samples = everything(source)
    items, boxes = samples.items, samples.boxes
    assert np.bincount(items).tolist() == counts  # a position in padding would be one more
    compared = np.zeros(3, int)
    for feature, item, (x1, y1, x2, y2) in zip(samples.features, items, boxes.astype(int)):
        image, side = cv2.imread(source.images.paths[item])[..., ::-1], (16, 8, 8)[item]
        assert 0 <= x1 < x2 <= image.shape[1] and 0 <= y1 < y2 <= image.shape[0]
        if (x2 - x1, y2 - y1) == (side, side):
            np.testing.assert_allclose(feature, image[y1:y2, x1:x2].mean(axis=(0, 1)), atol=1e-3)
            compared[item] += 1
    assert compared.tolist() == unpadded


def test_the_share_inside_boxes_is_drawn_there(colours):
    config, checkpoint = colours(YOLO_STEPS)
    samples = everything(VisionSource(config, checkpoint, per_image=2, inside=1.))
    centres = (samples.boxes[:, :2] + samples.boxes[:, 2:]) / 2
    assert np.bincount(samples.items).tolist() == [2, 2, 2] and ((centres >= 8) & (centres < 32)).all()
    samples = everything(VisionSource(config, checkpoint, per_image=2))
    centres = (samples.boxes[:, :2] + samples.boxes[:, 2:]) / 2
    assert not ((centres >= 8) & (centres < 32)).all()


def test_items_may_be_computed_in_any_order_by_any_process(colours):
    arguments = colours(YOLO_STEPS)
    first, second = (VisionSource(*arguments, per_image=5, seed=3) for _ in range(2))
    forward = [first.compute(items) for items in ([0, 1], [2])]
    for index, items in ((1, [2]), (0, [0, 1]), (1, [2])):
        for name in ('features', 'items', 'boxes'):
            np.testing.assert_array_equal(getattr(second.compute(items), name), getattr(forward[index], name))
    assert first.fingerprint == second.fingerprint
    other = VisionSource(*arguments, per_image=5, seed=4)
    assert not np.array_equal(other.compute([0, 1]).boxes, forward[0].boxes)
    assert other.fingerprint != first.fingerprint


def test_broken_images_are_named_and_the_others_go_on(colours, broken):
    source = VisionSource(*colours(YOLO_STEPS), images=str(broken['folder']), per_image=4)
    samples = everything(source)
    assert samples.items.tolist() == [0] * 4 + [6] * 4
    assert [line.split(': ')[0] for line in samples.skipped] == [str(path) for path in broken['bad']]
    assert all(line.split(': ', 1)[1] and '\n' not in line for line in samples.skipped)
    alone = VisionSource(*colours(YOLO_STEPS), images=str(broken['folder'])).compute([3])
    assert alone.features.shape == (0, 3) and len(alone.skipped) == 1


def test_images_that_vanish_or_are_too_narrow_are_named(colours, tmp_path):
    config, checkpoint = colours(YOLO_STEPS)
    (tmp_path / 'a.png').unlink()
    cv2.imwrite(str(tmp_path / 'b.png'), np.zeros((1, 640, 3), np.uint8))
    samples = everything(VisionSource(config, checkpoint, per_image=4))
    assert samples.items.tolist() == [2] * 4
    assert [line.split(': ')[0] for line in samples.skipped] == [str(tmp_path / name) for name in ('a.png', 'b.png')]
    assert 'No such file' in samples.skipped[0] and 'too narrow' in samples.skipped[1]


def test_a_sample_says_its_image_and_box(colours, tmp_path):
    source = VisionSource(*colours(YOLO_STEPS))
    described = source.describe(1, np.float32([1, 2, 3, 4]))
    assert described == dict(image=str(tmp_path / 'b.png'), box=[1., 2., 3., 4.])
    assert all(type(side) is float for side in described['box'])


def test_arguments_that_do_not_fit_are_refused(colours, tmp_path, broken):
    config, checkpoint = colours(YOLO_STEPS)
    for options, message in (
            (dict(place='back'), "place='back' is no module.*backbone"), (dict(level=1), r'level should be in 0\.\.0'),
            (dict(place='bbox_head.loss_cls'), 'does not run'),
            (dict(per_image=0), 'per_image should be at least 1, got 0'),
            (dict(inside=1.5), 'inside should be a share from 0 to 1, got 1.5'),
            (dict(inside=0.5, images=str(broken['folder'])), 'inside=0.5 needs boxes')):
        with pytest.raises(ValueError, match=message):
            VisionSource(config, checkpoint, **options)
    for arguments in ((tmp_path / 'none.py', checkpoint), (config, tmp_path / 'none.pth')):
        with pytest.raises(FileNotFoundError, match='none'):
            VisionSource(*arguments)


@pytest.fixture(scope='module')
def shapes(tmp_path_factory):
    """GELAN-t with and without a dictionary after stage 1 and otherwise equal weights, and four images of Shapes.

    The annotations for validation and testing are gone.
    """
    folder = tmp_path_factory.mktemp('vision')
    make_shapes(folder / 'shapes', ShapesConfig(train=4, val=1, test=1))
    for split in ('val', 'test'):
        (folder / 'shapes' / 'annotations' / f'instances_{split}.json').unlink()
    torch.manual_seed(0)
    register_all_modules(init_default_scope=True)
    plain, rd = (MODELS.build(Config.fromfile(CONFIGS / name).model) for name in (PLAIN, RD))
    rd.load_state_dict(rd.state_dict() | plain.state_dict())
    for name, model in zip(('plain', 'rd'), (plain, rd)):
        weights = {key: value for key, value in model.state_dict().items() if not key.startswith('aux_head.')}
        torch.save(dict(state_dict=weights), folder / f'{name}.pth')
    return folder


def shapes_source(folder, name='plain', **options):
    data = {f'{split}_dataloader.dataset.{part}data_root': str(folder / 'shapes')
            for split, part in (('train', 'dataset.'), ('val', ''), ('test', ''))}
    config = CONFIGS / dict(plain=PLAIN, rd=RD)[name]
    return VisionSource(config, folder / f'{name}.pth', per_image=6, cfg_options=data, **options)


def test_the_backbones_first_map_is_what_a_dictionary_after_stage_1_is_given(shapes):
    plain, before = shapes_source(shapes), shapes_source(shapes, 'rd', place='backbone.trunk.rd.1')
    assert plain.width == before.width == 64
    of_plain, of_rd = everything(plain), everything(before)
    for name in ('features', 'items', 'boxes'):
        np.testing.assert_array_equal(getattr(of_plain, name), getattr(of_rd, name))
    after = everything(shapes_source(shapes, 'rd'))
    assert not np.allclose(of_plain.features, after.features, atol=1e-3)


def test_features_are_the_vectors_of_the_necks_map(shapes, tmp_path):
    for name in 'ab':  # of the size that the config resizes to, so that nothing is resized or padded
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.random.randint(0, 255, (160, 160, 3), np.uint8))
    source = shapes_source(shapes, place='neck', level=1, images=str(tmp_path), batch_size=1)
    model = MODELS.build(Config.fromfile(CONFIGS / PLAIN).model).eval()
    model.load_state_dict(torch.load(shapes / 'plain.pth')['state_dict'], strict=False)
    for item in range(2):
        samples = source.compute([item])
        image = torch.from_numpy(cv2.imread(source.images.paths[item])[..., ::-1].copy()).permute(2, 0, 1)
        with torch.no_grad():
            feature = model.neck(model.backbone(image[None] / 255))[1][0]  # stride 16
        columns, rows = samples.boxes[:, 0].astype(int) // 16, samples.boxes[:, 1].astype(int) // 16
        assert len(samples.features) == 6
        expected = feature[:, rows, columns].T
        torch.testing.assert_close(torch.from_numpy(samples.features), expected, atol=1e-5, rtol=1e-5)


def test_held_out_annotations_are_refused(shapes):
    for split in ('val', 'test'):
        with pytest.raises(ValueError, match=f'holds the {split} annotations'):
            shapes_source(shapes, ann=str(shapes / 'shapes' / 'annotations' / f'instances_{split}.json'),
                          images=str(shapes / 'shapes' / split))


def test_weights_of_another_model_are_refused_by_name(shapes, tmp_path):
    shutil.copytree(shapes / 'shapes', tmp_path / 'shapes')
    state = torch.load(shapes / 'plain.pth')['state_dict']
    stem = 'backbone.trunk.downs.0.conv.weight'
    wrong = dict(missing={key: value for key, value in state.items() if key != stem},
                 shape=state | {stem: torch.zeros(1)}, unknown=state | {'backbone.trunk.rd.1.scale': torch.ones(1)})
    for name, message in dict(missing=f'{stem} is missing', shape=fr'{stem} is \(1,\), should be \(16, 3, 3, 3\)',
                              unknown='backbone.trunk.rd.1.scale is unknown').items():
        torch.save(wrong[name], tmp_path / 'plain.pth')
        with pytest.raises(ValueError, match=f'plain.pth does not fit.*1 tensor differs, {message}'):
            shapes_source(tmp_path)
