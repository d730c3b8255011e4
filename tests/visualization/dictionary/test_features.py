import pytest
import torch
from torch.testing import assert_close

from mmdet_ext.visualization.dictionary.maps import summarise

MAPS = torch.tensor([[[3., 0.]], [[-4., 2.]]])  # two channels of 1 x 2 cells


@pytest.mark.parametrize('measure, expected', [('norm', [[5., 2.]]), ('mean', [[3.5, 1.]])])
def test_length_and_mean_magnitude_by_hand(measure, expected):
    assert_close(summarise(MAPS, measure, MAPS.flatten(1)), torch.tensor(expected))


def test_the_principal_component_is_the_direction_in_which_the_reference_varies():
    direction = torch.tensor([0.6, 0.8])
    steps = torch.linspace(-3, 3, 12)
    reference = torch.tensor([[5.], [7.]]) + direction[:, None] * steps
    assert_close(summarise(reference.view(2, 3, 4), 'pca', reference), steps.view(3, 4), atol=1e-5, rtol=0)


def test_other_maps_are_projected_onto_the_component_of_the_reference():
    reference = torch.stack([torch.linspace(-1, 1, 9), torch.zeros(9)])
    assert_close(summarise(MAPS, 'pca', reference), MAPS[0], atol=1e-6, rtol=0)


def test_rejects_an_unknown_measure():
    with pytest.raises(ValueError, match="norm, mean, pca, got 'max'"):
        summarise(MAPS, 'max', MAPS.flatten(1))
