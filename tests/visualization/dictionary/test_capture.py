import cv2
import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from torch.testing import assert_close

from mmdet_ext.models.layers import RetrieverDictionary
from mmdet_ext.visualization.dictionary.capture import Probe

NAMES = ['backbone.trunk.rd.1', 'neck.1.dictionaries.1']


@pytest.mark.parametrize('name, stride, channels', [(NAMES[0], 8, 64), (NAMES[1], 16, 96)])
def test_captures_what_enters_and_leaves_the_dictionary_of_that_name(probe, image_file, name, stride, channels):
    probe = Probe(probe.model, name, probe.pipeline)
    capture = probe(image_file)
    rows, columns = 64 // stride, 64 // stride
    assert capture.before.shape == capture.after.shape == capture.retrieved.shape == (channels, rows, columns)
    assert capture.coefficients.shape == (16, rows, columns)
    assert capture.grid.cells == (rows, columns) and capture.grid.size == (64, 96)
    assert_close(capture.after, 0.8 * capture.retrieved + 0.2 * capture.before)
    assert_close(capture.after, probe.rd(capture.before[None])[0].detach())


def test_coefficients_are_those_of_what_enters(probe, image_file):
    capture = probe(image_file)
    assert_close(capture.coefficients, probe.rd.coefficients(capture.before[None])[0].detach())
    assert_close(capture.coefficients.mean(dim=0), torch.zeros(8, 8), atol=1e-5, rtol=0)


def test_leaves_no_hook_behind(probe, image_file):
    probe(image_file)
    assert not probe.rd._forward_hooks


def test_the_image_is_kept_as_it_is_on_disk(probe, image_file):
    image = probe(image_file).image
    assert np.array_equal(image[..., ::-1], cv2.imread(str(image_file)))


def test_the_best_centre_is_the_middle_of_the_highest_scored_box(make_capture):
    capture = make_capture()
    capture.predictions = InstanceData(bboxes=torch.tensor([[0., 0., 10., 10.], [20., 8., 40., 12.]]),
                                       scores=torch.tensor([0.3, 0.6]))
    assert capture.best_centre() == (30., 10.)


def test_without_predictions_the_best_centre_is_that_of_the_image(make_capture):
    assert make_capture().best_centre() == (24., 16.)


def test_a_dictionary_that_is_never_called_is_an_error(probe, image_file, monkeypatch):
    monkeypatch.setattr(probe.model, 'stray', RetrieverDictionary(8, 4), raising=False)
    with pytest.raises(ValueError, match='stray takes no part'):
        Probe(probe.model, 'stray', probe.pipeline)(image_file)


@pytest.mark.parametrize('content, error', [(None, FileNotFoundError), (b'', ValueError), (b'no image', ValueError)])
def test_names_a_image_that_cannot_be_read(probe, tmp_path, content, error):
    path = tmp_path / 'broken.png'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match='broken.png'):
        probe(path)
