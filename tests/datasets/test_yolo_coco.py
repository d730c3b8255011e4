import json
import logging
import math

import pytest
from coco_files import annotation, write_coco
from mmdet.registry import TRANSFORMS
from mmdet_ext.annotations.coco_checks import read_instances
from mmdet_ext.datasets import YOLOCocoDataset
from mmengine.logging import MMLogger

IMAGE = dict(file_name='1.png', width=100, height=80)


@pytest.fixture
def log(caplog):
    """What goes to mmengine's current logger."""
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)


def test_boxes_are_corners_clipped_to_the_image(tmp_path):
    files = write_coco(tmp_path, [annotation(), annotation(bbox=(-5, 70, 20, 20), category_id=2)])
    data = YOLOCocoDataset(**files).get_data_info(0)
    assert [instance['bbox'] for instance in data['instances']] == [[10, 20, 40, 60], [0, 70, 15, 80]]
    assert [instance['bbox_label'] for instance in data['instances']] == [0, 1]


def test_an_image_without_boxes_is_kept_for_training(tmp_path):
    files = write_coco(tmp_path, [annotation()], sizes=((100, 80), (100, 80)))
    dataset = YOLOCocoDataset(**files, filter_cfg=dict(filter_empty_gt=False))
    assert [len(dataset.get_data_info(i)['instances']) for i in range(2)] == [1, 0]


def test_rows_with_the_same_class_and_box_count_once(tmp_path, log):
    files = write_coco(tmp_path, [annotation(), annotation(), annotation(category_id=2)])
    dataset = YOLOCocoDataset(**files)
    assert [instance['bbox_label'] for instance in dataset.get_data_info(0)['instances']] == [0, 1]
    assert '1 annotations repeat' in log.text


def test_crowds_are_marked_and_polygons_kept(tmp_path):
    polygon = [[10, 20, 40, 20, 40, 60]]
    files = write_coco(tmp_path, [annotation(segmentation=polygon), annotation(bbox=(1, 1, 9, 9), iscrowd=1)])
    first, crowd = YOLOCocoDataset(**files).get_data_info(0)['instances']
    assert (first['ignore_flag'], first['mask']) == (0, polygon)
    assert crowd['ignore_flag'] == 1 and 'mask' not in crowd


@pytest.mark.parametrize('bbox, problem', [
    ((10, 20, 0, 5), 'no area'),
    ((10, 20, 5, -1), 'negative size'),
    ((10, math.nan, 5, 5), 'not four finite numbers'),
    ((10, 20, math.inf, 5), 'not four finite numbers'),
    ((100, 20, 5, 5), 'outside the image of 100 x 80'),
    ((-9, 20, 9, 5), 'outside'),
    ((1, 2, 3), 'not four finite numbers'),
])
def test_a_box_that_cannot_be_trained_on_is_named(tmp_path, bbox, problem):
    files = write_coco(tmp_path, [annotation(), dict(annotation(), bbox=list(bbox))])
    with pytest.raises(ValueError, match=f'ann.json: 1 annotations .* annotation 2 of 1.png: bbox .* {problem}'):
        YOLOCocoDataset(**files)


def test_bad_boxes_can_be_skipped_with_one_warning(tmp_path, log):
    files = write_coco(tmp_path, [annotation(bbox=(i, 0, 0, 9)) for i in range(7)] + [annotation()])
    dataset = YOLOCocoDataset(**files, bad_boxes='skip')
    assert len(dataset.get_data_info(0)['instances']) == 1
    warnings = [record.getMessage() for record in log.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1 and '7 annotations' in warnings[0] and warnings[0].count('annotation ') == 5


def test_a_box_thinner_than_a_pixel_is_no_bad_box():
    assert len(read_instances([dict(annotation(bbox=(5, 5, 0.5, 9)), id=1)], IMAGE, {1: 0}).kept) == 1


def test_a_row_to_ignore_is_not_even_checked():
    assert read_instances([dict(annotation(bbox=(0, 0, 0, 0), ignore=1), id=1)], IMAGE, {1: 0}) == ([], [], 0)


def test_a_class_that_is_named_twice_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='ann.json: .*has 3 classes and the file 2'):
        YOLOCocoDataset(**write_coco(tmp_path) | dict(metainfo=dict(classes=('cat', 'cat', 'dog'))))


def test_a_name_that_two_categories_have_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='2 classes and the file 3 categories'):
        YOLOCocoDataset(**write_coco(tmp_path, categories=('cat', 'dog', 'dog')))


def test_one_class_without_its_comma_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"is written \('cat',\)"):
        YOLOCocoDataset(**write_coco(tmp_path) | dict(metainfo=dict(classes='cat')))


def test_some_of_the_classes_may_be_chosen(tmp_path):
    files = write_coco(tmp_path, [annotation(), annotation(category_id=2)]) | dict(metainfo=dict(classes=('dog', )))
    dataset = YOLOCocoDataset(**files)
    assert dataset.cat_ids == [2]
    assert [instance['bbox_label'] for instance in dataset.get_data_info(0)['instances']] == [0]


def test_batch_shapes_sort_by_aspect_ratio_and_keep_each_image(tmp_path):
    files = write_coco(tmp_path, [annotation(image_id=3)], sizes=((100, 40), (50, 100), (100, 80), (100, 20)))
    dataset = YOLOCocoDataset(**files, test_mode=True, batch_shapes=dict(batch_size=2, size=64, stride=32, pad=0))
    data = [dataset.get_data_info(i) for i in range(4)]
    assert [d['img_id'] for d in data] == [4, 1, 3, 2]
    assert [d['batch_shape'] for d in data] == [(32, 64), (32, 64), (64, 64), (64, 64)]
    assert [len(d['instances']) for d in data] == [0, 0, 1, 0]


def test_batch_shapes_do_not_touch_training(tmp_path):
    dataset = YOLOCocoDataset(**write_coco(tmp_path, sizes=((50, 100), (100, 20))), batch_shapes=dict(batch_size=2))
    assert [dataset.get_data_info(i)['img_id'] for i in range(2)] == [1, 2]
    assert 'batch_shape' not in dataset.get_data_info(0)


@pytest.mark.parametrize('wrong', [dict(bad_boxes='ignore'), dict(batch_shapes=dict(batchsize=2))])
def test_rejects_unknown_settings(tmp_path, wrong):
    with pytest.raises(ValueError, match='ignore|batchsize'):
        YOLOCocoDataset(**write_coco(tmp_path), **wrong)


def test_evaluation_data_of_coco128_agree_with_the_file(coco128):
    file = coco128 / 'annotations/instances_val2017.json'
    folder = dict(img=str(coco128 / 'val2017'))
    dataset = YOLOCocoDataset(ann_file=str(file), data_prefix=folder, test_mode=True, batch_shapes=dict(batch_size=32))
    expected = sorted(image['id'] for image in json.loads(file.read_text())['images'])
    assert sorted(dataset.get_data_info(i)['img_id'] for i in range(len(dataset))) == expected
    pipeline = [TRANSFORMS.build(dict(type=name)) for name in ('LoadImageFromFile', 'YOLOResize', 'RectLetterbox')]
    for index in (0, 40, 127):
        data = dataset.get_data_info(index)
        for transform in pipeline:
            data = transform(data)
        assert data['img'].shape[:2] == data['batch_shape'] and max(data['batch_shape']) == 672
