"""Every format that is written comes back to the pixel, and loads with the data sets of the package."""
import json
from pathlib import Path

import pytest
from mmdet.registry import DATASETS
from written_formats import SPLIT_WRITERS, WRITERS, Source, shapes_source, write_format

from mmdet_ext.annotations.formats import PreparedData, Split, prepare_data
from mmdet_ext.annotations.formats.box_check import polygon_area
from mmdet_ext.shapes import ShapesConfig, make_shapes

NAMES = {'coco': 'COCO json', 'yolo': 'YOLO txt', 'voc': 'Pascal VOC xml', 'labelme': 'LabelMe json',
         'createml': 'CreateML json', 'via': 'VIA json', 'csv': 'CSV'}


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Source:
    folder = tmp_path_factory.mktemp('shapes') / 'shapes'
    make_shapes(folder, ShapesConfig(train=7, val=3, test=1, empty=0.2, seed=1))
    return shapes_source(folder)


def boxes_of(split: Split) -> dict[str, list]:
    """Class and corners of the boxes of each image, sorted."""
    content = json.loads(split.ann_file.read_text())
    names = {row['id']: row['name'] for row in content['categories']}
    boxes = {row['file_name'].rsplit('/', 1)[-1]: [] for row in content['images']}
    files = {row['id']: row['file_name'].rsplit('/', 1)[-1] for row in content['images']}
    for row in content['annotations']:
        boxes[files[row['image_id']]].append((names[row['category_id']], *row['bbox']))
    return {file: sorted(rows) for file, rows in boxes.items()}


def expected_boxes(source: Source, split: str | None = None) -> dict[str, list]:
    return {item.name: sorted((source.classes[label], *box) for box, label in zip(item.boxes, item.labels))
            for item in source.items if split in (None, item.split)}


def assert_same_boxes(boxes: dict[str, list], expected: dict[str, list]) -> None:
    assert boxes.keys() == expected.keys()
    for file, rows in expected.items():
        assert [row[0] for row in boxes[file]] == [row[0] for row in rows], file
        for row, expected_row in zip(boxes[file], rows):
            assert row[1:] == pytest.approx(expected_row[1:], abs=0.01), file


def check_loads(data: PreparedData) -> None:
    """Both data sets read the files and every image."""
    for kind in ('CheckedCocoDataset', 'YOLOCocoDataset'):
        for split in filter(None, (data.train, data.val, data.test)):
            dataset = DATASETS.build(dict(
                type=kind, ann_file=str(split.ann_file), data_prefix=dict(img=str(split.image_folder)),
                metainfo=dict(classes=data.classes), test_mode=True,
                pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True)]))
            assert len(dataset) == split.num_images
            assert sum(len(dataset[index]['gt_bboxes']) for index in range(len(dataset))) == split.num_boxes


@pytest.mark.parametrize('name', WRITERS)
def test_a_format_comes_back_to_the_pixel(source, name, tmp_path):
    data = prepare_data(write_format(name, source, tmp_path / 'data set'), tmp_path / 'out')
    assert (data.kind, data.format, data.num_problems) == ('boxes', NAMES[name.split()[0]], _unlabelled(source, name))
    assert set(data.classes) == set(source.classes)
    assert data.test is None
    if name in SPLIT_WRITERS:
        assert_same_boxes(boxes_of(data.train), _labelled(expected_boxes(source, 'train'), name))
        assert_same_boxes(boxes_of(data.val), _labelled(expected_boxes(source, 'val'), name))
        assert 'as the data give them' in data.page
    else:
        assert_same_boxes(boxes_of(data.train) | boxes_of(data.val), _labelled(expected_boxes(source), name))
        assert 1 <= data.val.num_images <= 3
        assert 'seed 0' in data.page
    check_loads(data)


def _labelled(boxes: dict[str, list], name: str) -> dict[str, list]:
    """Without images that a CSV cannot list because they have no box."""
    return {file: rows for file, rows in boxes.items() if rows or not _lacks_empty(name)}


def _unlabelled(source: Source, name: str) -> int:
    return sum(not item.boxes for item in source.items) if _lacks_empty(name) else 0


def _lacks_empty(name: str) -> bool:
    return name in ('csv roboflow', 'csv makesense', 'csv open images')


def test_the_source_has_images_without_boxes(source):
    assert any(not item.boxes for item in source.items)


@pytest.mark.parametrize('name', ['coco', 'yolo polygons'])
def test_polygons_stay(source, name, tmp_path):
    data = prepare_data(write_format(name, source, tmp_path / 'data'), tmp_path / 'out')
    rows = json.loads(data.train.ann_file.read_text())['annotations']
    polygons = [polygon for item in source.of('train') for polygon in item.polygons]
    single = [index for index, polygon in enumerate(polygons) if len(polygon) == 1]
    assert len(single) > 5 and len(rows) == len(polygons)
    for index in single:
        assert rows[index]['segmentation'][0] == pytest.approx(polygons[index][0], abs=0.01)


@pytest.mark.parametrize('file', ['train/_annotations.coco.json', 'data.yaml'])
def test_one_file_is_enough(source, file, tmp_path):
    name = 'coco roboflow' if file.endswith('json') else 'yolo roboflow'
    data = prepare_data(write_format(name, source, tmp_path / 'data') / file, tmp_path / 'out')
    if file.endswith('json'):  # the other sets are no part of it
        assert_same_boxes(boxes_of(data.train) | boxes_of(data.val), expected_boxes(source, 'train'))
    else:
        assert_same_boxes(boxes_of(data.val), expected_boxes(source, 'val'))


def test_a_json_apart_from_its_images_is_enough(source, tmp_path):
    folder = write_format('coco', source, tmp_path / 'data')
    data = prepare_data(folder / 'annotations' / 'instances_val2017.json', tmp_path / 'out')
    assert data.train.num_images + data.val.num_images == 3


def test_the_second_time_nothing_is_read(source, tmp_path, monkeypatch):
    folder = write_format('yolo', source, tmp_path / 'data')
    first = prepare_data(folder, tmp_path / 'out')
    monkeypatch.setattr('mmdet_ext.annotations.formats.prepare.read_labels', None)
    monkeypatch.setattr('mmdet_ext.annotations.formats.prepare.check_images', None)
    assert prepare_data(folder, tmp_path / 'out') == first


@pytest.mark.parametrize('change', ['label', 'option', 'missing file'])
def test_what_changed_is_read_again(source, change, tmp_path):
    folder = write_format('voc roboflow', source, tmp_path / 'data')
    first = prepare_data(folder, tmp_path / 'out')
    if change == 'label':
        label = next(path for path in (folder / 'train').glob('*.xml') if '<name>' in path.read_text())
        label.write_text(label.read_text().replace('<name>', '<name>new_'))
        assert len(prepare_data(folder, tmp_path / 'out').classes) > len(first.classes)
    elif change == 'option':
        assert prepare_data(folder, tmp_path / 'out', data_format='voc') == first
        with pytest.raises(ValueError, match='COCO json; there are: Pascal VOC xml'):
            prepare_data(folder, tmp_path / 'out', data_format='coco')
    else:
        first.val.ann_file.unlink()
        assert prepare_data(folder, tmp_path / 'out') == first
        assert first.val.ann_file.is_file()


def test_images_are_decoded_once(source, tmp_path, monkeypatch):
    folder = write_format('labelme', source, tmp_path / 'data')
    prepare_data(folder, tmp_path / 'out')
    label = next(folder.glob('*.json'))
    label.write_text(label.read_text() + ' ')
    monkeypatch.setattr('mmdet_ext.annotations.formats.image_check.read_image_file', None)
    prepare_data(folder, tmp_path / 'out')


def test_a_check_writes_no_annotations(source, tmp_path):
    data = prepare_data(write_format('createml', source, tmp_path / 'data'), tmp_path / 'out', check_only=True)
    names = {path.name for path in (tmp_path / 'out').rglob('*')}
    assert names == {'check.txt', 'problems.csv', 'images.json', 'prepared.json'}
    assert (tmp_path / 'out' / 'check.txt').read_text() == data.page
    assert prepare_data(tmp_path / 'data', tmp_path / 'out').train.ann_file.is_file()


def test_an_out_folder_inside_the_data_is_no_data(source, tmp_path):
    folder = write_format('coco cvat', source, tmp_path / 'data')
    first = prepare_data(folder, folder / 'out')
    (folder / 'out' / 'prepared.json').unlink()
    assert prepare_data(folder, folder / 'out') == first


def test_the_page_has_formats_classes_and_sizes_in_few_lines(source, tmp_path):
    many = source._replace(classes=(*source.classes, *(f'a class with quite a long name {n}' for n in range(74))))
    page = prepare_data(write_format('yolo', many, tmp_path / 'data'), tmp_path / 'out').page
    lines = page.splitlines()
    assert lines[0].startswith('Format: YOLO txt (data.yaml)')
    assert len(lines) < 60 and max(map(len, lines)) < 180
    assert 'Boxes per class (80)' in page and 'small' in page and 'Without any box' in page


def test_the_area_of_polygons_by_hand():
    assert polygon_area([[0, 0, 4, 0, 4, 2], [10, 10, 10, 12, 12, 12, 12, 10]]) == 4 + 4


def test_one_json_of_coco128_is_read_with_the_images_of_its_folder(coco128, tmp_path):
    content = json.loads((coco128 / 'annotations' / 'instances_val2017.json').read_text())
    expected = prepare_data(coco128 / 'annotations' / 'instances_val2017.json', tmp_path / 'direct')
    assert expected.train.num_images + expected.val.num_images == len(content['images'])
    assert Path(expected.train.image_folder).name == 'val2017'
