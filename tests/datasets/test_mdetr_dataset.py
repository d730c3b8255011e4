"""MDETRDataset: the published formats, what it leaves out, and its errors."""
import json
import re

import cv2
import numpy as np
import pytest
import torch
from golden.cases import load_case
from grounding_files import CAPTION, image, row, write_grounding
from mmdet.registry import DATASETS
from mmengine.config import Config

from mmdet_ext.datasets import MDETRDataset

TRAIN = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True),
    dict(type='FloorResize', scales=[(40, 50)]),
    dict(type='BoxSafeRandomCrop', min_size=30, max_size=40),
    dict(type='TextAwareFlip', prob=1.),
    dict(type='PackGroundingInputs'),
]


@pytest.fixture
def write(tmp_path):
    """Write an annotation file; returns what reads it, with further arguments of the data set."""

    def write(*rows, images=(image(), ), **arguments):
        return MDETRDataset(**write_grounding(tmp_path, *rows, images=images) | arguments)

    return write


@pytest.mark.parametrize('kind', ['separateGT', 'mergedGT'])
def test_flickrs_published_conversion_is_read_whole(tmp_path, kind):
    published = load_case('mdetr', 'flickr').meta['converted'][kind]
    (tmp_path / 'ann.json').write_text(json.dumps(published))
    dataset = MDETRDataset(ann_file=str(tmp_path / 'ann.json'), data_prefix=dict(img='flickr30k'))
    assert len(dataset) == len(published['images']) == 7  # sentences without a box stay
    for item, entry in zip(map(dataset.get_data_info, range(7)), published['images'], strict=True):
        assert item['img_path'] == f'flickr30k/{entry["file_name"]}'
        assert (item['height'], item['width']) == (int(entry['height']), int(entry['width']))  # strings in the file
        assert (item['img_id'], item['text']) == (entry['id'], entry['caption'])
        for key in ('dataset_name', 'sentence_id', 'original_img_id', 'tokens_positive_eval'):
            assert item[key] == entry[key]
        assert 'tokens_negative' not in item
        rows = [row for row in published['annotations'] if row['image_id'] == entry['id']]
        assert item['gt_tokens_positive'] == [row['tokens_positive'] for row in rows]
        boxes = torch.tensor([row['bbox'] for row in rows], dtype=torch.float32).view(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        torch.testing.assert_close(torch.tensor([i['bbox'] for i in item['instances']]).float().view(-1, 4), boxes)


def test_phrasecuts_polygons_become_masks(tmp_path):
    published = load_case('mdetr', 'data_phrasecut').meta['output']
    (tmp_path / 'ann.json').write_text(json.dumps(published))
    cv2.imwrite(str(tmp_path / '7.jpg'), np.zeros((40, 60, 3), np.uint8))
    pipeline = [TRAIN[0], dict(type='LoadAnnotations', with_bbox=True, with_mask=True),
                dict(type='FloorResize', scales=[(20, None)]), dict(type='PackGroundingInputs')]
    sample = MDETRDataset(ann_file=str(tmp_path / 'ann.json'), data_prefix=dict(img=str(tmp_path)),
                          pipeline=pipeline)[0]['data_samples']
    assert sample.task_id == '7__0' and sample.gt_instances.tokens_positive == [[[0, 7]], [[0, 7]]]
    assert sample.gt_instances.masks.masks.shape == (2, 20, 30) and sample.gt_instances.masks.masks.any((1, 2)).all()


def test_tokens_stands_for_tokens_positive_in_clevrs_files(write):
    spans = [[4, 7], [8, 14]]
    other = row(tokens=spans)
    del other['tokens_positive']
    assert write(other)[0]['gt_tokens_positive'] == [spans]


def test_what_cannot_be_trained_on_goes_with_its_spans_and_the_rest_is_clipped(write):
    dataset = write(row(1, iscrowd=1), row(2, bbox=[-5, 70, 30, 40], tokens_positive=[[4, 7]]),
                    row(3, bbox=[10, 10, 0, 5]), row(4, bbox=[200, 10, 5, 5]),
                    row(6, tokens_positive=[[8, 14]]))
    item = dataset[0]
    assert [instance['bbox'] for instance in item['instances']] == [[0, 70, 25, 80], [10, 20, 40, 60]]
    assert item['gt_tokens_positive'] == [[[4, 7]], [[8, 14]]]


def test_three_hundred_objects_are_allowed(write):
    assert len(write(*(row(i) for i in range(1, 301)))[0]['instances']) == 300


def test_each_data_source_has_a_folder_of_its_own(write):
    images = (image(1, data_source='coco'), image(2, data_source='vg'), image(3))
    dataset = write(images=images, data_prefix=dict(coco='a', vg='/b', img='c'))
    paths = [dataset.get_data_info(index)['img_path'] for index in range(3)]
    assert [re.sub('.*/(?=a/|c/)', '', path) for path in paths] == ['a/1.png', '/b/2.png', 'c/3.png']


def test_a_pipeline_takes_caption_boxes_and_spans_to_a_sample(write, tmp_path):
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((80, 100, 3), np.uint8))
    eval_spans = [[[0, 14]], [[26, 39]]]
    rows = (row(1), row(2, bbox=[60, 10, 20, 20], tokens_positive=[[26, 39]]))
    packed = write(*rows, images=(image(tokens_positive_eval=eval_spans), ), pipeline=TRAIN)[0]
    sample = packed['data_samples']
    assert sample.text == 'the red circle is right of the two stars' and sample.dataset_name == 'shapes'
    assert sample.tokens_positive_eval == [[[0, 14]], [[27, 40]]]
    assert sample.gt_instances.tokens_positive == [[[0, 14]], [[27, 40]]]
    assert sample.gt_instances.labels.tolist() == [0, 0] and sample.img_shape == packed['inputs'].shape[1:]
    chosen = sample.gt_instances[torch.tensor([False, True])]
    assert chosen.tokens_positive == [[[27, 40]]] and len(chosen.bboxes) == 1


def test_a_pair_without_boxes_gives_an_empty_sample(write, tmp_path):
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((80, 100, 3), np.uint8))
    instances = write(pipeline=TRAIN)[0]['data_samples'].gt_instances
    assert instances.bboxes.tensor.shape == (0, 4) and instances.tokens_positive == [] and len(instances) == 0


def test_a_config_builds_it(tmp_path):
    cfg = Config(dict(dataset=dict(type='MDETRDataset', bad_spans='skip', **write_grounding(tmp_path, row()))))
    assert DATASETS.build(cfg.dataset).metainfo['classes'] == ('object', )


@pytest.mark.parametrize('rows, images, message', [
    ((), (image(caption=None), ), 'ann.json: image 1 has no caption, got None'),
    ((), (), "ann.json: 'images' is missing or empty"),
    ((row(7, tokens_positive=None), ), (image(), ), 'ann.json: image 1, annotation 7 has neither tokens_positive'),
    ((row(7, tokens_positive=[[0, 40]]), ), (image(), ),
     r'ann.json: image 1, annotation 7: span \[0, 40\) is outside the caption of 39 characters'),
    ((row(7, tokens_positive=[[-1, 4]]), ), (image(), ), r'annotation 7: span \[-1, 4\) is outside'),
    ((row(7, tokens_positive=[[4, 4]]), ), (image(), ), r'annotation 7: span \[4, 4\) is empty or reversed'),
    ((row(7, tokens_positive=[0, 14]), ), (image(), ), 'annotation 7: 0 is not a span'),
    ((), (image(tokens_positive_eval=[[[0, 3]], [[9, 5]]]), ), r'tokens_positive_eval 1: span \[9, 5\) is empty'),
])
def test_errors_name_file_image_annotation_and_value(write, rows, images, message):
    with pytest.raises(ValueError, match=message):
        write(*rows, images=images)


def test_an_image_without_a_folder_is_an_error(write):
    with pytest.raises(ValueError, match="image 1 has the data_source 'vg', and data_prefix has neither"):
        write(images=(image(data_source='vg'), ), data_prefix=dict(coco='a'))


def test_bad_spans_can_be_skipped_and_their_boxes_stay(write):
    item = write(row(1, tokens_positive=[[0, 14], [30, 90]]), row(2, tokens_positive=[[9, 3]]),
                 images=(image(tokens_positive_eval=[[[0, 14]], [[9, 3]]]), ), bad_spans='skip')[0]
    assert item['gt_tokens_positive'] == [[[0, 14]], []] and len(item['instances']) == 2
    assert item['tokens_positive_eval'] == [[[0, 14]], []] and item['text'] == CAPTION


def test_bad_spans_is_checked():
    with pytest.raises(ValueError, match="bad_spans must be 'error' or 'skip', got 'drop'"):
        MDETRDataset(bad_spans='drop')
