"""tools/visualize_dictionary.py in a folder with a few Shapes images, on a model with random weights."""
from pathlib import Path

import cv2
import pytest
import torch

from mmdet_ext.models.layers import Atoms

pytestmark = pytest.mark.usefixtures('shallow_blocks')

ROOT = Path(__file__).resolve().parents[2]
TOOL, CONFIG = (str(ROOT / path) for path in ('tools/visualize_dictionary.py', 'configs/yolo_rd/yolov9t_rd_shapes.py'))
FIRST, SECOND = 'data/shapes/test/000001.png', 'data/shapes/test/000002.png'
WHOLE = ['gram.png', 'usage.png']


def save_atoms(path, number=128, width=64):
    samples = [[dict(source='vision', similarity=0.5, image=FIRST, box=(0, 0, 8, 8))] for _ in range(number)]
    Atoms(torch.randn(number, width), torch.ones(number), samples).save(path)
    return path


def names(*stems):
    return sorted([f'{stem}_{kind}.png' for stem in stems for kind in ('atoms', 'maps', 'features')] + WHOLE)


def test_writes_three_images_for_each_image_and_two_for_the_dictionary(draw):
    message, out, files = draw(FIRST, SECOND, '--provenance-images', 4, '--usage-images', 2, '--folded')
    assert message == ''
    assert files == names('000001', '000002')
    assert 'dictionaries of this model: backbone.trunk.rd.1; this is backbone.trunk.rd.1 with 128 atoms' in out
    assert 'the highest on 4 training images' in out


def test_an_atoms_file_gives_the_samples(draw, tmp_path):
    message, out, files = draw(FIRST, '--atoms', save_atoms(tmp_path / 'atoms.pt'), '--show', '3,7', '--measure',
                              'pca')
    assert message == '' and files == names('000001')
    assert 'nearest to each atom when the dictionary was built' in out


def test_an_unreadable_image_is_named_and_the_others_are_drawn(draw, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    message, _, files = draw(tmp_path / 'broken.png', 'gone.png', FIRST, '--provenance-images', 0)
    assert files == names('000001')
    assert 'skipped' in message and 'broken.png' in message and 'gone.png' in message


def test_a_image_that_has_no_such_position_is_named_and_the_others_are_drawn(draw, workplace, tmp_path):
    large = tmp_path / 'large.png'
    cv2.imwrite(str(large), cv2.resize(cv2.imread(str(workplace / FIRST)), (400, 400)))
    message, _, files = draw(FIRST, large, '--at', '300,300', '--provenance-images', 0)
    assert files == names('large')
    assert '000001.png: the point (300, 300) is outside of the image' in message


@pytest.mark.parametrize('arguments, expected', [
    (['--rd', 'neck.1'], "no RetrieverDictionary 'neck.1' in the model, but: backbone.trunk.rd.1"),
    (['--show', '3,128'], 'the dictionary has atoms 0..127, got 128'),
    (['--atoms', 'gone.pt'], 'there is no atoms file gone.pt'),
    (['--top', '0'], '--top should be at least 1, got 0'),
    (['--show', '3,x'], 'argument --show: should be numbers of atoms'),
    (['--at', '7'], 'argument --at: should be X,Y in pixels'),
])
def test_wrong_arguments_are_one_clear_line(draw, arguments, expected):
    message, _, files = draw(FIRST, *arguments)
    assert expected in message and 'Traceback' not in message
    assert files == []


def test_rejects_an_atoms_file_of_another_width(draw, tmp_path):
    message, _, _ = draw(FIRST, '--atoms', save_atoms(tmp_path / 'narrow.pt', width=32))
    assert 'narrow.pt has 128 atoms of width 32, and the model has 128 of width 64' in message


def test_rejects_a_model_without_a_dictionary(draw):
    message, _, _ = draw(FIRST, config=str(ROOT / 'configs/yolov9/yolov9t_shapes.py'))
    assert 'no RetrieverDictionary' in message


def test_rejects_a_checkpoint_that_lacks_tensors(draw, random_state, tmp_path):
    torch.save({name: value for name, value in random_state.items() if '.rd.' not in name}, tmp_path / 'without.pth')
    message, _, _ = draw(FIRST, weights=tmp_path / 'without.pth')
    assert 'without.pth does not fit' in message and 'is missing' in message


@pytest.mark.parametrize('missing', ['config', 'weights'])
def test_names_a_missing_file(draw, missing):
    message, _, _ = draw(FIRST, **{missing: 'gone.py'})
    assert message.startswith('visualize_dictionary.py: error: ') and 'gone.py' in message
