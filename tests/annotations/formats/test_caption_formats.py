"""Captions in each form become files that `MDETRDataset` and `PhraseGroundingMetric` read."""
import csv
import json
from pathlib import Path

import pytest
from mmdet.registry import DATASETS, METRICS
from written_formats import Source, put, put_csv, put_image, shapes_source, write_format

from mmdet_ext.annotations.formats import PreparedData, prepare_data
from mmdet_ext.annotations.formats.captions import name_spans
from mmdet_ext.shapes import ShapesConfig, make_shapes


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('shapes') / 'shapes'
    make_shapes(folder, ShapesConfig(train=6, val=3, test=1, seed=2))
    return folder


@pytest.fixture(scope='module')
def source(shapes) -> Source:
    return shapes_source(shapes)


def check_loads(data: PreparedData) -> None:
    for split in (data.train, data.val):
        dataset = DATASETS.build(dict(type='MDETRDataset', ann_file=str(split.ann_file), pipeline=[dict(
            type='LoadImageFromFile')], data_prefix=dict(img=str(split.image_folder)), test_mode=True))
        assert len(dataset) == split.num_images
        assert sum(len(item['instances']) for item in map(dataset.get_data_info, range(len(dataset)))) == \
            split.num_boxes > 0
        assert dataset[0]['img'].ndim == 3
        METRICS.build(dict(type='PhraseGroundingMetric', ann_file=str(split.ann_file)))


def named(data: PreparedData) -> list[tuple[str, str, list[float]]]:
    """Caption, words and box of each annotation, sorted."""
    rows = []
    for split in (data.train, data.val):
        content = json.loads(split.ann_file.read_text())
        captions = {row['id']: row['caption'] for row in content['images']}
        for row in content['annotations']:
            caption = captions[row['image_id']]
            rows.append((caption, ' '.join(caption[begin:end] for begin, end in row['tokens_positive']), row['bbox']))
    return sorted(rows)


def captions_of(source: Source) -> dict[str, str]:
    """A caption for each image that names all but its last class."""
    captions = {}
    for number, item in enumerate(source.items):
        names = list(dict.fromkeys(source.classes[label] for label in item.labels))
        captions[item.name] = f'Image {number} has a ' + ' and a '.join(names[:-1] or names)
    return captions


def expected_names(source: Source, captions: dict[str, str]) -> list[tuple[str, str, list[float]]]:
    return sorted((captions[item.name], source.classes[label], box) for item in source.items
                  for box, label in zip(item.boxes, item.labels) if source.classes[label] in captions[item.name])


def test_an_mdetr_json_passes_through(shapes, tmp_path):
    data = prepare_data(shapes, tmp_path / 'out', data_format='captions')
    assert (data.kind, data.test is not None) == ('captions', True)
    assert data.num_problems == 1 and 'overview.png' in data.page  # an image without labels
    assert data.format == 'captions with boxes (MDETR json)'
    check_loads(data)


def test_one_mdetr_json_is_captions_without_being_told(shapes, tmp_path):
    given = shapes / 'annotations' / 'grounding_train.json'
    data = prepare_data(given, tmp_path / 'out')
    content = json.loads(given.read_text())
    captions = {row['id']: row['caption'] for row in content['images']}
    expected = sorted((captions[row['image_id']], ' '.join(captions[row['image_id']][begin:end]
                      for begin, end in row['tokens_positive']), row['bbox']) for row in content['annotations'])
    assert named(data) == expected
    check_loads(data)


def test_boxes_alone_get_captions_that_count_them(source, tmp_path):
    data = prepare_data(write_format('yolo', source, tmp_path / 'data'), tmp_path / 'out', data_format='captions')
    assert data.format == 'captions made from boxes (YOLO txt)'
    assert data.train.num_images == 6 and data.classes == source.classes
    assert any(words == 'two circles' or words == 'a circle' for _, words, _ in named(data))
    check_loads(data)


@pytest.mark.parametrize('form', ['csv', 'headerless csv', 'coco captions'])
@pytest.mark.parametrize('boxes', ['coco', 'voc beside'])
def test_captions_are_tied_to_the_boxes_of_classes_that_they_name(source, form, boxes, tmp_path):
    folder, captions = write_format(boxes, source, tmp_path / 'data'), captions_of(source)
    if form == 'coco captions':
        images = [dict(id=number, file_name=item.name, width=1, height=1) for number, item in enumerate(source.items)]
        rows = [dict(id=row['id'], image_id=row['id'], caption=captions[row['file_name']]) for row in images]
        put(folder / 'captions.json', dict(images=images, annotations=rows))
    else:
        put_csv(folder / 'captions.csv', [('image', 'caption')] * (form == 'csv') + list(captions.items()))
    data = prepare_data(folder, tmp_path / 'out', data_format='captions')
    expected = expected_names(source, captions)
    assert [row[:2] for row in named(data)] == [row[:2] for row in expected]
    for row, (_, _, box) in zip(named(data), expected):
        assert row[2] == pytest.approx(box)
    left_out = sum(len(item.boxes) for item in source.items) - len(expected)
    assert left_out and f'{left_out}  box is not named in the caption' in data.page
    check_loads(data)
    assert prepare_data(folder, tmp_path / 'boxes').kind == 'boxes'


def test_a_csv_may_have_captions_phrases_and_boxes(source, tmp_path):
    rows, expected = [], []
    for item in source.items:
        put_image(item, tmp_path / 'data' / item.name)
        for box, label in zip(item.boxes[:2], item.labels):
            caption = f'Look at the nice {source.classes[label]} here'
            x, y, w, h = box
            rows.append((item.name, caption, f'Nice {source.classes[label]}', x, y, x + w, y + h))
            expected.append((caption, f'nice {source.classes[label]}', box))
    head = ('image', 'caption', 'phrase', 'xmin', 'ymin', 'xmax', 'ymax')
    put_csv(tmp_path / 'data' / 'pairs.csv', [head, *rows])
    data = prepare_data(tmp_path / 'data' / 'pairs.csv', tmp_path / 'out', data_format='captions')
    assert named(data) == sorted(expected)
    check_loads(data)


@pytest.mark.parametrize('given', ['', 'captions.csv'])
@pytest.mark.parametrize('data_format', ['captions', None])
def test_captions_without_boxes_end_with_advice(source, given, data_format, tmp_path):
    for item in source.items:
        put_image(item, tmp_path / 'data' / item.name)
    put_csv(tmp_path / 'data' / 'captions.csv', [('image', 'caption'), *captions_of(source).items()])
    with pytest.raises(ValueError, match='captions need boxes.*image, caption, phrase, xmin'):
        prepare_data(tmp_path / 'data' / given, tmp_path / 'out', data_format=data_format)


def test_broken_rows_of_an_mdetr_json_are_left_out(shapes, tmp_path):
    content = json.loads((shapes / 'annotations' / 'grounding_train.json').read_text())
    content['annotations'][0]['tokens_positive'] = [[0, 999]]
    content['annotations'][1]['bbox'] = [1, 2, 3]
    content['images'][3]['file_name'] = 'no.png'
    for path in (shapes / 'train').iterdir():
        put(tmp_path / 'data' / path.name, path.read_bytes())
    put(tmp_path / 'data' / 'captions.json', content)
    data = prepare_data(tmp_path / 'data', tmp_path / 'out')
    with open(tmp_path / 'out' / 'problems.csv', encoding='utf-8-sig', newline='') as file:
        problems = {(row['kind'], row['row']) for row in csv.DictReader(file)}
    assert problems >= {('row cannot be read', 'annotations row 0'), ('coordinate is no number', 'annotations row 1'),
                        ('image is missing', 'images row 3')}
    check_loads(data)


@pytest.mark.parametrize(('label', 'caption', 'words'), [
    ('dog', 'A Dog and a hotdog', ['Dog']), ('person', 'Two people wait', ['people']), ('cat', 'no such thing', []),
    ('traffic_light', 'a traffic light, two traffic lights', ['traffic light', 'traffic lights']),
    ('c++ (logo)', 'the C++ logo', ['C++']), ('stop sign', 'a stop-sign', ['stop-sign'])])
def test_names_are_looked_for_as_words(label, caption, words):
    assert [caption[begin:end] for begin, end in name_spans(label, caption)] == words
