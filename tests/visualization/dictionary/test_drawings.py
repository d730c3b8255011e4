"""The figures are there, hold what they should, and differ where their input does."""
import cv2
import numpy as np
import pytest
import torch

from mmdet_ext.models.layers import RetrieverDictionary
from mmdet_ext.visualization.dictionary.query import query_at
from mmdet_ext.visualization.dictionary.maps import draw_coefficient_maps, draw_features
from mmdet_ext.visualization.dictionary.training_set import Provenance, highest_cells, highest_of
from mmdet_ext.visualization.dictionary.query import draw_query
from mmdet_ext.visualization.dictionary.plots import draw_gram, draw_usage

pytestmark = pytest.mark.usefixtures('shallow_blocks')

YELLOW, VERMILLION, BLUE = (0x42, 0xE4, 0xF0), (0x00, 0x5E, 0xD5), (0xB2, 0x72, 0x00)  # BGR


def has(path, color):
    return (cv2.imread(str(path)) == color).all(axis=-1).any()


def pixels(path):
    return cv2.imread(str(path))


@pytest.fixture
def samples(make_capture, image_file):
    return highest_of([highest_cells(make_capture(path=str(image_file)))])


def test_a_query_shows_its_position_and_both_kinds_of_atoms(make_capture, samples, tmp_path):
    capture = make_capture()
    query = query_at(capture, RetrieverDictionary(8, 5), (20, 10), Provenance(samples, 'Samples.'), top=1)
    draw_query(capture, query, samples, tmp_path / 'query.png')
    assert all(has(tmp_path / 'query.png', color) for color in (YELLOW, VERMILLION, BLUE))


def test_another_position_is_another_image(make_capture, tmp_path):
    capture = make_capture()
    for name, point in (('a.png', (20, 10)), ('b.png', (40, 30))):
        query = query_at(capture, RetrieverDictionary(8, 5), point, Provenance(None, ''), show=[0, 3])
        draw_query(capture, query, None, tmp_path / name)
    assert not np.array_equal(pixels(tmp_path / 'a.png'), pixels(tmp_path / 'b.png'))


def test_without_samples_a_query_is_lower(make_capture, samples, tmp_path):
    capture = make_capture()
    query = query_at(capture, RetrieverDictionary(8, 5), (20, 10), Provenance(None, 'No samples.'), show=[0, 3])
    draw_query(capture, query, samples, tmp_path / 'with.png')
    draw_query(capture, query, None, tmp_path / 'without.png')
    assert len(pixels(tmp_path / 'without.png')) < len(pixels(tmp_path / 'with.png'))


def test_the_folded_atoms_get_a_plot_of_their_own(make_capture, tmp_path):
    capture = make_capture()
    for name, folded in (('plain.png', False), ('folded.png', True)):
        query = query_at(capture, RetrieverDictionary(8, 5), (20, 10), Provenance(None, ''), folded=folded)
        draw_query(capture, query, None, tmp_path / name)
    assert not np.array_equal(pixels(tmp_path / 'plain.png'), pixels(tmp_path / 'folded.png'))


def test_positive_and_negative_coefficients_have_colours_of_their_own(make_capture, tmp_path):
    """Of a grey image the map alone has colours: more red than blue where c' is positive, less where negative."""
    coefficients = torch.zeros(2, 6, 6)
    coefficients[0], coefficients[1] = 2, -2
    draw_coefficient_maps(make_capture(coefficients), [0, 1], tmp_path / 'maps.png')
    drawn = pixels(tmp_path / 'maps.png').astype(int)
    warmth = drawn[..., 2] - drawn[..., 0]
    third = drawn.shape[1] // 4
    assert np.median(warmth[60:200, third + 60:2 * third]) > 40  # atom 0
    assert np.median(warmth[60:200, 2 * third + 60:3 * third - 30]) < -20  # atom 1


def test_maps_mark_the_position(make_capture, tmp_path):
    capture = make_capture()
    draw_coefficient_maps(capture, [0], tmp_path / 'maps.png')
    assert not has(tmp_path / 'maps.png', YELLOW)
    draw_coefficient_maps(capture, [0], tmp_path / 'maps.png', point=(20, 10))
    assert has(tmp_path / 'maps.png', YELLOW)


@pytest.mark.parametrize('indices', [[], [5], [0, -1]])
def test_maps_reject_atoms_that_are_not_there(make_capture, tmp_path, indices):
    with pytest.raises(ValueError, match='atoms in 0..4'):
        draw_coefficient_maps(make_capture(), indices, tmp_path / 'maps.png')


def test_features_differ_by_measure_and_by_input(make_capture, tmp_path):
    capture = make_capture()
    for measure in ('norm', 'mean', 'pca'):
        draw_features(capture, tmp_path / f'{measure}.png', measure)
    draw_features(make_capture(), tmp_path / 'other.png')
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 4


def test_usage_and_gram_differ_by_input(tmp_path):
    for name in ('a', 'b'):
        draw_usage([torch.rand(16, dtype=torch.float64)] * 3, tmp_path / f'usage_{name}.png')
        draw_gram(torch.randn(16, 8), tmp_path / f'gram_{name}.png')
    assert len({path.read_bytes() for path in tmp_path.iterdir()}) == 4
