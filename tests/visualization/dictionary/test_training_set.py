"""Usage and provenance, counted over images."""
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch.testing import assert_close

from mmdet_ext.models.layers import Atoms, RetrieverDictionary
from mmdet_ext.shapes import ShapesConfig, make_shapes
from mmdet_ext.visualization.dictionary import training_set as training_set_module
from mmdet_ext.visualization.dictionary.plots import usage_on
from mmdet_ext.visualization.dictionary.training_set import (atoms_of, highest_cells, highest_of,
                                                            look_at_training_set, some_training_images)

pytestmark = pytest.mark.usefixtures('shallow_blocks')


def test_usage_is_the_mean_magnitude_without_the_padding(make_capture):
    coefficients = torch.zeros(2, 6, 6)
    coefficients[:, [0, 5]] = 100  # rows of padding
    coefficients[0, 1] = -4  # 6 of the 24 cells that are left
    assert_close(usage_on(make_capture(coefficients)), torch.tensor([1., 0.], dtype=torch.float64))


def test_the_highest_coefficients_one_of_each_image_by_hand(make_capture):
    cells = []
    for name, values in (('a', (1., 2.)), ('b', (3., -5.)), ('c', (2., -1.))):
        coefficients = torch.full((2, 6, 6), -9.)
        coefficients[:, 0, 0] = 100  # padding
        coefficients[0, 1, 2], coefficients[1, 4, 5] = values
        cells.append(highest_cells(make_capture(coefficients, f'{name}.png')))
    first, second = highest_of(cells, 2)
    assert [(sample['image'], sample['coefficient']) for sample in first] == [('b.png', 3.), ('c.png', 2.)]
    assert [(sample['image'], sample['coefficient']) for sample in second] == [('a.png', 2.), ('c.png', -1.)]
    assert first[0]['box'] == (16., 0., 24., 8.)
    assert second[0]['box'] == (40., 24., 48., 32.)


def save_atoms(path, number, width):
    sample = dict(source='clip', similarity=0.5, image='a.png', box=(0, 0, 1, 1))
    Atoms(torch.eye(number, width), torch.ones(number), [[sample], *[[]] * (number - 1)]).save(path)
    return path


def test_the_atoms_of_a_dictionary_are_of_the_file_that_it_began_from(tmp_path):
    path = save_atoms(tmp_path / 'atoms.pt', 4, 8)
    atoms = atoms_of(RetrieverDictionary(8, atoms=path), None)
    assert atoms.vectors.equal(torch.eye(4, 8)) and atoms.nearest[0][0]['source'] == 'clip'


def test_nothing_is_known_of_atoms_without_a_file_or_whose_file_is_gone(tmp_path):
    path = save_atoms(tmp_path / 'atoms.pt', 4, 8)
    rd = RetrieverDictionary(8, atoms=path)
    path.unlink()
    assert atoms_of(rd, None) is None
    assert atoms_of(RetrieverDictionary(8, 4), None) is None


@pytest.mark.parametrize('number, width', [(5, 8), (4, 6)])
def test_rejects_an_atoms_file_of_another_number_or_width(tmp_path, number, width):
    path = save_atoms(tmp_path / 'atoms.pt', number, width)
    with pytest.raises(ValueError, match=f'atoms.pt has {number} atoms of width {width}, .* 4 of width 8'):
        atoms_of(RetrieverDictionary(8, 4), path)


def test_training_images_are_some_of_the_training_set_and_the_same_each_time(tmp_path):
    make_shapes(tmp_path / 'shapes', ShapesConfig(train=8, val=1, test=1))
    options = {f'{split}_dataloader.dataset{inner}.data_root': str(tmp_path / 'shapes')
               for split, inner in (('train', '.dataset'), ('val', ''))}
    cfg = Config.fromfile('configs/yolov9/yolov9t_shapes.py')
    cfg.merge_from_dict(options)
    few, all_of_them = some_training_images(cfg, 3), some_training_images(cfg, 100)
    assert len(set(few)) == 3 and few == all_of_them[:3]
    assert sorted(all_of_them) == sorted(map(str, (tmp_path / 'shapes' / 'train').iterdir()))


def test_says_what_the_training_set_is_needed_for_if_it_is_not_there(tmp_path):
    cfg = Config.fromfile('configs/yolov9/yolov9t_shapes.py')
    cfg.train_dataloader.dataset.dataset.data_root = str(tmp_path / 'gone')
    with pytest.raises(FileNotFoundError, match='yolov9t_shapes.py: its training set is needed.*gone'):
        look_at_training_set(cfg, SimpleNamespace(), None, 3, 0)


def test_the_training_set_is_not_read_where_nothing_is_asked_of_it():
    provenance, usage, skipped = look_at_training_set(Config(), SimpleNamespace(), None, 0, 0)
    assert (provenance.nearest, usage, skipped) == (None, [], [])


def test_usage_and_samples_are_counted_on_as_many_images_as_are_asked_for(make_capture, monkeypatch):
    def probe(path):
        if path == 'broken.png':
            raise ValueError('broken.png is no image')
        return make_capture(path=path)

    monkeypatch.setattr(training_set_module, 'some_training_images',
                        lambda cfg, count: ['a.png', 'broken.png', 'c.png', 'd.png'][:count])
    provenance, usage, skipped = look_at_training_set(Config(), probe, None, 3, 4)
    assert skipped == ['broken.png is no image']
    assert len(usage) == 3 and 'the highest on 2 training images' in provenance.note
    assert {sample['image'] for sample in provenance.nearest[0]} == {'a.png', 'c.png'}
    _, usage, _ = look_at_training_set(Config(), probe, None, 3, 1)
    assert len(usage) == 1
