"""Which atoms and which query belong to a box, and maps over an image as colours."""
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmdet_ext.app.atoms import atoms_at, atoms_html, cells_in
from mmdet_ext.app.gaussians import query_of
from mmdet_ext.app.heat import data_uri, heat, raster_shape
from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.visualization.dictionary.capture import Capture
from mmdet_ext.visualization.dictionary.training_set import Provenance


@pytest.fixture
def capture() -> Capture:
    """An image of 80 x 40 pixels (width, height), 2 x 4 cells of 20 pixels; atom 1 is high on the left half, atom 0 in
    one cell on the right, atom 2 is negative."""
    coefficients = torch.zeros(3, 2, 4)
    coefficients[1, :, :2], coefficients[0, 0, 3], coefficients[2] = 0.5, 2, -1
    grid = CellGrid((40, 80), (2, 4), (0., 0., 80., 40.))
    image = np.full((40, 80, 3), 128, np.uint8)
    maps = torch.zeros(1, 2, 4)
    return Capture(Path('a.png'), image, grid, maps, coefficients, maps, maps, InstanceData())


def test_cells_with_their_centre_in_the_box(capture):
    assert cells_in(capture, [0, 0, 31, 40]).tolist() == [[True, True, False, False]] * 2


def test_cells_of_the_padding_are_in_no_box(capture):
    padded = replace(capture, grid=CellGrid((40, 80), (2, 5), (0., 0., 100., 40.)))
    assert cells_in(padded, [41, 0, 500, 40]).tolist() == [[False, False, True, True, False]] * 2


@pytest.mark.parametrize('box, cell', [
    ([21, 1, 24, 4], (0, 1)), ([79, 39, 200, 100], (1, 3)), ([-9, 3, -5, 9], (0, 0))])
def test_a_box_without_a_centre_has_the_cell_in_its_middle(capture, box, cell):
    assert cells_in(capture, box).nonzero().tolist() == [list(cell)]


def test_the_atoms_of_a_box_have_the_highest_mean_coefficients(capture):
    assert atoms_at(capture, [0, 0, 80, 40]) == [(0, 0.25), (1, 0.25)]
    assert atoms_at(capture, [0, 0, 40, 40]) == [(1, 0.5)]
    assert atoms_at(capture, [40, 0, 60, 40]) == []


def test_atoms_with_the_samples_that_are_known(capture):
    words = [[dict(file='words.txt', line=1, text=f'a <{name}>', similarity=0.5)] for name in ('cat', 'dog', 'cow')]
    html = atoms_html(capture, [0, 0, 40, 40], '<b>', Provenance(words, 'A note.'))
    assert 'atom 1' in html
    assert 'a &lt;dog&gt;' in html
    assert 'A note.' in html
    assert '<b>:' not in html
    assert 'cat' not in html


def test_a_sample_whose_image_is_gone_says_so(capture):
    sample = dict(source='vision', image='gone.png', coefficient=1., box=(0, 0, 8, 8))
    assert 'gone.png cannot be read' in atoms_html(capture, [0, 0, 40, 40], 'box', Provenance([[sample]] * 3, ''))


def test_the_query_of_a_box_is_the_one_that_predicted_it():
    boxes = torch.tensor([[0., 0., 10., 10.], [5., 5., 20., 20.], [5., 5., 20., 21.]])
    capture = SimpleNamespace(predictions=InstanceData(bboxes=boxes))
    assert [query_of(capture, box) for box in boxes.tolist()] == [0, 1, 2]
    assert query_of(capture, [5, 5, 20, 20.4]) == 1


def test_the_image_shows_through_where_a_map_is_0():
    image = np.zeros((20, 40, 3), np.uint8)
    image[:, 20:] = 255
    drawn = heat(image, np.zeros((10, 20), np.float32), 'plasma', 0, 1)
    assert drawn.shape == (10, 20, 3)
    assert drawn[:, :10].std() == 0
    assert drawn[5, 15].mean() > drawn[5, 5].mean() + 80
    assert np.ptp(heat(image, np.ones((10, 20), np.float32), 'plasma', 0, 1)[5, 0].astype(int)) > 50


@pytest.mark.parametrize('size, expected', [((100, 200), (110, 220)), ((2000, 1), (220, 1)), ((40, 80), (110, 220))])
def test_rasters_have_the_shape_of_the_image(size, expected):
    assert raster_shape(size) == expected


def test_large_images_are_made_smaller_for_the_page():
    import base64

    import cv2

    uri = data_uri(np.zeros((20, 4000, 3), np.uint8))
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(uri.partition(',')[2]), np.uint8), cv2.IMREAD_COLOR)
    assert uri.startswith('data:image/jpeg;base64,')
    assert pixels.shape == (8, 1600, 3)
