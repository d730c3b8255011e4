import cv2
import numpy as np
import pytest
import torch

from mmdet_ext.models.layers import Atoms
from mmdet_ext.visualization.images import crop_around
from mmdet_ext.visualization.dictionary.samples import draw_nearest_samples

YELLOW, PALE = (0x42, 0xE4, 0xF0), (0xE4, 0xE4, 0xE4)  # BGR


def atoms_with(*samples):
    return Atoms(torch.eye(2, 4), torch.tensor([7, 1234]), [list(samples), []])


def count(path, color):
    return int((cv2.imread(str(path)) == color).all(axis=-1).sum())


@pytest.fixture
def patch(image_file):
    return dict(source='vision', similarity=0.9, image=str(image_file), box=(40, 24, 48, 32))


def test_a_crop_has_the_box_in_its_middle():
    image = np.arange(200 * 300).reshape(200, 300)[..., None].repeat(3, axis=2)
    crop, (left, top) = crop_around(image, (100, 80, 140, 100))
    assert crop.shape == (120, 120, 3)  # three times the longer side
    assert (left, top) == (60, 30)
    assert crop[0, 0, 0] == image[30, 60, 0]


def test_a_crop_moves_inwards_where_the_image_ends():
    crop, corner = crop_around(np.zeros((200, 300, 3)), (290, 0, 300, 10))
    assert crop.shape == (56, 56, 3) and corner == (244, 0)


def test_a_box_as_large_as_the_image_is_shown_whole():
    crop, corner = crop_around(np.zeros((50, 90, 3)), (0, 0, 90, 50))
    assert crop.shape == (50, 90, 3) and corner == (0, 0)


def test_draws_the_patch_with_its_box(patch, tmp_path):
    draw_nearest_samples(atoms_with(patch), [0], tmp_path / 'deep' / 'samples.png')
    assert count(tmp_path / 'deep' / 'samples.png', YELLOW) > 50


def test_another_patch_is_another_image(patch, tmp_path):
    for name, box in (('a.png', (40, 24, 48, 32)), ('b.png', (80, 24, 88, 32))):
        draw_nearest_samples(atoms_with(dict(patch, box=box)), [0], tmp_path / name)
    assert not np.array_equal(cv2.imread(str(tmp_path / 'a.png')), cv2.imread(str(tmp_path / 'b.png')))


def test_a_row_per_atom_and_a_column_per_sample_up_to_a_number(patch, tmp_path):
    one_row, two_rows, narrow = (tmp_path / name for name in ('one.png', 'two.png', 'narrow.png'))
    atoms = atoms_with(*[patch] * 5)
    draw_nearest_samples(atoms, [0], one_row)
    draw_nearest_samples(atoms, [0, 1], two_rows)
    draw_nearest_samples(atoms, [0], narrow, columns=3)
    (height, width), (twice, _), (_, less) = (cv2.imread(str(path)).shape[:2] for path in (one_row, two_rows, narrow))
    assert twice > 1.8 * height and less < 0.75 * width
    assert count(narrow, YELLOW) == pytest.approx(0.6 * count(one_row, YELLOW), rel=0.05)


def test_a_image_that_is_gone_or_broken_leaves_a_grey_cell(patch, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    gone = [dict(patch, image=str(tmp_path / name)) for name in ('gone.png', 'broken.png')]
    draw_nearest_samples(atoms_with(*gone), [0], tmp_path / 'samples.png')
    assert count(tmp_path / 'samples.png', PALE) > 40_000
    assert count(tmp_path / 'samples.png', YELLOW) == 0


def test_texts_and_rows_of_a_matrix_are_written_out(tmp_path):
    text = dict(source='text', similarity=0.9, text='a dog with $5 in its mouth ' * 10, file='captions.txt', line=3)
    drawn = []
    for sample in (text, dict(text, text='a cat'), dict(source='file', similarity=0.9, file='gpt.npy', row=12)):
        draw_nearest_samples(atoms_with(sample), [0], tmp_path / 'samples.png')
        drawn.append((tmp_path / 'samples.png').read_bytes())
    assert len(set(drawn)) == 3
