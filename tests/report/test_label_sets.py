import json

import numpy as np
import pytest
from mmengine.config import Config, ConfigDict

from mmdet_ext.report.label_sets import CELLS, Labels, coverage, read_labels
from mmdet_ext.report.labels import labels_section

CLASSES = ('cat & dog', '<b>', 'nothing')
# image, class, (x, y, width, height), crowd
BOXES = [(1, 1, (0, 0, 40, 40), 0), (1, 2, (10, 10, 10, 40), 0), (2, 1, (0, 0, 100, 100), 0), (2, 1, (0, 0, 5, 5), 1)]


@pytest.fixture
def cfg(tmp_path):
    images = [dict(id=image, file_name=f'{image}.png', width=100, height=100) for image in (1, 2, 3)]
    rows = [dict(id=number, image_id=image, category_id=label, bbox=box, area=box[2] * box[3], iscrowd=crowd)
            for number, (image, label, box, crowd) in enumerate(BOXES, 1)]
    categories = [dict(id=number, name=name) for number, name in enumerate(CLASSES, 1)]
    (tmp_path / 'boxes.json').write_text(json.dumps(dict(images=images, annotations=rows, categories=categories)))
    dataset = dict(
        type='CocoDataset', ann_file=str(tmp_path / 'boxes.json'), metainfo=dict(classes=CLASSES),
        data_prefix=dict(img=''), filter_cfg=dict(filter_empty_gt=True), pipeline=[dict(type='LoadImageFromFile')])
    train = dict(type='RepeatDataset', times=3, dataset=dict(type='ConcatDataset', datasets=[dataset, dataset]))
    return Config(dict(train_dataloader=dict(dataset=train), val_dataloader=dict(dataset=dataset)))


def test_labels_are_counted_in_whatever_wraps_the_data_sets(cfg):
    labels = read_labels(cfg, 'train', 'training')
    assert labels.per_image.tolist() == [2, 1, 0] * 2  # each image once, those without a box too
    assert labels.labels.tolist() == [0, 1, 0] * 2 and labels.crowds == 2
    assert labels.sides.tolist() == [40, 20, 100] * 2
    assert labels.row() == ['training', 6, 6, 2, 2, 1., 40., 2, 2]


def test_the_section_has_figures_and_tables_of_both_sets(cfg, tmp_path):
    section = labels_section(cfg, tmp_path / 'out')
    names = ['classes.png', 'sizes.png', 'boxes_per_image.png', 'positions.png']
    assert [figure.path.name for figure in section.figures] == names
    assert all(figure.path.is_file() for figure in section.figures)
    assert section.figures[0].text == ('The commonest training class is cat & dog, with 4 boxes. 1 classes have none: '
                                       'nothing.')
    data_sets, classes = section.tables
    assert [row[:4] for row in data_sets.rows] == [['training', 6, 6, 2], ['validation', 3, 3, 1]]
    assert classes.rows == [['cat & dog', 4, 2, 70., 70.], ['<b>', 2, 1, 20., 20.], ['nothing', 0, 0, None, None]]


def test_without_data_sets_there_is_no_section(tmp_path):
    assert labels_section(Config(dict(train_dataloader=None)), tmp_path) is None


def test_a_missing_annotation_file_is_named(cfg, tmp_path):
    cfg.val_dataloader.dataset = ConfigDict(cfg.val_dataloader.dataset, ann_file='no.json')
    with pytest.raises(FileNotFoundError, match=r'no\.json'):
        labels_section(cfg, tmp_path)


def test_coverage_equals_counting_cell_by_cell():
    generator = np.random.default_rng(0)
    sizes = generator.uniform(50, 200, (30, 2))
    corners = np.sort(generator.uniform(0, 1, (30, 2, 2)), axis=1) * sizes[:, None]
    labels = Labels('', ('a', ), np.zeros(30, int), corners.reshape(30, 4), sizes, np.array([30]), 0)
    middles = (np.arange(CELLS) + 0.5) / CELLS
    slow = np.zeros((CELLS, CELLS))
    for box, (width, height) in zip(labels.boxes, sizes):
        inside_x = (middles * width >= box[0]) & (middles * width < box[2])
        inside_y = (middles * height >= box[1]) & (middles * height < box[3])
        slow += inside_y[:, None] & inside_x[None]
    np.testing.assert_allclose(coverage(labels), 100 * slow / 30)
