import numpy as np
import pytest
from coco_files import annotation, write_coco
from mmdet.registry import DATASETS, TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config
from numpy.testing import assert_array_equal
from torch import Tensor

CONFIG = 'configs/_base_/yolov9_500e_coco.py'


def training_data(files: dict, **others):
    """The recipe's training data on other files."""
    cfg = Config.fromfile(CONFIG).train_dataloader.dataset
    cfg.dataset.update(files)
    return DATASETS.build(dict(cfg, **others))


def boxes_of(sample: dict) -> Tensor:
    return sample['data_samples'].gt_instances.bboxes.tensor


def assert_boxes_inside(sample: dict, size: int = 640) -> None:
    boxes = boxes_of(sample)
    assert sample['inputs'].shape == (3, size, size)
    assert len(boxes) == len(sample['data_samples'].gt_instances.labels)
    assert ((boxes >= 0) & (boxes <= size)).all() and (boxes[:, 2:] - boxes[:, :2] > 2).all()


@pytest.fixture(params=['boxes', 'polygons', 'both', 'none'])
def files(request, tmp_path) -> dict:
    boxes = [annotation(bbox=(10, 20, 30, 40)), annotation(2, bbox=(0, 0, 90, 70), category_id=2)]
    triangle = dict(segmentation=[[10, 20, 40, 20, 40, 60]])
    rows = dict(
        boxes=boxes, none=[], polygons=[row | triangle for row in boxes], both=[boxes[0] | triangle, boxes[1]])
    return write_coco(tmp_path, rows[request.param], sizes=((100, 80), (90, 70), (50, 100)))


@pytest.mark.parametrize('skip', [None, ('YOLOMosaic', 'YOLOCopyPaste', 'YOLOMixUp')])
def test_the_recipe_runs_on_boxes_polygons_a_mix_of_them_and_nothing(files, skip):
    np.random.seed(0)
    data = training_data(files, skip_type_keys=skip)
    samples = [data[i % 3] for i in range(9)]
    for sample in samples:
        assert_boxes_inside(sample)
    has_boxes = any(len(boxes_of(sample)) for sample in samples)
    assert has_boxes == any(len(data.dataset.get_data_info(i)['instances']) for i in range(3))


def test_the_same_seed_gives_the_same_image(tmp_path):
    data = training_data(write_coco(tmp_path, [annotation()]))
    samples = []
    for seed in (3, 3, 4):
        np.random.seed(seed)
        samples.append(data[0])
    assert samples[0]['inputs'].equal(samples[1]['inputs']) and boxes_of(samples[0]).equal(boxes_of(samples[1]))
    assert not samples[0]['inputs'].equal(samples[2]['inputs'])


def test_crowds_come_out_as_instances_to_ignore(tmp_path):
    np.random.seed(1)
    data = training_data(write_coco(tmp_path, [annotation(bbox=(0, 0, 100, 80), iscrowd=1)]))
    samples = [data[0] for _ in range(5)]
    assert sum(len(sample['data_samples'].gt_instances) for sample in samples) == 0
    assert sum(len(sample['data_samples'].ignored_instances) for sample in samples) > 0


def test_flipping_twice_is_the_identity():
    flip = TRANSFORMS.build(dict(type='RandomFlip', prob=1.))
    img = np.random.default_rng(0).integers(0, 255, (20, 40, 3), np.uint8)
    results = dict(img=img, img_shape=(20, 40), gt_bboxes=HorizontalBoxes(np.float32([[1, 2, 10, 12]])))
    once = flip(dict(results))
    assert_array_equal(once['gt_bboxes'].tensor, [[30, 2, 39, 12]])
    twice = flip(once)
    assert_array_equal(twice['img'], img)
    assert_array_equal(twice['gt_bboxes'].tensor, [[1, 2, 10, 12]])


def test_a_pass_over_coco128_keeps_boxes_inside(coco128):
    np.random.seed(0)
    data = training_data(
        dict(data_root='', ann_file=str(coco128 / 'annotations/instances_train2017.json'),
             data_prefix=dict(img=str(coco128 / 'train2017'))))
    samples = [data[i] for i in range(0, 128, 8)]
    for sample in samples:
        assert_boxes_inside(sample)
    assert sum(len(boxes_of(sample)) for sample in samples) > 50
