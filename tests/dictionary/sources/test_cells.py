"""Positions of a map and the parts of an image that they stand for."""
import numpy as np

from mmdet_ext.dictionary.sources.cells import Layout, draw_cells

# 40 x 20 pixels, doubled, between 6 pixels of padding above and below, and 16 on the right for a wider neighbour
LAYOUT = Layout(grid=(4, 6), cell=(16., 16.), outline=(0, 12, 80, 52), size=(40, 20))


def draw(layout, count, seed=0, **options):
    return draw_cells(layout, count, np.random.default_rng(seed), **options)


def test_areas_by_hand():
    areas = LAYOUT.areas().reshape(4, 6, 4)
    np.testing.assert_allclose(areas[1, 2], [16, 2, 24, 10])  # (32, 16, 48, 32), less 12 above, halved
    np.testing.assert_allclose(areas[3, 5], [40, 18, 48, 26])


def test_all_positions_in_the_image_are_drawn_and_none_in_the_padding():
    cells = draw(LAYOUT, 100)
    # centres of rows at 8, 24, 40, 56: the first and the last lie above 12 and below 52; of columns the sixth, at 88,
    # beyond 80
    assert sorted(zip(cells.rows, cells.columns)) == [(row, column) for row in (1, 2) for column in range(5)]


def test_boxes_are_clipped_to_the_image():
    # columns end at 16, 32, 48 of an image whose last pixel is 41: the centre of the third, 40, still lies in it
    layout = Layout(grid=(1, 4), cell=(16., 16.), outline=(0, 0, 41, 16), size=(41, 16))
    cells = draw(layout, 9)
    assert sorted(cells.boxes.tolist()) == [[0, 0, 16, 16], [16, 0, 32, 16], [32, 0, 41, 16]]


def test_drawn_without_replacement_and_by_the_seed_alone():
    cells = draw(LAYOUT, 7)
    assert len(set(zip(cells.rows, cells.columns))) == 7
    np.testing.assert_array_equal(cells.boxes, draw(LAYOUT, 7).boxes)
    assert not np.array_equal(cells.boxes, draw(LAYOUT, 7, seed=1).boxes)


def test_the_share_inside_is_drawn_in_the_objects():
    layout = Layout(grid=(20, 20), cell=(8., 8.), outline=(0, 0, 160, 160), size=(160, 160))
    objects = np.float32([[0, 0, 40, 40], [120, 120, 160, 160]])  # 5 x 5 cells each, an eighth of all

    def on_objects(share, count=40):
        cells = draw(layout, count, objects=objects, inside=share)
        assert len(set(zip(cells.rows, cells.columns))) == count
        low, high = (cells.rows < 5) & (cells.columns < 5), (cells.rows >= 15) & (cells.columns >= 15)
        return (low | high).sum()

    assert on_objects(1.) == 40
    assert 20 <= on_objects(0.5) < 30
    assert on_objects(0.) < 15
    assert on_objects(1., count=60) >= 50  # all of them, and others for the rest
