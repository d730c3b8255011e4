"""Images that belong together stay together, classes are in both sets where possible, and a seed gives one division."""
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from test_prepare_formats import boxes_of
from written_formats import Source, shapes_source, write_format

from mmdet_ext.annotations.formats import prepare_data
from mmdet_ext.annotations.formats.listing import split_word
from mmdet_ext.annotations.formats.splitting import divide
from mmdet_ext.shapes import ShapesConfig, make_shapes


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Source:
    folder = tmp_path_factory.mktemp('shapes') / 'shapes'
    make_shapes(folder, ShapesConfig(train=6, val=3, test=2, seed=2))
    return shapes_source(folder, ('train', 'val', 'test'))


def paths(*names: str) -> list[Path]:
    return [Path('/data', name) for name in names]


def groups_in_both(names: list[Path], is_val: np.ndarray, key) -> set:
    return {key(path) for path in names for chosen in (True, False)
            if {key(other) for other, val in zip(names, is_val) if val} >= {key(path)}
            and {key(other) for other, val in zip(names, is_val) if not val} >= {key(path)}}


def test_copies_that_roboflow_made_stay_together():
    names = paths(*(f'dog{number}_jpg.rf.{copy * 32}.jpg' for number in range(20) for copy in 'abc'))
    division = divide(names, [['dog']] * 60, 0.2, 0)
    assert division.is_val.sum() == 12
    assert not groups_in_both(names, division.is_val, lambda path: path.name.partition('_')[0])
    assert division.how == 'by single images; 40 copies of others stay with them'


@pytest.mark.parametrize('form', ['clip{}_{:04d}.jpg', 'clip{}-frame{:d}.png', 'street {} ({:d}).jpg',
                                  'v{}_{:06d}_jpg.rf.' + 'a1' * 16 + '.jpg'])
def test_frames_of_a_video_stay_together(form):
    names = paths(*(form.format('abcdefghij'[video], frame) for video in range(10) for frame in range(7)))
    division = divide(names, [['car']] * 70, 0.2, 0)
    assert division.is_val.sum() == 14
    assert not groups_in_both(names, division.is_val, lambda path: path.name.split('_')[0].split('-')[0].split('(')[0])
    assert division.how == 'by 10 sequences of names that differ in their last number, each of which stays whole'


def test_folders_stay_whole():
    names = paths(*(f'day{day}/{frame:04d}.jpg' for day in range(8) for frame in range(10)))
    division = divide(names, [['car']] * 80, 0.25, 3)
    assert division.is_val.sum() == 20 and not groups_in_both(names, division.is_val, lambda path: path.parent)
    assert division.how == 'by the 8 folders of the images, each of which stays whole'


def test_groups_that_are_classes_are_divided_by_images():
    names = paths(*(f'{fruit}/{fruit}_{number}.jpg' for fruit in ('apple', 'pear', 'plum') for number in range(20)))
    division = divide(names, [[path.parent.name] for path in names], 0.2, 0)
    counts = Counter(path.parent.name for path, val in zip(names, division.is_val) if val)
    assert counts.keys() == {'apple', 'pear', 'plum'} and set(counts.values()) <= {3, 4, 5}
    assert division.how == 'by single images'


@pytest.mark.parametrize('form', ['{:012d}.jpg', 'IMG_{:04d}.JPG', '2007_{:06d}.jpg'])
def test_one_series_of_numbers_is_divided_by_images(form):
    division = divide(paths(*map(form.format, range(50))), [['a']] * 50, 0.2, 0)
    assert division.is_val.sum() == 10 and division.how == 'by single images'


@pytest.mark.parametrize('seed', range(8))
def test_rare_classes_are_in_both_sets(seed):
    labels = [['common'] + [f'rare{number // 2}'] * (number < 20) for number in range(200)]
    is_val = divide(paths(*(f'{number}.jpg' for number in range(200))), labels, 0.1, seed).is_val
    for chosen in (is_val, ~is_val):
        assert len({label for row, val in zip(labels, chosen) if val for label in row}) == 11
    assert is_val.sum() == 20


def test_classes_are_divided_evenly():
    labels = [[name] * count for name in 'abcde' for count in [1] * 30 + [5] * 6]
    is_val = divide(paths(*(f'{number}.jpg' for number in range(180))), labels, 0.2, 0).is_val
    counts = [Counter(label for row, val in zip(labels, chosen) if val for label in row)
              for chosen in (is_val, ~is_val)]
    for name in 'abcde':
        assert 0.1 < counts[0][name] / (counts[0][name] + counts[1][name]) < 0.32


def test_the_seed_decides():
    names, labels = paths(*(f'{number}.jpg' for number in range(40))), [['a']] * 40
    first = divide(names, labels, 0.3, 0).is_val
    assert (divide(names, labels, 0.3, 0).is_val == first).all()
    assert (divide(names, labels, 0.3, 1).is_val != first).any()


def test_two_images_are_enough():
    assert sorted(divide(paths('1.jpg', '2.jpg'), [['a'], ['a']], 0.01, 0).is_val) == [False, True]


@pytest.mark.parametrize(('name', 'split'), [
    ('instances_train2017', 'train'), ('valid', 'val'), ('_annotations', None), ('trainval', None), ('Test', 'test'),
    ('val2017', 'val'), ('training', 'train'), ('contest', None), ('train_val', None), ('testSet', 'test')])
def test_the_words_of_sets(name, split):
    assert split_word(name) == split


def test_given_sets_stay_and_a_test_set_is_kept(source, tmp_path):
    for name in ('yolo', 'voc', 'coco', 'csv roboflow', 'createml'):
        data = prepare_data(write_format(name, source, tmp_path / name), tmp_path / f'out {name}')
        assert {split: getattr(data, split).num_images for split in ('train', 'val', 'test')} == dict(
            train=6, val=3, test=2), name


def test_without_a_validation_set_it_is_taken_from_the_training_set(source, tmp_path):
    folder = write_format('coco roboflow', source, tmp_path / 'data')
    shutil.rmtree(folder / 'valid')
    data = prepare_data(folder, tmp_path / 'out', val_fraction=0.5)
    assert (data.train.num_images, data.val.num_images, data.test.num_images) == (3, 3, 2)
    assert boxes_of(data.test).keys() == {item.name for item in source.of('test')}
    assert '3 of 6 images (50%)' in data.page


def test_a_set_that_only_measures_is_divided(source, tmp_path):
    folder = write_format('coco roboflow', source, tmp_path / 'data')
    for name in ('train', 'test'):
        shutil.rmtree(folder / name)
    data = prepare_data(folder, tmp_path / 'out', val_fraction=0.3)
    assert (data.train.num_images, data.val.num_images, data.test) == (2, 1, None)


def test_a_validation_set_that_is_the_training_set_is_noted(source, tmp_path):
    folder = write_format('yolo', source, tmp_path / 'data')
    (folder / 'data.yaml').write_text(f'train: images/train\nval: images/train\nnames: {list(source.classes)}\n')
    data = prepare_data(folder, tmp_path / 'out')
    assert boxes_of(data.train) == boxes_of(data.val)
    assert 'All images of val are also in train' in data.page


def test_copies_in_two_sets_are_left_out_of_the_one_that_measures(source, tmp_path):
    folder = write_format('yolo', source, tmp_path / 'data')
    for kind, suffix in (('images', 'png'), ('labels', 'txt')):
        shutil.copy(folder / kind / 'train' / f'train_000001.{suffix}', folder / kind / 'val' / f'copy.{suffix}')
    data = prepare_data(folder, tmp_path / 'out')
    assert (data.train.num_images, data.val.num_images) == (6, 3)
    assert 'images/val/copy.png,,the same bytes as images/train/train_000001.png of train' in (
        tmp_path / 'out' / 'problems.csv').read_text()


def test_copies_stay_in_one_set(source, tmp_path):
    folder = write_format('voc beside', source, tmp_path / 'data')
    for number in range(6):
        for suffix in ('png', 'xml'):
            shutil.copy(folder / f'train_000001.{suffix}', folder / f'again{number}x.{suffix}')
    data = prepare_data(folder, tmp_path / 'out')
    copies = [{name for name in boxes_of(split) if name.startswith('again') or name == 'train_000001.png'}
              for split in (data.train, data.val)]
    assert sorted(map(len, copies)) == [0, 7]
    assert data.num_problems == 6


def test_images_outside_the_sets_are_used_for_training(source, tmp_path):
    folder = write_format('voc roboflow', source, tmp_path / 'data')
    for path in list((folder / 'train').iterdir()):
        shutil.move(path, folder / path.name)
    data = prepare_data(folder, tmp_path / 'out')
    assert data.train.num_images == 6 and '6 images lie outside the folders of the sets' in data.page


def test_a_column_may_name_the_set(source, tmp_path):
    folder = write_format('csv makesense', source, tmp_path / 'data')
    rows = (folder / 'labels.csv').read_text().split()
    (folder / 'labels.csv').write_text('\n'.join(
        [f'{rows[0]},split', *(f'{row},{row.split(",")[5].split("_")[0]}' for row in rows[1:])]))
    data = prepare_data(folder, tmp_path / 'out')
    assert (data.train.num_images, data.val.num_images, data.test.num_images) == (6, 3, 2)


def test_file_names_are_relative_to_the_common_folder(source, tmp_path):
    data = prepare_data(write_format('coco roboflow', source, tmp_path / 'data'), tmp_path / 'out')
    assert data.train.image_folder == tmp_path / 'data'
    assert json.loads(data.val.ann_file.read_text())['images'][0]['file_name'] == 'valid/val_000001.png'
