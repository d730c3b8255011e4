"""Objects drawn on images."""
import cv2
import numpy as np
import pytest

from mmdet_ext.drawing import COLORS, draw_objects, drawing_order, enlargement, side_by_side, tracer, with_heading
from mmdet_ext.lettering import fitting, font_for, load_font, place_labels, shorten

WHITE = 255


def white(height: int = 160, width: int = 208) -> np.ndarray:
    return np.full((height, width, 3), WHITE, np.uint8)


def bgr(color: tuple[int, int, int]) -> list[int]:
    return list(color[::-1])


def where_is(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return (image == bgr(color)).all(axis=-1)


@pytest.mark.parametrize('shape, factor', [
    ((160, 208), 640 / 208), ((160, 160), 4), ((640, 480), 1), ((1000, 2000), 1), ((100, 640), 3), ((10, 3000), 1),
    ((10, 320), 6)])
def test_small_images_are_enlarged_and_large_and_long_ones_are_not(shape, factor):
    assert enlargement(shape) == pytest.approx(factor)


def test_boxes_are_drawn_where_they_are_and_in_the_colours_of_their_classes():
    drawn = draw_objects(white(), np.array([[20, 60, 80, 120], [120, 60, 180, 120.]]), np.array([1, 3]), ['', ''])
    assert drawn.shape == (492, 640, 3)
    factor = 640 / 208
    rows, columns = np.nonzero(where_is(drawn, COLORS[1]))
    assert [columns.min(), rows.min(), columns.max(), rows.max()] == pytest.approx(
        np.array([20, 60, 80, 120]) * factor, abs=3)
    assert where_is(drawn, COLORS[3])[:, :320].sum() == 0 < where_is(drawn, COLORS[3]).sum()
    assert (drawn[200:360, 75:235] == WHITE).all()


def test_the_image_that_is_given_stays_as_it_is():
    image = white(700, 700)
    draw_objects(image, np.array([[20, 60, 80, 120.]]), np.array([0]), ['a'])
    assert (image == WHITE).all() and (draw_objects(image, np.zeros((0, 4)), np.zeros(0), []) == image).all()


@pytest.mark.parametrize('box', [(-50, -50, 20, 20), (180, 140, 900, 900), (0, 0, 208, 160), (100, 0, 101, 0),
                                 (250, 200, 300, 220), (np.nan, 0, 5, 5)])
def test_labels_of_boxes_at_the_border_and_outside_are_inside(box):
    name = 'a long name of a class'
    drawn = draw_objects(white(), np.array([box]), np.array([0]), [name], np.array([0.5]))
    blue = where_is(drawn, COLORS[0])
    inner = draw_objects(white(), np.array([[60, 60, 61, 61.]]), np.array([0]), [name], np.array([0.5]))
    background = where_is(inner, COLORS[0]).sum()  # of a label that is surely not cut off
    assert blue.sum() > 0.97 * background


def test_a_box_that_is_larger_than_the_image_has_its_lines_at_the_border():
    blue = where_is(draw_objects(white(), np.array([[-50, -50, 900, 900.]]), np.array([0]), ['']), COLORS[0])
    sides = blue[:4, 5:-5], blue[-4:, 5:-5], blue[5:-5, :4].T, blue[5:-5, -4:].T
    assert [side.sum(axis=0).min() for side in sides] == [3] * 4


def test_a_name_that_is_wider_than_the_image_loses_its_middle():
    drawn = draw_objects(white(600, 640), np.array([[5, 300, 30, 330.]]), np.array([0]), ['name ' * 60])
    columns = np.nonzero(where_is(drawn, COLORS[0]).any(axis=0))[0]
    assert columns.min() <= 5 and 560 < columns.max() < 639


def test_letters_are_dark_on_light_colours_and_white_on_dark_ones():
    def has_black(label: int) -> bool:
        drawn = draw_objects(white(), np.array([[60, 60, 100, 100.]]), np.array([label]), ['name'])
        return bool((drawn == 0).all(axis=-1).any())

    assert has_black(6) and not has_black(0)  # yellow and blue


def test_scores_and_ids_stand_in_labels():
    def ink(**kwargs) -> int:
        drawn = draw_objects(white(), np.array([[60, 60, 100, 100.]]), np.array([0]), ['a'], **kwargs)
        return int(where_is(drawn, COLORS[0]).sum())

    assert ink() < ink(scores=np.array([0.5])) and ink() < ink(ids=np.array([12]))


def test_ids_choose_colours_and_leave_traces():
    trace = tracer((160, 208))
    for step in range(5):
        box = np.array([[20 + 20 * step, 60, 50 + 20 * step, 90.]])
        drawn = draw_objects(white(), box, np.array([0]), [''], ids=np.array([2]), trace=trace)
    green = where_is(drawn, COLORS[2])
    assert green[:, :270].sum() > 50 and where_is(drawn, COLORS[0]).sum() == 0


def test_masks_are_tinted():
    masks = np.zeros((1, 160, 208), bool)
    masks[0, 80:100, 60:100] = True
    drawn = draw_objects(white(), np.array([[50, 70, 110, 110.]]), np.array([0]), [''], masks=masks)
    middle, outside = drawn[round(90 * 640 / 208), round(80 * 640 / 208)], drawn[round(75 * 640 / 208), 200]
    assert middle[2] < 200 and (outside == WHITE).all()


def test_given_colours_are_taken():
    drawn = draw_objects(white(), np.array([[50, 70, 110, 110.]]), np.array([0]), ['a'], colors=[(1, 2, 3)])
    assert where_is(drawn, (1, 2, 3)).sum() > 500 and where_is(drawn, COLORS[0]).sum() == 0


def test_labels_of_the_same_box_do_not_cover_each_other():
    boxes = np.tile([[100., 100, 200, 200]], (5, 1))
    corners = place_labels(boxes, np.tile([[80, 20]], (5, 1)), (400, 400))
    for first in range(5):
        for second in range(first):
            apart = np.abs(corners[first] - corners[second])
            assert apart[0] >= 80 or apart[1] >= 20


def test_many_labels_are_inside():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 380, (100, 2))
    sizes = random.uniform(5, 90, (100, 2))
    placed = place_labels(np.concatenate([corners, corners + 20], axis=1), sizes, (400, 400))
    assert (placed >= 0).all() and (placed + sizes <= 400).all()


def test_a_heading_is_above_the_image_and_fits():
    short, long = (with_heading(white(), text) for text in ('truth', 'prediction ' * 20))
    height = len(short) - 160
    assert short.shape == long.shape and (short[height:] == WHITE).all() and (short[:height] < 128).any()
    assert (long[:height] < 128).any() and (long[:, -3:] == WHITE).all()


def test_images_stand_side_by_side_on_white():
    row = side_by_side([np.zeros((10, 20, 3), np.uint8), np.zeros((14, 30, 3), np.uint8)], gap=4)
    assert row.shape == (14, 54, 3) and (row[:, 20:24] == WHITE).all() and (row[10:, :20] == WHITE).all()
    assert (row[:, 24:] == 0).all()


def test_text_is_shortened_in_its_middle():
    assert shorten('abcdefghij', 10) == 'abcdefghij' and shorten('abcdefghijk', 10) == 'abcd...ijk'
    font = load_font(font_for(['a']), 15)
    assert fitting('a  short\nname', font, 1000) == 'a short name'
    assert font.getlength(fitting('w' * 500, font, 200)) <= 200


def test_fonts_have_the_letters_or_a_warning_names_them():
    assert font_for(['Größe Ж λ']).endswith('DejaVuSans.ttf')
    serif = font_for([]).replace('DejaVuSans', 'DejaVuSerif')
    assert font_for(['abc'], [serif]) == serif
    with pytest.warns(UserWarning, match='\U000e0041 are drawn as boxes'):  # a letter that no font has
        assert font_for(['a \U000e0041']).endswith('DejaVuSans.ttf')


def test_a_name_in_letters_without_a_font_is_drawn_all_the_same(recwarn):
    drawn = draw_objects(white(), np.array([[60, 60, 100, 100.]]), np.array([0]), ['人 \U000e0042'])
    assert where_is(drawn, COLORS[0]).sum() > 500
    assert cv2.imencode('.png', drawn)[0]


def test_small_boxes_lie_on_large_ones_and_the_first_of_equal_ones_on_top():
    boxes = np.array([[0, 0, 20, 20], [0, 0, 20.1, 20], [0, 0, 90, 90], [0, 0, 5, 5]], np.float32)
    assert drawing_order(boxes).tolist() == [2, 1, 0, 3]
    assert drawing_order(np.zeros((2, 4), np.float32)).tolist() == [1, 0]
