"""Whatever is wrong with an annotation file is refused by every data set and metric, with file, table, row and key."""
import json

import pytest
from annotated_files import COCO_KINDS, COCO_SETS, DATASET_KINDS, KINDS, build, good_content, write

from mmdet_ext.annotations.annotation_file import check_coco, size_of
from mmdet_ext.annotations.annotation_json import load_json


def change(table: str, **fields):
    """A change of the first row of a table."""
    return lambda content: content[table][0].update(fields)


def drop(table: str, key: str):
    return lambda content: content[table][0].pop(key)


def twice(table: str):
    return lambda content: content[table].append(dict(content[table][0]))


ANNOTATION, IMAGE, CATEGORY = (f'row 0 of {table} (id 1)' for table in ('annotations', 'images', 'categories'))
BROKEN = {
    'annotation without id': (drop('annotations', 'id'), 'row 0 of annotations has no id'),
    'annotation without image_id': (drop('annotations', 'image_id'), f'{ANNOTATION} has no image_id'),
    'image without id': (drop('images', 'id'), 'row 0 of images has no id'),
    'image without file_name': (drop('images', 'file_name'), f'{IMAGE} has no file_name'),
    'image without width': (drop('images', 'width'), f'{IMAGE} has no width'),
    'image_id of no image': (change('annotations', image_id=7), f'{ANNOTATION}: image_id should be one of the ids of '
                             'images, 1, got 7'),
    'image_id as text': (change('annotations', image_id='1'), f"{ANNOTATION}: image_id should be one of the ids of "
                         "images, 1, got '1'"),
    'image_id as float': (change('annotations', image_id=1.), 'image_id should be a whole number or a text, got 1.0'),
    'image_id null': (change('annotations', image_id=None), 'image_id should be a whole number or a text, got None'),
    'id as bool': (change('images', id=True), 'id should be a whole number or a text, got True'),
    'id as list': (change('annotations', id=[1]), 'id should be a whole number or a text, got [1]'),
    'file_name as number': (change('images', file_name=7), f'{IMAGE}: file_name should be a text, got 7'),
    'file_name with a zero byte': (change('images', file_name='a\0.png'), 'file_name should be the name of a file'),
    'file_name empty': (change('images', file_name=''), 'file_name should be the name of a file'),
    'width beyond all images': (change('images', width=10**400), 'width should be a positive whole number'),
    'width 0': (change('images', width=0), f'{IMAGE}: width should be a positive whole number of pixels, got 0'),
    'width of parts': (change('images', width=96.5), 'width should be a positive whole number of pixels, got 96.5'),
    'width not finite': (change('images', width=float('inf')), 'width should be a positive whole number'),
    'height NaN': (change('images', height=float('nan')), 'height should be a positive whole number'),
    'height null': (change('images', height=None), f'{IMAGE}: height should be a number, got None'),
    'iscrowd as text': (change('annotations', iscrowd='no'), f"{ANNOTATION}: iscrowd should be 0 or 1, got 'no'"),
    'iscrowd 2': (change('annotations', iscrowd=2), f'{ANNOTATION}: iscrowd should be 0 or 1, got 2'),
    'area as text': (change('annotations', area='9'), f"{ANNOTATION}: area should be a number, got '9'"),
    'area negative': (change('annotations', area=-1), 'area should be a number of at least 0, got -1'),
    'area beyond a float': (change('annotations', area=10**400), 'area should be a number of at least 0, got 1000'),
    'area NaN': (change('annotations', area=float('nan')), 'area should be a number of at least 0, got nan'),
    'image twice': (twice('images'), 'row 1 of images (id 1): images has this id twice'),
    'annotation twice': (twice('annotations'), 'row 1 of annotations (id 1): annotations has this id twice'),
    'images an object': (lambda content: content.update(images={}), 'images should be a list, got {}'),
    'no images': (lambda content: content['images'].clear(), "'images' is missing or empty"),
    'images missing': (lambda content: content.pop('images'), "'images' is missing or empty"),
    'annotations null': (lambda content: content.update(annotations=None), 'annotations should be a list, got None'),
    'annotations a text': (lambda content: content.update(annotations='x'), "annotations should be a list, got 'x'"),
    'row a number': (lambda content: content['annotations'].append(5), 'row 1 of annotations should be an object with '
                     'fields, got 5'),
    'image a text': (lambda content: content['images'].append('2.png'), "row 1 of images should be an object with "
                     "fields, got '2.png'"),
}
OF_COCO = {
    'annotation without category_id': (drop('annotations', 'category_id'), f'{ANNOTATION} has no category_id'),
    'category_id of none': (change('annotations', category_id=9), f'{ANNOTATION}: category_id should be one of the ids '
                            'of categories, 1, got 9'),
    'category_id as text': (change('annotations', category_id='1'), "one of the ids of categories, 1, got '1'"),
    'category without name': (drop('categories', 'name'), f'{CATEGORY} has no name'),
    'category without id': (drop('categories', 'id'), 'row 0 of categories has no id'),
    'name as number': (change('categories', name=5), f'{CATEGORY}: name should be a text, got 5'),
    'category id twice': (twice('categories'), 'row 1 of categories (id 1): categories has this id twice'),
    'name twice': (lambda content: content['categories'].append(dict(id=2, name='dog')), 'a name stands twice'),
    'no categories': (lambda content: content.pop('categories'), "'categories' is missing or empty"),
    'width as text': (change('images', width='96'), f"{IMAGE}: width should be a number, got '96'"),
    'other class': (change('categories', name='cat'), "metainfo['classes'] has ['dog'], which are not among"),
}
BOXES = [[5, 5, 30], [5, 5, 30, 40, 1], ['5', '5', '30', '40'], None, [5, 5, None, 40], [5, 5, float('nan'), 40],
         [5, 5, float('inf'), 40], [5, 5, True, 40], [10 ** 400, 5, 30, 40], {}, 'box', []]


@pytest.mark.parametrize('kind', KINDS)
def test_the_file_that_is_broken_below_is_good(tmp_path, kind):
    assert build(kind, write(tmp_path, kind)) is not None


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('case', BROKEN)
def test_a_broken_file_is_refused_by_all(tmp_path, kind, case):
    assert_refused(tmp_path, kind, *BROKEN[case])


@pytest.mark.parametrize('kind', COCO_KINDS)
@pytest.mark.parametrize('case', OF_COCO)
def test_categories_are_checked_where_they_matter(tmp_path, kind, case):
    assert_refused(tmp_path, kind, *OF_COCO[case])


def assert_refused(folder, kind, change, message):
    file = write(folder, kind, change)
    with pytest.raises(ValueError) as refusal:
        build(kind, file)
    assert str(file) in str(refusal.value) and message in str(refusal.value)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('bbox', BOXES)
def test_a_box_that_is_not_four_finite_numbers_is_refused_by_all(tmp_path, kind, bbox):
    file = write(tmp_path, kind, change('annotations', bbox=bbox))
    with pytest.raises(ValueError, match='case.json.*annotation.* four finite numbers'):
        build(kind, file)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('encode, message', [
    (lambda text: text[:150].encode(), 'line 1, column [0-9]+ .byte [0-9]+. is no valid json'),
    (lambda text: (text * 2).encode(), 'line 1, column [0-9]+ .* Extra data'),
    (lambda text: text.encode('utf-16'), 'byte 0: the file is not in UTF-8'),
    (lambda text: text.encode('utf-16-le'), 'byte 0: the file is not in UTF-8'),
    (lambda text: text.replace('a dog', 'a d\xf6g').encode('latin-1'), 'byte [0-9]+: the file is no text in UTF-8'),
    (lambda text: b'', 'the file is empty'),
    (lambda text: b' \n', 'the file is empty'),
    (lambda text: b'\x89PNG\r\n\x1a\n' + bytes(20), 'byte 0: the file is no text in UTF-8'),
    (lambda text: bytes(100), 'byte 0'),
    (lambda text: b'[' * 100_000, 'nested too deeply|no valid json'),
    (lambda text: b'7', 'is no annotation file'),
])
def test_what_is_no_json_is_refused_with_its_place(tmp_path, kind, encode, message):
    file = write(tmp_path, kind)
    file.write_bytes(encode(json.dumps(good_content(kind), ensure_ascii=False)))
    with pytest.raises(ValueError, match=f'case.json.*({message})'):
        build(kind, file)


@pytest.mark.parametrize('kind', KINDS)
def test_a_missing_file_is_named(tmp_path, kind):
    with pytest.raises(FileNotFoundError, match='case.json'):
        build(kind, tmp_path / 'case.json')


ACCEPTED = {
    'no area': drop('annotations', 'area'), 'area null': change('annotations', area=None),
    'area 0': change('annotations', area=0), 'no iscrowd': drop('annotations', 'iscrowd'),
    'iscrowd null': change('annotations', iscrowd=None), 'iscrowd false': change('annotations', iscrowd=False),
    'width 96.0': change('images', width=96.), 'negative ids': lambda content: (
        content['images'][0].update(id=-1), content['annotations'][0].update(id=-5, image_id=-1)),
    'ids as texts': lambda content: (content['images'][0].update(id='a'),
                                     content['annotations'][0].update(id='b', image_id='a')),
    'fields that nobody knows': change('annotations', note=[None]),
}


@pytest.mark.parametrize('kind', DATASET_KINDS)
@pytest.mark.parametrize('case', ACCEPTED)
def test_what_is_accepted_leaves_the_box_as_it_is(tmp_path, kind, case):
    item = build(kind, write(tmp_path, kind, ACCEPTED[case])).get_data_info(0)
    assert [instance['bbox'] for instance in item['instances']] == [[5, 5, 35, 45]]
    assert item['instances'][0]['ignore_flag'] == 0
    assert (item['width'], item['height']) == (96, 64) and type(item['width']) is int


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('case', ACCEPTED)
def test_what_is_accepted_is_accepted_by_all(tmp_path, kind, case):
    build(kind, write(tmp_path, kind, ACCEPTED[case]))


@pytest.mark.parametrize('kind', KINDS)
def test_a_byte_order_mark_is_accepted(tmp_path, kind):
    file = write(tmp_path, kind)
    file.write_bytes(b'\xef\xbb\xbf' + file.read_bytes())
    build(kind, file)
    assert load_json(file) == json.loads(file.read_bytes()[3:])


def test_rows_without_area_and_iscrowd_get_them():
    content = good_content('CheckedCocoDataset')
    del content['annotations'][0]['area'], content['annotations'][0]['iscrowd']
    check_coco(content, 'case.json')
    row, = content['annotations']
    assert (row['area'], row['iscrowd']) == (30 * 40, 0)


@pytest.mark.parametrize('kind', COCO_KINDS)
def test_classes_in_another_order_than_the_file_s_are_refused(tmp_path, kind):
    file = write(tmp_path, kind, lambda content: content['categories'].insert(0, dict(id=2, name='cat')))
    classes = dict(classes=('dog', 'cat'))
    with pytest.raises(ValueError, match=r"case.json: metainfo\['classes'\] must keep the order .*\('cat', 'dog'\)"):
        if kind in COCO_SETS:
            build(kind, file, metainfo=classes)
        else:
            build(kind, file).dataset_meta = classes


@pytest.mark.parametrize('kind', DATASET_KINDS)
def test_a_data_set_of_which_nothing_is_left_is_refused(tmp_path, kind):
    with pytest.raises(ValueError, match=r'case.json: no image is left: .*indices=\[\]'):
        build(kind, write(tmp_path, kind), indices=[])


@pytest.mark.parametrize('image, size', [
    (dict(width='96', height='64'), (96, 64)), (dict(width=96., height=64), (96, 64)), (dict(width=96), None),
    (dict(width='x', height=4), None), (dict(width=-1, height=4), None), (dict(width=[1], height=4), None)
])
def test_sizes_of_an_image(image, size):
    assert size_of(image) == size
