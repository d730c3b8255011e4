"""Which images features are taken from."""
import json
from itertools import count

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmdet_ext.dictionary.sources.image_set import find_images

NUMBERS = count(1)

def coco(folder, name, files, annotations=()):
    """Write an annotation file of images 7, 6, 5, ... and return its path."""
    images = [dict(id=7 - index, file_name=file, width=9, height=9) for index, file in enumerate(files)]
    (folder / name).write_text(json.dumps(dict(images=images, annotations=list(annotations))))
    return str(folder / name)


def box(image_id, *sides, **others):
    return dict(id=next(NUMBERS), image_id=image_id, bbox=sides, category_id=1, **others)


@pytest.fixture
def cfg(tmp_path):
    """A config whose training set is wrapped twice, of which one part is given by absolute paths."""
    for name in ('train', 'more', 'val'):
        (tmp_path / name).mkdir()
    coco(tmp_path, 'train.json', ['a.png', 'b.png'], [box(6, 1, 2, 3, 4)])
    coco(tmp_path, 'more.json', ['c.png'], [box(7, 0, 0, 5, 5)])
    coco(tmp_path, 'val.json', ['d.png'])
    coco(tmp_path, 'test.json', ['e.png'])
    first = dict(type='CocoDataset', data_root=str(tmp_path), ann_file='train.json', data_prefix=dict(img='train/'))
    second = dict(type='CocoDataset', ann_file=str(tmp_path / 'more.json'),
                  data_prefix=dict(img=str(tmp_path / 'more')))
    inner = dict(type='ConcatDataset', datasets=[dict(type='RepeatDataset', times=2, dataset=first), second])
    held_out = dict(type='CocoDataset', data_root=str(tmp_path), ann_file='val.json', data_prefix=dict(img='val/'))
    return Config(dict(
        train_dataloader=dict(dataset=dict(type='MultiImageMixDataset', dataset=inner)),
        val_dataloader=dict(dataset=held_out),
        test_evaluator=[dict(type='CocoMetric', ann_file=str(tmp_path / 'test.json'))]))


def test_a_config_gives_the_images_that_it_trains_on(cfg, tmp_path):
    (tmp_path / 'val.json').unlink()
    (tmp_path / 'test.json').unlink()
    image_set = find_images(cfg)
    assert image_set.paths == [str(tmp_path / name) for name in ('train/a.png', 'train/b.png', 'more/c.png')]
    assert [boxes.tolist() for boxes in image_set.boxes] == [[], [[1, 2, 4, 6]], [[0, 0, 5, 5]]]


def test_crowds_and_boxes_without_area_are_left_out(tmp_path):
    ann = coco(tmp_path, 'a.json', ['a.png', 'b.png'], [
        box(6, 1, 1, 1, 1), box(7, 0, 0, 9, 9, iscrowd=1), box(7, 2, 2, 2, 2), box(6, 0, 0, 0, 4), box(7, 3, 3, 1, 1)])
    image_set = find_images(ann=ann, images=str(tmp_path))
    assert image_set.boxes[0].tolist() == [[2, 2, 4, 4], [3, 3, 4, 4]]
    assert image_set.boxes[1].tolist() == [[1, 1, 2, 2]]


def test_a_folder_is_searched_in_the_order_of_its_paths(tmp_path):
    (tmp_path / 'b' / 'deep').mkdir(parents=True)
    for name in ('b/deep/2.JPG', 'b/1.png', 'c.jpeg', 'notes.txt'):
        (tmp_path / name).touch()
    image_set = find_images(images=str(tmp_path))
    assert image_set.paths == [str(tmp_path / name) for name in ('b/1.png', 'b/deep/2.JPG', 'c.jpeg')]
    assert image_set.boxes is None


@pytest.mark.parametrize('split', ['val', 'test'])
def test_held_out_annotations_are_refused_unread(cfg, tmp_path, split):
    link = tmp_path / 'innocent.json'
    link.symlink_to(tmp_path / f'{split}.json')
    (tmp_path / f'{split}.json').write_text('not to be read')
    for ann in (link, tmp_path / f'{split}.json'):
        with pytest.raises(ValueError, match=f'holds the {split} annotations of'):
            find_images(cfg, ann=str(ann), images=str(tmp_path))


def test_folders_with_held_out_images_are_refused(cfg, tmp_path):
    for folder in ('val', '.'):
        with pytest.raises(ValueError, match='holds the val images'):
            find_images(cfg, images=str(tmp_path / folder))
    cv2.imwrite(str(tmp_path / 'train' / 'x.png'), np.zeros((4, 4, 3), np.uint8))
    assert len(find_images(cfg, images=str(tmp_path / 'train')).paths) == 1


def test_other_annotations_lie_in_the_training_folder_unless_said(cfg, tmp_path):
    cfg.train_dataloader.dataset = cfg.train_dataloader.dataset.dataset.datasets[0]
    ann = coco(tmp_path, 'some.json', ['z.png'])
    assert find_images(cfg, ann=ann).paths == [str(tmp_path / 'train' / 'z.png')]
    assert find_images(cfg, ann=ann, images=str(tmp_path / 'more')).paths == [str(tmp_path / 'more' / 'z.png')]
    with pytest.raises(ValueError, match='images=FOLDER'):
        find_images(ann=ann)


@pytest.mark.parametrize('content, message', [
    ('{', 'line 1, column 2 .* is no valid json'),
    ('[]', 'is no annotation file'),
    ('{"images": []}', "'images' is missing or empty"),
    ('{"images": [{"id": 1}]}', 'has no file_name'),
    ('{"images": [{"id": 1, "file_name": "a"}]}', 'has no width'),
    ('{"images": [{"id": 1, "file_name": "a", "width": 9, "height": 9}, '
     '{"id": 1, "file_name": "b", "width": 9, "height": 9}]}', 'has this id twice'),
    ('{"images": [{"id": 1, "file_name": "a", "width": 9, "height": 9}], "annotations": [{"id": 3, "image_id": 2}]}',
     'image_id should be .* got 2'),
])
def test_a_bad_annotation_file_is_named(tmp_path, content, message):
    (tmp_path / 'bad.json').write_text(content)
    with pytest.raises(ValueError, match=f'bad.json.*{message}'):
        find_images(ann=str(tmp_path / 'bad.json'), images=str(tmp_path))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='none.json'):
        find_images(ann=str(tmp_path / 'none.json'), images=str(tmp_path))
    for arguments in (dict(ann=coco(tmp_path, 'a.json', ['a.png'])), {}):
        with pytest.raises(FileNotFoundError, match='nowhere'):
            find_images(images=str(tmp_path / 'nowhere'), **arguments)
    with pytest.raises(ValueError, match='no images in'):
        find_images(images=str(tmp_path))
    with pytest.raises(ValueError, match='names no annotation file'):
        find_images(Config(dict(train_dataloader=None)))
    with pytest.raises(ValueError, match='no images are named'):
        find_images()
