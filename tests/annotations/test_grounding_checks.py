"""Each thing that can be wrong with an annotation file is found, and named with its place."""
import cv2
import numpy as np
import pytest
from grounding_files import CAPTION, content, image, row
from PIL import ExifTags, Image

from mmdet_ext.annotations.annotation_file import check_grounding_fields
from mmdet_ext.annotations.grounding_checks import displayed_size, grounding_problems


def words(caption: str) -> list[tuple[int, int]]:
    """Offsets of a tokenizer that cuts at spaces and knows no colour."""
    offsets, place = [(0, 0)], 0
    for word in caption.split(' '):
        if word not in ('red', ''):
            offsets.append((place, place + len(word)))
        place += len(word) + 1
    return [*offsets, (0, 0)]


def problems(*rows, images=(image(), ), **options) -> list[tuple[str, str]]:
    return [(problem.kind, str(problem))
            for problem in grounding_problems(content(*rows, images=images), **options)]


def test_a_good_file_has_no_problem():
    images = (image(tokens_positive_eval=[[[0, 14]], [[26, 39]]]), image(2, width='100', height='80'))
    assert problems(row(1), row(2, tokens_positive=[[26, 39], [0, 14]]), images=images, offsets=words) == []


@pytest.mark.parametrize('wrong, kind, message', [
    (row(5, tokens_positive=[[0, 40]]), 'bad span', 'image 1 (1.png), annotation 5: span [0, 40) is outside'),
    (row(5, tokens_positive=[[-2, 3]]), 'bad span', 'annotation 5: span [-2, 3) is outside'),
    (row(5, tokens_positive=[[9, 4]]), 'bad span', 'span [9, 4) is empty or reversed'),
    (row(5, tokens_positive=[14]), 'bad span', '14 is not a span [begin, end)'),
    (row(5, tokens_positive=[[0., 14]]), 'bad span', '[0.0, 14] is not a span'),
    (row(5, tokens_positive=[[3, 4]]), 'span on spaces', 'covers nothing but spaces'),
    (row(5, tokens_positive=[]), 'spans missing', 'the list of spans is empty'),
    (row(5, tokens_positive=None), 'spans missing', 'no tokens_positive, and no tokens'),
    (row(5, bbox=[10, 10, 0, 4]), 'bad box', 'annotation 5: bbox [10, 10, 0, 4] has no area'),
    (row(5, bbox=[110, 10, 5, 4]), 'bad box', 'lies outside the image of 100 x 80'),
    (row(5, bbox=[10, 10, 5]), 'bad box', 'is not four finite numbers'),
    (row(5, bbox=[90, 10, 20, 4]), 'box sticks out', 'sticks out of the image of 100 x 80'),
    (row(5, image_id=9), 'unknown image', 'image 9, annotation 5: there is no such image'),
])
def test_what_is_wrong_with_an_annotation(wrong, kind, message):
    ((problem_kind, text), ) = problems(row(1), wrong)
    assert problem_kind == kind and message in text


@pytest.mark.parametrize('wrong, kind, message', [
    (image(3, caption=None), 'caption missing', 'image 3 (3.png): the caption is None'),
    (image(3, caption=' '), 'caption missing', "the caption is ' '"),
    (image(3, width=0), 'size missing', 'image 3 (3.png): width 0, height 80'),
    (image(3, tokens_positive_eval=[[[0, 3]], [[0, 99]]]), 'bad span', 'image 3 (3.png), tokens_positive_eval 1'),
    (image(1), 'id twice', 'image 1: images has this id twice'),
])
def test_what_is_wrong_with_an_image(wrong, kind, message):
    ((problem_kind, text), ) = problems(images=(image(), wrong))
    assert problem_kind == kind and message in text


def test_an_annotation_that_stands_twice_is_problems():
    assert problems(row(4), row(4)) == [('id twice', 'image 1, annotation 4: annotations has this id twice')]


def test_rounding_and_crowds_are_no_problem():
    assert problems(row(1, bbox=[-0.4, 10, 101, 4]), row(2, iscrowd=1, tokens_positive=None)) == []


def test_tokens_are_looked_at_with_a_tokenizer():
    assert problems(row(5, tokens_positive=[[4, 7]])) == []
    ((kind, text), ) = problems(row(5, tokens_positive=[[4, 7]]), offsets=words)
    assert kind == 'span without token' and f"annotation 5: span [4, 7), 'red' of {CAPTION!r}, has no token" in text
    long = image(caption='word ' * 254 + 'word')
    assert problems(images=(long, ), offsets=words) == [('caption too long',
                                                         'image 1 (1.png): 257 tokens, more than 256')]
    assert problems(images=(image(caption='word ' * 253 + 'word'), ), offsets=words) == []


def test_files_are_looked_for_in_the_folder_of_their_source(tmp_path):
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((80, 100, 3), np.uint8))
    images = (image(1, data_source='coco'), image(2, data_source='coco'), image(3, data_source='vg'))
    missing = problems(images=images, folders=dict(coco=str(tmp_path)))
    assert [kind for kind, _ in missing] == ['file missing'] * 2
    assert f'there is no {tmp_path}/2.png' in missing[0][1]
    assert "no folder is given for the data_source 'vg'" in missing[1][1]
    assert len(problems(images=images, folders=dict(img=str(tmp_path)))) == 2


@pytest.mark.parametrize('size, kind, message', [
    ((80, 100), 'other size', '1.png has 80 x 100 pixels (width x height), the annotation file says 100 x 80: width'),
    ((50, 40), 'other size', '1.png has 50 x 40 pixels (width x height), the annotation file says 100 x 80'),
    (None, 'file unreadable', '1.png cannot be read: cannot identify image file'),
])
def test_image_files_of_another_size_or_none_at_all_are_problems(tmp_path, size, kind, message):
    (tmp_path / '1.png').touch()
    if size is not None:
        cv2.imwrite(str(tmp_path / '1.png'), np.zeros((*size[::-1], 3), np.uint8))
    ((problem_kind, text), ) = problems(folders=dict(img=str(tmp_path)))
    assert problem_kind == kind and message in text


@pytest.mark.parametrize('kind', ['jpg', 'png'])
def test_sizes_are_those_that_opencv_sees(tmp_path, kind):
    image = Image.new('RGB', (100, 80))
    for orientation in range(1, 9):
        exif = image.getexif()
        exif[ExifTags.Base.Orientation] = orientation
        image.save(tmp_path / f'1.{kind}', exif=exif)
        assert displayed_size(tmp_path / f'1.{kind}') == cv2.imread(str(tmp_path / f'1.{kind}')).shape[1::-1]


@pytest.mark.parametrize('broken, message', [
    ([], 'ann.json is no annotation file: it should hold an object with images, got a list'),
    (dict(annotations=[]), "ann.json: 'images' is missing"),
    (dict(images=[dict(id=1)]), r'ann.json: row 0 of images \(id 1\) has no file_name'),
    (content(row(1), dict(bbox=[])), 'ann.json: row 1 of annotations has no id'),
])
def test_a_file_that_cannot_be_checked_is_an_error(broken, message):
    with pytest.raises(ValueError, match=message):
        check_grounding_fields(broken, 'ann.json')
