"""What is broken in each format is listed with file, row and value, and the rest is used."""
import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from test_prepare_formats import boxes_of, check_loads
from written_formats import Source, shapes_source, write_format

from mmdet_ext.annotations.formats import Split, prepare_data
from mmdet_ext.shapes import ShapesConfig, make_shapes


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Source:
    folder = tmp_path_factory.mktemp('shapes') / 'shapes'
    make_shapes(folder, ShapesConfig(train=6, val=3, test=1, seed=2, sizes=((160, 160), )))
    return shapes_source(folder)


def problems_of(out: Path) -> list[dict]:
    with open(out / 'problems.csv', encoding='utf-8-sig', newline='') as file:
        return list(csv.DictReader(file))


def areas_of(split: Split) -> list[float]:
    return [row['area'] for row in json.loads(split.ann_file.read_text())['annotations']]


def change_json(change: Callable[[dict], object]) -> Callable[[str], str]:
    def changed(text: str) -> str:
        content = json.loads(text)
        change(content)
        return json.dumps(content)

    return changed


def first_row(row: str) -> Callable[[str], str]:
    """Put another row in the place of the first one."""
    return lambda text: '\n'.join([row, *text.splitlines()[1:]])


def second_row(row: str) -> Callable[[str], str]:
    return lambda text: '\n'.join([text.splitlines()[0], row, *text.splitlines()[2:]])


def set_bbox(*bbox: object) -> Callable[[str], str]:
    return change_json(lambda content: content['annotations'][0].update(bbox=list(bbox)))


def set_voc(side: str, value: object) -> Callable[[str], str]:
    def changed(text: str) -> str:
        begin, _, rest = text.partition(f'<{side}>')
        return f'{begin}<{side}>{value}{rest[rest.index("</"):]}'

    return changed


COCO, YOLO = 'train/_annotations.coco.json', 'labels/train/train_000002.txt'
VOC, CSV, CREATEML = 'train/train_000002.xml', 'train/_annotations.csv', 'train/_annotations.createml.json'
BROKEN = {
    'coco nan': ('coco roboflow', COCO, set_bbox(float('nan'), 1, 5, 5), 'coordinate is no number', 'row 0', 'nan'),
    'coco text': ('coco roboflow', COCO, set_bbox('a', 1, 5, 5), 'coordinate is no number', 'row 0', "'a'"),
    'coco three': ('coco roboflow', COCO, set_bbox(1, 5, 5), 'row cannot be read', 'row 0', '[1, 5, 5]'),
    'coco negative': ('coco roboflow', COCO, set_bbox(50, 50, -5, 5), 'min is above max', 'row 0', '-5'),
    'coco no area': ('coco roboflow', COCO, set_bbox(50, 50, 0, 5), 'box has no area', 'row 0', '0'),
    'coco outside': ('coco roboflow', COCO, set_bbox(500, 50, 9, 5), 'box lies outside the image', 'row 0', '500'),
    'coco class': ('coco roboflow', COCO, change_json(lambda c: c['annotations'][0].update(category_id=99)),
                   'class is not known', 'row 0', '99'),
    'coco image id': ('coco roboflow', COCO, change_json(lambda c: c['annotations'][0].update(image_id=99)),
                      'label file without image', 'row 0', '99'),
    'coco missing image': ('coco roboflow', COCO, change_json(lambda c: c['images'][0].update(file_name='no.png')),
                           'image is missing', 'images row 0', 'no.png'),
    'coco other size': ('coco roboflow', COCO, change_json(lambda c: c['images'][0].update(width=100, height=50)),
                        'size differs from the image', 'train_000001.png', '100 x 50'),
    'coco id twice': ('coco roboflow', COCO, change_json(lambda c: c['images'].append(dict(c['images'][0]))),
                      'row cannot be read', 'images row 6', 'twice'),
    'coco row': ('coco roboflow', COCO, change_json(lambda c: c['annotations'].append(7)), 'row cannot be read',
                 'annotations row', '7'),
    'yolo nan': ('yolo', YOLO, first_row('0 nan 0.5 0.1 0.1'), 'coordinate is no number', 'line 1', '0 nan'),
    'yolo short': ('yolo', YOLO, first_row('0 0.5 0.1 0.1'), 'row cannot be read', 'line 1', '0 0.5 0.1 0.1'),
    'yolo class': ('yolo', YOLO, first_row('6 0.5 0.5 0.1 0.1'), 'class is not known', 'line 1', 'class 6'),
    'yolo negative class': ('yolo', YOLO, first_row('-1 0.5 0.5 0.1 0.1'), 'class is not known', 'line 1', '-1'),
    'yolo half class': ('yolo', YOLO, first_row('0.5 0.5 0.5 0.1 0.1'), 'class is not known', 'line 1', '0.5'),
    'yolo pixels': ('yolo', YOLO, first_row('0 80 80 10 10'), 'box lies outside the image', 'line 1', '0 80 80'),
    'yolo negative': ('yolo', YOLO, first_row('0 0.5 0.5 -0.1 0.1'), 'min is above max', 'line 1', '-0.1'),
    'yolo no area': ('yolo', YOLO, first_row('0 0.5 0.5 0 0.1'), 'box has no area', 'line 1', '0 0.5 0.5 0 0.1'),
    'voc reversed': ('voc roboflow', VOC, set_voc('xmin', 155), 'min is above max', 'object 1', '155'),
    'voc nan': ('voc roboflow', VOC, set_voc('ymin', 'nan'), 'coordinate is no number', 'object 1', 'nan'),
    'voc empty': ('voc roboflow', VOC, set_voc('ymin', ''), 'coordinate is no number', 'object 1', ''),
    'voc no name': ('voc roboflow', VOC, set_voc('name', ''), 'row cannot be read', 'object 1', 'no name'),
    'voc no box': ('voc roboflow', VOC, lambda text: text.replace('bndbox>', 'other>', 2), 'shape is no box',
                   'object 1', 'no bndbox'),
    'voc cut off': ('voc roboflow', VOC, lambda text: text[:200], 'label file cannot be read', '', 'no valid xml'),
    'voc no file': ('voc roboflow', VOC, lambda text: '', 'label file cannot be read', '', 'empty'),
    'labelme label': ('labelme', 'train_000002.json', change_json(lambda c: c['shapes'][0].update(label='')),
                      'row cannot be read', 'shape 0', ''),
    'labelme line': ('labelme', 'train_000002.json', change_json(lambda c: c['shapes'][0].update(shape_type='line')),
                     'shape is no box', 'shape 0', 'line'),
    'labelme point': ('labelme', 'train_000002.json',
                      change_json(lambda c: c['shapes'][0].update(points=[[1, None], [2, 3]])),
                      'coordinate is no number', 'shape 0', 'None'),
    'labelme cut off': ('labelme', 'train_000002.json', lambda text: text[:100], 'label file cannot be read', '',
                        'no valid json'),
    'createml key': ('createml', CREATEML, change_json(lambda c: c[1]['annotations'][0].pop('coordinates')),
                     'row cannot be read', 'row 1, annotation 0', 'label'),
    'createml nan': ('createml', CREATEML,
                     change_json(lambda c: c[1]['annotations'][0]['coordinates'].update(x='?')),
                     'coordinate is no number', 'row 1, annotation 0', '?'),
    'via point': ('via', 'via_project.json', change_json(
        lambda c: list(c['_via_img_metadata'].values())[1]['regions'][0]['shape_attributes'].update(name='point')),
        'shape is no box', 'region 0', 'point'),
    'csv reversed': ('csv roboflow', CSV, second_row('train_000001.png,160,160,star,90,10,20,30'), 'min is above max',
                     'line 2', '90,10,20,30,star'),
    'csv word': ('csv roboflow', CSV, second_row('train_000001.png,160,160,star,x,10,20,30'),
                 'coordinate is no number', 'line 2', 'x,10'),
    'csv no class': ('csv roboflow', CSV, second_row('train_000001.png,160,160,,1,10,20,30'), 'row cannot be read',
                     'line 2', '1,10,20,30'),
    'csv missing image': ('csv roboflow', CSV, second_row('no.png,160,160,star,1,10,20,30'), 'image is missing',
                          'line 2', 'no.png'),
    'csv short row': ('csv roboflow', CSV, second_row('train_000001.png,160,160,star,1,10'),
                      'coordinate is no number', 'line 2', '1,10'),
}


@pytest.mark.parametrize('name', BROKEN)
def test_a_broken_row_is_listed_and_left_out(source, name, tmp_path):
    written, file, change, kind, row, value = BROKEN[name]
    folder = write_format(written, source, tmp_path / 'data')
    (folder / file).write_text(change((folder / file).read_text()))
    data = prepare_data(folder, tmp_path / 'out')
    problems = [problem for problem in problems_of(tmp_path / 'out') if problem['kind'] == kind]
    assert problems, problems_of(tmp_path / 'out')
    assert (problems[0]['file'], problems[0]['action']) == (file, 'left out')
    assert row in problems[0]['row'] and value in problems[0]['value']
    assert kind in data.page and 'left out' in data.page
    total = sum(len(item.boxes) for item in source.items)
    assert data.num_problems >= 1 and 0 < data.train.num_boxes + data.val.num_boxes <= total
    check_loads(data)


def test_boxes_that_stick_out_are_clipped_and_counted(source, tmp_path):
    folder = write_format('yolo', source, tmp_path / 'data')
    (folder / YOLO).write_text('0 0.05 0.5 0.2 0.1\n0 1.0 0.5 0.0000002 0.1\n1 0.5 0.5 1.000001 1\n'
                               '2 -0.04 0.5 0.1 0.1\n')
    data = prepare_data(folder, tmp_path / 'out')
    problems = [(problem['kind'], problem['action'], problem['row']) for problem in problems_of(tmp_path / 'out')]
    assert problems == [('box sticks out of the image', 'clipped', 'line 1'),
                        ('box has no area', 'left out', 'line 2'),  # a millionth is rounding, and not counted
                        ('box lies outside the image', 'left out', 'line 4')]  # a tenth of it is inside
    assert boxes_of(data.train)['train_000002.png'] == [('circle', 0, 72, 24, 16), ('square', 0, 0, 160, 160)]


def test_a_box_that_stands_twice_is_left_out_once(source, tmp_path):
    folder = write_format('yolo', source, tmp_path / 'data')
    (folder / YOLO).write_text('0 0.5 0.5 0.2 0.1\n' * 3 + '1 0.5 0.5 0.2 0.1\n')
    prepare_data(folder, tmp_path / 'out')
    assert [problem['row'] for problem in problems_of(tmp_path / 'out')] == ['line 2', 'line 3']


@pytest.mark.parametrize(('damage', 'reason'), [
    (lambda path: path.write_bytes(b''), 'empty'), (lambda path: path.write_bytes(b'no image at all'), 'identify'),
    (lambda path: path.write_bytes(path.read_bytes()[:-200]), 'truncated'), (Path.unlink, None)])
@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_a_broken_image_is_left_out_with_its_boxes(source, damage, reason, suffix, tmp_path):
    folder = write_format('voc beside', source, tmp_path / 'data')
    image = folder / 'train_000002.png'
    noise = np.random.default_rng(0).integers(0, 255, (160, 160, 3), np.uint8)
    image.unlink()
    image = image.with_suffix(suffix)
    cv2.imwrite(str(image), noise)
    damage(image)
    data = prepare_data(folder, tmp_path / 'out')
    problem, = problems_of(tmp_path / 'out')
    if reason is None:
        assert (problem['file'], problem['kind']) == ('train_000002.xml', 'label file without image')
    else:
        assert (problem['file'], problem['kind']) == (image.name, 'image cannot be read') and reason in problem['value']
    assert data.train.num_images + data.val.num_images == len(source.items) - 1
    check_loads(data)


def test_images_without_labels_are_background_in_yolo_and_left_out_elsewhere(source, tmp_path):
    for name, label in (('yolo', YOLO), ('voc roboflow', VOC)):
        folder = write_format(name, source, tmp_path / name)
        (folder / label).unlink()
        data = prepare_data(folder, tmp_path / f'out {name}')
        assert data.train.num_images == (6 if name == 'yolo' else 5)
        assert ('no label file' if name == 'yolo' else 'image without labels') in data.page
        assert len(problems_of(tmp_path / f'out {name}')) == (name != 'yolo')


def test_a_label_file_without_image_is_listed(source, tmp_path):
    folder = write_format('yolo', source, tmp_path / 'data')
    (folder / 'images' / 'train' / 'train_000002.png').unlink()
    prepare_data(folder, tmp_path / 'out')
    assert [problem['file'] for problem in problems_of(tmp_path / 'out')] == [YOLO]


def test_two_images_of_one_name_are_listed(source, tmp_path):
    folder = write_format('voc', source, tmp_path / 'data')
    images = folder / 'VOCdevkit' / 'VOC2007' / 'JPEGImages'
    Image.open(images / 'train_000002.png').save(images / 'train_000002.jpg')
    prepare_data(folder, tmp_path / 'out')
    assert problems_of(tmp_path / 'out')[0]['value'].startswith('VOCdevkit') is False
    assert {problem['kind'] for problem in problems_of(tmp_path / 'out')} == {'image without labels'}
    images.joinpath('train_000002.png').unlink()
    other = images.parent / 'Other' / 'train_000002.jpg'
    other.parent.mkdir()
    shutil.move(images / 'train_000002.jpg', other)
    prepare_data(folder, tmp_path / 'out')
    assert problems_of(tmp_path / 'out') == []


def test_sizes_of_the_same_proportions_scale_the_boxes(source, tmp_path):
    folder = write_format('coco roboflow', source, tmp_path / 'data')
    content = json.loads((folder / COCO).read_text())
    first = prepare_data(folder, tmp_path / 'first')
    content['images'][1].update(width=320, height=320)
    for row in content['annotations']:
        if row['image_id'] == content['images'][1]['id']:
            row['bbox'] = [2 * value for value in row['bbox']]
            row['area'] *= 4
    (folder / COCO).write_text(json.dumps(content))
    scaled = prepare_data(folder, tmp_path / 'out')
    assert boxes_of(scaled.train) == boxes_of(first.train) and areas_of(scaled.train) == areas_of(first.train)
    assert problems_of(tmp_path / 'out')[0]['action'] == 'scaled'


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('said', ['stored', 'displayed'])
def test_boxes_follow_the_exif_orientation(orientation, said, tmp_path):
    folder = tmp_path / 'data'
    folder.mkdir()
    stored = np.zeros((60, 100, 3), np.uint8)
    stored[10:30, 20:80] = 255  # x 20 to 80, y 10 to 30
    exif = Image.Exif()
    exif[274] = orientation
    rows = []
    for number in range(2):
        name = folder / f'{number}.jpg'
        Image.fromarray(stored // (number + 1)).save(name, exif=exif, quality=95)
        displayed = cv2.imread(str(name))
        ys, xs = np.nonzero(displayed[..., 0] > 60)
        box = [int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1]
        height, width = displayed.shape[:2]
        if said == 'stored' and orientation >= 5:
            rows.append(f'{name.name},100,60,bar,20,10,80,30')
        else:
            rows.append(f'{name.name},{width},{height},bar,{",".join(map(str, box))}')
    (folder / 'boxes.csv').write_text('\n'.join(['filename,width,height,class,xmin,ymin,xmax,ymax', *rows]))
    data = prepare_data(folder, tmp_path / 'out')
    corners = [box[0], box[1], box[2] - box[0], box[3] - box[1]]
    assert [row[1:] for rows in (boxes_of(data.train) | boxes_of(data.val)).values() for row in rows] == [
        tuple(corners)] * 2
    check_loads(data)


def test_label_files_of_one_image_are_joined(source, tmp_path):
    folder = write_format('coco cvat', source, tmp_path / 'data')
    file = folder / 'annotations' / 'instances_default.json'
    expected = prepare_data(folder, tmp_path / 'first')
    content = json.loads(file.read_text())
    halves = [content | dict(annotations=content['annotations'][begin::2]) for begin in (0, 1)]
    for number, half in enumerate(halves):
        (file.parent / f'instances_{number}.json').write_text(json.dumps(half))
    file.unlink()
    data = prepare_data(folder, tmp_path / 'out')
    assert data.train.num_boxes + data.val.num_boxes == expected.train.num_boxes + expected.val.num_boxes
    assert {problem['action'] for problem in problems_of(tmp_path / 'out')} == {'merged'}
