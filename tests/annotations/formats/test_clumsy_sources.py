"""What people give by mistake ends with advice, and what their tools write in odd ways is read."""
import json
import re
import shutil
import unicodedata
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from test_prepare_formats import assert_same_boxes, boxes_of, check_loads, expected_boxes
from written_formats import Source, put, shapes_source, write_format

from mmdet_ext.annotations.formats import prepare_data
from mmdet_ext.shapes import ShapesConfig, make_shapes


@pytest.fixture(scope='module')
def source(tmp_path_factory) -> Source:
    folder = tmp_path_factory.mktemp('shapes') / 'shapes'
    make_shapes(folder, ShapesConfig(train=6, val=3, test=1, seed=2))
    return shapes_source(folder)


def all_boxes(data) -> dict[str, list]:
    return boxes_of(data.train) | boxes_of(data.val)


def replace_in(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# Errors, with what to do


def images_only(source, folder):
    for item in source.items:
        shutil.copy(item.path, folder / item.name)


def empty(source, folder):
    pass


def images_beside_labels(source, folder):
    (folder / 'images').mkdir()
    images_only(source, folder / 'images')
    (folder / 'labels').mkdir()


def labels_only(source, folder):
    write_format('coco', source, folder / 'data')
    for name in ('train2017', 'val2017'):
        shutil.rmtree(folder / 'data' / name)


def zipped(source, folder):
    shutil.make_archive(str(folder / 'data'), 'zip', write_format('yolo', source, folder / 'yolo'))


def one_in_two_sets(source, folder):
    write_format('yolo lists', source, folder / 'data')
    with open(folder / 'data' / 'val.txt', 'a') as file:
        file.write('./images/train_000001.png\n')


def pixels_in_yolo(source, folder):
    write_format('yolo', source, folder / 'data')
    for path in (folder / 'data' / 'labels').rglob('*.txt'):
        path.write_text('0 80 80 30 30\n1 90 90 20 20\n')


def too_few_names(source, folder):
    write_format('yolo', source, folder / 'data')
    (folder / 'data' / 'data.yaml').write_text('train: images/train\nval: images/val\nnames: [circle]\n')


def no_boxes(source, folder):
    write_format('yolo', source, folder / 'data')
    for path in (folder / 'data' / 'labels').rglob('*.txt'):
        path.write_text('')


def wrong_train(source, folder):
    write_format('yolo', source, folder / 'data')
    replace_in(folder / 'data' / 'data.yaml', 'train: images/train', 'train: imgs/train')


def label_studio(source, folder):
    images_only(source, folder)
    put(folder / 'project-1.json', [dict(id=1, data=dict(image='/data/upload/1/a.png'), annotations=[])])


def cvat_xml(source, folder):
    images_only(source, folder)
    put(folder / 'annotations.xml', '<?xml version="1.0"?>\n<annotations><version>1.1</version></annotations>')


def other_csv(source, folder):
    images_only(source, folder)
    put(folder / 'results.csv', 'epoch,loss\n1,2\n')


def broken_yaml(source, folder):
    write_format('yolo', source, folder / 'data')
    replace_in(folder / 'data' / 'data.yaml', 'names:', 'names: [a, b')


def no_categories(source, folder):
    write_format('coco cvat', source, folder / 'data')
    file = folder / 'data' / 'annotations' / 'instances_default.json'
    file.write_text(json.dumps(json.loads(file.read_text()) | dict(categories=[])))


def one_image(source, folder):
    write_format('voc beside', source._replace(items=source.items[:1]), folder / 'data')


def copies_of_one(source, folder):
    write_format('voc beside', source._replace(items=source.items[:1]), folder / 'data')
    for path in list((folder / 'data').iterdir()):
        shutil.copy(path, path.with_stem('copy'))


@pytest.mark.parametrize(('make', 'given', 'message'), [
    (images_only, '', 'no labels were recognised.*export the labels'),
    (empty, '', 'source has no file: give the folder'),
    (images_beside_labels, 'images', 'has images, but no labels. If these are in .*labels, give .*source'),
    (empty, '', 'source has no file: give the folder'),
    (images_beside_labels, 'images', 'has images, but no labels. If these are in .*labels, give .*source'),
    (labels_only, 'data', 'no image in it.*beside the labels'),
    (zipped, 'data.zip', 'is an archive: unpack it .unzip data.zip'),
    (images_only, 'train_000001.png', 'is one image: give the folder'),
    (images_only, 'nothing/here', 'there is no .*nothing/here; .* has train_000001.png'),
    (one_in_two_sets, 'data', '1 images are both in train and in val.*train_000001.png.*Take them out'),
    (pixels_in_yolo, 'data', '18 of 18 boxes cannot be used.*outside.*pixels or fractions.*problems.csv'),
    (too_few_names, 'data', 'boxes cannot be used.*class is not known.*data set|names of the classes'),
    (no_boxes, 'data', 'none of 9 images has a box'),
    (wrong_train, 'data', r"data.yaml: train: 'imgs/train' is not there.*Correct the key"),
    (label_studio, '', "Label Studio's own json.*export"),
    (cvat_xml, '', "CVAT's own xml.*export"),
    (other_csv, '', r"results.csv: the columns \['epoch', 'loss'\] are not known.*filename, class, xmin"),
    (broken_yaml, 'data', 'data.yaml is no valid yaml.*line'),
    (no_categories, 'data', 'categories is missing or empty'),
    (one_image, 'data', 'at least two images, there is 1'),
    (copies_of_one, 'data', 'all 2 images are copies of one'),
])
def test_a_mistake_ends_with_advice(source, make, given, message, tmp_path):
    folder = tmp_path / 'source'
    folder.mkdir()
    make(source, folder)
    with pytest.raises((ValueError, OSError)) as error:
        prepare_data(folder / given, tmp_path / 'out')
    assert re.search(message, str(error.value)), str(error.value)


def test_wrong_options_are_errors(source, tmp_path):
    folder = write_format('yolo', source, tmp_path / 'data')
    with pytest.raises(ValueError, match='data_format should be one of coco, .* got .txt'):
        prepare_data(folder, tmp_path / 'out', data_format='txt')
    with pytest.raises(ValueError, match='val_fraction .* got 20'):
        prepare_data(folder, tmp_path / 'out', val_fraction=20)


# What tools write in odd ways


def names_missing(folder):
    (folder / 'data.yaml').write_text('train: images/train\nval: images/val\n')


def absolute_paths(folder):
    replace_in(folder / 'data.yaml', 'path: .', 'path: /content/datasets/shapes-1')
    replace_in(folder / 'data.yaml', 'train: images/train', 'train: /content/datasets/shapes-1/images/train')


def windows(folder):
    text = (folder / 'data.yaml').read_text().replace('images/', 'images\\').replace('path: .', r'path: C:\data')
    (folder / 'data.yaml').write_bytes(b'\xef\xbb\xbf' + text.replace('\n', '\r\n').encode())
    for path in (folder / 'labels').rglob('*.txt'):
        path.write_bytes(b'\xef\xbb\xbf' + path.read_text().replace('\n', '\r\n').encode())


def list_of_folders(folder):
    replace_in(folder / 'data.yaml', 'train: images/train', 'train: [images/train, images/more]')
    for kind in ('images', 'labels'):
        (folder / kind / 'more').mkdir()
        for path in sorted((folder / kind / 'train').iterdir())[:2]:
            shutil.move(path, folder / kind / 'more' / path.name)


def upper_case(folder):
    for path in list((folder / 'images').rglob('*.png')):
        path.rename(path.with_suffix('.PNG'))


def quoted_numbers(folder):
    text = (folder / 'data.yaml').read_text()
    (folder / 'data.yaml').write_text(re.sub(r'^  (\d): (\w+)', r'  "\1": "\2"', text, flags=re.MULTILINE))


def confidences(folder):
    for path in (folder / 'labels').rglob('*.txt'):
        path.write_text(''.join(f'{row.replace(" ", ".0 ", 1)}  0.9\n\n' for row in path.read_text().splitlines()))


def keypoints(folder):
    (folder / 'data.yaml').write_text('kpt_shape: [2, 3]\n' + (folder / 'data.yaml').read_text())
    for path in (folder / 'labels').rglob('*.txt'):
        path.write_text(''.join(f'{row} 0.1 0.1 2 0.9 0.9 1\n' for row in path.read_text().splitlines()))


def no_yaml(folder):
    (folder / 'data.yaml').unlink()
    put(folder / 'classes.txt', 'circle\nsquare\ntriangle\nstar\ncross\npentagon\n')


def missing_test(folder):
    with open(folder / 'data.yaml', 'a') as file:
        file.write('\ntest: ../test/images\n')


@pytest.mark.parametrize('change', [names_missing, absolute_paths, windows, list_of_folders, upper_case, quoted_numbers,
                                    confidences, keypoints, no_yaml, missing_test])
def test_yolo_sets_are_read_as_they_occur(source, change, tmp_path):
    folder = write_format('yolo', source, tmp_path / 'data set é')
    change(folder)
    data = prepare_data(folder, tmp_path / 'out')
    numbered = {f'class_{label}': name for label, name in enumerate(source.classes)}
    boxes = {file.replace('.PNG', '.png'): sorted((numbered.get(row[0], row[0]), *row[1:]) for row in rows)
             for file, rows in boxes_of(data.train).items()}
    assert_same_boxes(boxes, expected_boxes(source, 'train'))
    assert boxes_of(data.val).keys() == {name.replace('.png', data_suffix(data)) for name in
                                         expected_boxes(source, 'val')}
    if change is names_missing:
        assert 'No file names the classes' in data.page
    check_loads(data)


def data_suffix(data) -> str:
    return Path(next(iter(boxes_of(data.val)))).suffix


def test_a_name_of_a_class_in_a_voc_file_may_be_latin_1(source, tmp_path):
    folder = write_format('voc beside', source, tmp_path / 'data')
    for path in folder.glob('*.xml'):
        text = path.read_text().replace('star', 'étoile').replace('<?xml version="1.0"?>\n', '')
        path.write_bytes(text.replace('\n', '\r\n').encode('latin-1'))
    data = prepare_data(folder, tmp_path / 'out')
    assert 'étoile' in data.classes and data.num_problems == 0


def test_a_voc_file_finds_its_image_after_renaming(source, tmp_path):
    folder = write_format('voc', source, tmp_path / 'data')
    for path in (folder / 'VOCdevkit' / 'VOC2007' / 'Annotations').iterdir():
        path.write_text(re.sub('<filename>.*</filename>', r'<filename>C:\\old\\IMG_1</filename>', path.read_text()))
    assert_same_boxes(boxes_of(prepare_data(folder, tmp_path / 'out').train), expected_boxes(source, 'train'))


def test_voc_boxes_that_count_from_0_are_taken_as_they_are(source, tmp_path):
    folder = write_format('voc beside', source, tmp_path / 'data')
    (folder / 'train_000001.xml').write_text(
        '<annotation><filename>train_000001.png</filename><size><width>0</width><height>0</height></size><object><name>'
        'star</name><bndbox><xmin>0</xmin><ymin>5</ymin><xmax>20</xmax><ymax>15</ymax></bndbox></object></annotation>')
    data = prepare_data(folder, tmp_path / 'out')
    assert all_boxes(data)['train_000001.png'] == [('star', 0, 5, 20, 10)]
    assert 'counted from 0' in data.page


@pytest.mark.parametrize('form', ['NFC', 'NFD'])
def test_names_may_have_blanks_and_accents_in_either_form(source, form, tmp_path):
    folder = write_format('coco cvat', source, tmp_path / 'data')
    file = folder / 'annotations' / 'instances_default.json'
    content = json.loads(file.read_text())
    for row in content['images']:
        new = f'Foto é {row["file_name"]}'
        (folder / 'images' / 'default' / row['file_name']).rename(
            folder / 'images' / 'default' / unicodedata.normalize(form, new))
        row['file_name'] = new
    file.write_text(json.dumps(content, ensure_ascii=False), encoding='utf-8-sig')
    data = prepare_data(folder, tmp_path / 'out')
    assert data.num_problems == 0 and data.train.num_images + data.val.num_images == 9
    check_loads(data)


@pytest.mark.parametrize('suffix', ['.jpg', '.JPEG', '.bmp', '.webp', '.tif', '.TIFF'])
@pytest.mark.parametrize('mode', ['L', 'RGB', 'RGBA', 'I;16'])
def test_images_of_every_kind_are_read(source, suffix, mode, tmp_path):
    if (mode == 'RGBA' and suffix.lower() in ('.jpg', '.jpeg')) or (mode == 'I;16' and suffix.lower() != '.tif'):
        pytest.skip('this file format has no such images')
    folder = write_format('voc beside', source, tmp_path / 'data')
    for path in list(folder.glob('*.png')):
        image = Image.open(path).convert('L' if mode == 'I;16' else mode)
        if mode == 'I;16':
            image = Image.fromarray(np.asarray(image).astype(np.uint16) * 257)
        image.save(path.with_suffix(suffix))
        path.unlink()
    data = prepare_data(folder, tmp_path / 'out')
    assert data.num_problems == 0
    check_loads(data)


@pytest.mark.parametrize('separator', [';', '\t', ', '])
def test_csv_may_have_other_separators_and_columns(source, separator, tmp_path):
    folder = write_format('csv retinanet', source, tmp_path / 'data')
    rows = [row.split(',') for row in (folder / 'annotations.csv').read_text().split()]
    head = ['Image Path', 'x_min', 'y_min', 'x_max', 'y_max', 'Label']
    text = ''.join(f'{separator.join(row)}\r\n' for row in [head, *rows])
    (folder / 'annotations.csv').write_bytes(text.encode('utf-16'))
    assert_same_boxes(all_boxes(prepare_data(folder, tmp_path / 'out')), expected_boxes(source))


def test_csv_may_have_boxes_in_one_column(source, tmp_path):
    folder = write_format('csv makesense', source, tmp_path / 'data')
    rows = [row.split(',') for row in (folder / 'labels.csv').read_text().split()[1:]]
    text = 'image_id,width,height,bbox,source\n' + ''.join(
        f'{row[5][:-4]},{row[6]},{row[7]},"[{", ".join(row[1:5])}]",{row[0]}\n' for row in rows)
    (folder / 'labels.csv').write_text(text.replace(',source', ',label'))
    assert_same_boxes(all_boxes(prepare_data(folder, tmp_path / 'out')), expected_boxes(source))


def test_a_csv_without_classes_is_of_one_class_unless_another_column_may_have_them(source, tmp_path):
    folder = write_format('csv retinanet', source, tmp_path / 'data')
    rows = [row.split(',') for row in (folder / 'annotations.csv').read_text().split()]

    def prepare(column):
        lines = [','.join([*row[:5], f'{column} 1']) for row in rows]
        (folder / 'annotations.csv').write_text('\n'.join([f'image,xmin,ymin,xmax,ymax,{column}', *lines]))
        return prepare_data(folder, tmp_path / 'out')

    data = prepare('source')
    assert data.classes == ('object', ) and data.train.num_boxes + data.val.num_boxes == len(rows)
    assert "has no column of classes: all boxes are of one class, 'object'" in data.page
    with pytest.raises(ValueError, match="no column is called class. Is it 'cell_type'"):
        prepare('cell_type')


def test_makesense_without_a_header(source, tmp_path):
    folder = write_format('csv makesense', source, tmp_path / 'data')
    (folder / 'labels.csv').write_text('\n'.join((folder / 'labels.csv').read_text().split()[1:]))
    assert_same_boxes(all_boxes(prepare_data(folder, tmp_path / 'out')), expected_boxes(source))


def test_categories_may_begin_with_a_background_of_id_0(source, tmp_path):
    folder = write_format('coco label studio', source, tmp_path / 'data')
    content = json.loads((folder / 'result.json').read_text())
    for row in content['annotations']:
        row['category_id'] += 1
    content['categories'] = [dict(id=0, name='background'), *(
        row | dict(id=row['id'] + 1) for row in content['categories'])]
    (folder / 'result.json').write_text(json.dumps(content))
    data = prepare_data(folder, tmp_path / 'out')
    assert data.classes == source.classes and 'background' in data.page
    assert_same_boxes(all_boxes(data), expected_boxes(source))


def test_label_files_of_other_formats_are_named(source, tmp_path):
    folder = write_format('coco cvat', source, tmp_path / 'data')
    write_format('voc beside', source, folder / 'old')
    data = prepare_data(folder, tmp_path / 'out')
    assert data.format == 'COCO json' and 'may be Pascal VOC xml: they are not read' in data.page
    assert prepare_data(folder, tmp_path / 'out', data_format='voc').format == 'Pascal VOC xml'


def test_nested_folders_and_equal_names_are_kept_apart(source, tmp_path):
    folder = tmp_path / 'data'
    for day in ('day 1', 'day 2'):
        write_format('voc beside', source, folder / day / 'deep')
    for path in (folder / 'day 2').rglob('*.png'):
        cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    data = prepare_data(folder, tmp_path / 'out')
    assert data.train.num_images + data.val.num_images == 18 and data.num_problems == 0
    assert {row['file_name'][:5] for row in json.loads(data.train.ann_file.read_text())['images']} == {'day 1', 'day 2'}


def test_links_and_hidden_files_do_no_harm(source, tmp_path):
    folder = write_format('yolo', source, tmp_path / 'data')
    (folder / 'images' / 'loop').symlink_to(folder, target_is_directory=True)
    put(folder / '.cache' / 'a.json', '{')
    put(folder / '__MACOSX' / '._a.json', '{')
    put(folder / 'images' / 'train' / '._train_000001.png', b'')
    data = prepare_data(folder, tmp_path / 'out')
    assert data.num_problems == 0 and data.train.num_images == 6
