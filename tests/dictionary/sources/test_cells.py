"""Positions of a map and the parts of an image that they stand for."""
import numpy as np

from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.dictionary.sources.images import draw_cells

# 40 x 20 pixels, doubled, in cells of 16: 12 pixels of padding above and below, and 16 on the right
GRID = CellGrid(size=(20, 40), cells=(4, 6), extent=(0., -6., 48., 26.))


def draw(grid, count, seed=0, **options):
    return draw_cells(grid, count, np.random.default_rng(seed), **options)


def test_all_positions_in_the_image_are_drawn_and_none_in_the_padding():
    cells, _ = draw(GRID, 100)
    # centres of rows at 8, 24, 40, 56: the first and the last lie above 12 and below 52; of columns the sixth, at 88,
    # beyond 80
    assert sorted(cells.tolist()) == [6 * row + column for row in (1, 2) for column in range(5)]


def test_boxes_are_clipped_to_the_image():
    # columns end at 16, 32, 48 of an image whose last pixel is 41: the centre of the third, 40, still lies in it
    _, boxes = draw(CellGrid(size=(16, 41), cells=(1, 4), extent=(0., 0., 64., 16.)), 9)
    assert sorted(boxes.tolist()) == [[0, 0, 16, 16], [16, 0, 32, 16], [32, 0, 41, 16]]


def test_drawn_without_replacement_and_by_the_seed_alone():
    cells, boxes = draw(GRID, 7)
    assert len(set(cells.tolist())) == 7
    np.testing.assert_array_equal(boxes, draw(GRID, 7)[1])
    assert not np.array_equal(boxes, draw(GRID, 7, seed=1)[1])


def test_the_share_inside_is_drawn_in_the_objects():
    grid = CellGrid(size=(160, 160), cells=(20, 20), extent=(0., 0., 160., 160.))
    objects = np.float32([[0, 0, 40, 40], [120, 120, 160, 160]])  # 5 x 5 cells each, an eighth of all

    def on_objects(share, count=40):
        cells, _ = draw(grid, count, objects=objects, inside=share)
        rows, columns = np.divmod(cells, 20)
        assert len(set(cells.tolist())) == count
        return (((rows < 5) & (columns < 5)) | ((rows >= 15) & (columns >= 15))).sum()

    assert on_objects(1.) == 40
    assert 20 <= on_objects(0.5) < 30
    assert on_objects(0.) < 15
    assert on_objects(1., count=60) >= 50  # all of them, and others for the rest
