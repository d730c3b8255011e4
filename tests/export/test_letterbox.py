"""The size of images in the test pipelines of a config that is exported."""
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.dataset import Compose

from mmdet_ext.export.letterbox import use_image_size

pytestmark = pytest.mark.usefixtures('shallow_blocks')

CONFIG = 'configs/yolov9/yolov9t_shapes.py'


def shape_of(cfg: Config, height: int, width: int) -> tuple[int, ...]:
    """What the test pipeline makes of an image: the shape of its input."""
    steps = [step for step in cfg.test_dataloader.dataset.pipeline if 'Load' not in step['type']]
    image = np.zeros((height, width, 3), np.uint8)
    shapes = dict(img_shape=(height, width), ori_shape=(height, width))
    packed = Compose(steps)(dict(img=image, img_id=0, img_path='', **shapes))
    return tuple(packed['inputs'].shape[1:])


@pytest.mark.parametrize(('size', 'expected'), [(None, (160, 160)), ((96, 96), (96, 96)), ((64, 128), (64, 128))])
def test_with_a_fixed_size_all_images_have_it(size, expected):
    cfg = use_image_size(Config.fromfile(CONFIG), size, dynamic=False)
    assert {shape_of(cfg, *shape) for shape in ((50, 70), (70, 50), (300, 100), (96, 96))} == {expected}
    assert 'batch_shapes' not in cfg.val_dataloader.dataset


def test_a_dynamic_size_keeps_the_ratio_of_sides():
    cfg = use_image_size(Config.fromfile(CONFIG), (96, 96), dynamic=True)
    assert shape_of(cfg, 50, 100) == (64, 96) and shape_of(cfg, 100, 50) == (96, 64)
    assert cfg.val_dataloader.dataset.batch_shapes.size == 96


def test_a_square_is_what_the_config_makes_of_a_square_image():
    image = np.random.randint(0, 256, (90, 90, 3), dtype=np.uint8)
    plain, fixed = Config.fromfile(CONFIG), use_image_size(Config.fromfile(CONFIG), None, dynamic=False)
    results = []
    for cfg in (plain, fixed):
        steps = [step for step in cfg.test_dataloader.dataset.pipeline if 'Load' not in step['type']]
        results.append(Compose(steps)(dict(img=image.copy(), img_id=0, img_path='', img_shape=(90, 90),
                                           ori_shape=(90, 90)))['inputs'])
    assert results[0].equal(results[1])


@pytest.mark.parametrize('size', [(100, 96), (96, 0), (16, 32)])
def test_sizes_that_do_not_fit_the_stride_are_refused(size):
    with pytest.raises(ValueError, match=f'multiples of 32, got {size[0]} x {size[1]}'):
        use_image_size(Config.fromfile(CONFIG), size, dynamic=False)


def test_other_pipelines_keep_their_size_or_are_refused():
    cfg = Config.fromfile('configs/smca/smca_r18_shapes.py')
    assert use_image_size(cfg, None, dynamic=True).test_dataloader == cfg.test_dataloader
    with pytest.raises(ValueError, match='should have YOLOResize and RectLetterbox, got LoadImageFromFile'):
        use_image_size(cfg, None, dynamic=False)
