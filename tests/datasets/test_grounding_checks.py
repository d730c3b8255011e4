"""Each thing that can be wrong with an annotation file is found, and named with its place."""
import pytest
from grounding_files import CAPTION, content, image, row

from mmdet_ext.datasets.grounding_checks import check_tables, grounding_problems


def words(caption: str) -> list[tuple[int, int]]:
    """Offsets of a tokenizer that cuts at spaces and knows no colour."""
    offsets, place = [(0, 0)], 0
    for word in caption.split(' '):
        if word not in ('red', ''):
            offsets.append((place, place + len(word)))
        place += len(word) + 1
    return [*offsets, (0, 0)]


def found(*rows, images=(image(), ), **options) -> list[tuple[str, str]]:
    return [(problem.kind, str(problem)) for problem in grounding_problems(content(*rows, images=images), **options)]


def test_a_good_file_has_no_problem():
    images = (image(tokens_positive_eval=[[[0, 14]], [[26, 39]]]), image(2, width='100', height='80'))
    assert found(row(1), row(2, tokens_positive=[[26, 39], [0, 14]]), images=images, offsets=words) == []


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
    (row(5, bbox=[10, 10, 5]), 'bad box', 'is not four numbers'),
    (row(5, bbox=[90, 10, 20, 4]), 'box sticks out', 'sticks out of the picture of 100 x 80'),
    (row(5, image_id=9), 'unknown image', 'image 9, annotation 5: there is no such image'),
])
def test_what_is_wrong_with_an_annotation(wrong, kind, message):
    ((found_kind, text), ) = found(row(1), wrong)
    assert found_kind == kind and message in text


@pytest.mark.parametrize('wrong, kind, message', [
    (image(3, caption=None), 'caption missing', 'image 3 (3.png): the caption is None'),
    (image(3, caption=' '), 'caption missing', "the caption is ' '"),
    (image(3, width=0), 'size missing', 'image 3 (3.png): width 0, height 80'),
    (image(3, tokens_positive_eval=[[[0, 3]], [[0, 99]]]), 'bad span', 'image 3 (3.png), tokens_positive_eval 1'),
    (image(1), 'id twice', 'image 1: images has this id twice'),
])
def test_what_is_wrong_with_an_image(wrong, kind, message):
    ((found_kind, text), ) = found(images=(image(), wrong))
    assert found_kind == kind and message in text


def test_an_annotation_that_stands_twice_is_found():
    assert found(row(4), row(4)) == [('id twice', 'image 1, annotation 4: annotations has this id twice')]


def test_rounding_and_crowds_are_no_problem():
    assert found(row(1, bbox=[-0.4, 10, 101, 4]), row(2, iscrowd=1, tokens_positive=None)) == []


def test_tokens_are_looked_at_with_a_tokenizer():
    assert found(row(5, tokens_positive=[[4, 7]])) == []
    ((kind, text), ) = found(row(5, tokens_positive=[[4, 7]]), offsets=words)
    assert kind == 'span without token' and f"annotation 5: span [4, 7), 'red' of {CAPTION!r}, has no token" in text
    long = image(caption='word ' * 254 + 'word')
    assert found(images=(long, ), offsets=words) == [('caption too long', 'image 1 (1.png): 257 tokens, more than 256')]
    assert found(images=(image(caption='word ' * 253 + 'word'), ), offsets=words) == []


def test_files_are_looked_for_in_the_folder_of_their_source(tmp_path):
    (tmp_path / '1.png').touch()
    images = (image(1, data_source='coco'), image(2, data_source='coco'), image(3, data_source='vg'))
    missing = found(images=images, folders=dict(coco=str(tmp_path)))
    assert [kind for kind, _ in missing] == ['file missing'] * 2
    assert f'there is no {tmp_path}/2.png' in missing[0][1]
    assert "no folder is given for the data_source 'vg'" in missing[1][1]
    assert len(found(images=images, folders=dict(img=str(tmp_path)))) == 2


@pytest.mark.parametrize('broken, message', [
    ([], "ann.json: 'images' is missing"),
    (dict(annotations=[]), "ann.json: 'images' is missing"),
    (dict(images=[dict(id=1)]), 'ann.json: row 0 of images has no file_name'),
    (content(row(1), dict(bbox=[])), 'ann.json: row 1 of annotations has no id and no image_id'),
])
def test_a_file_that_cannot_be_checked_is_an_error(broken, message):
    with pytest.raises(ValueError, match=message):
        check_tables(broken, 'ann.json')
