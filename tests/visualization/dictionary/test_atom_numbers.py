import torch
from torch.testing import assert_close

from mmdet_ext.models.layers import PAPER_FORM, RetrieverDictionary
from mmdet_ext.visualization.dictionary.query import correlations, folded_atoms, select_atoms
from mmdet_ext.visualization.dictionary.plots import gram


def test_correlations_by_hand():
    atoms = torch.tensor([[2., 0.], [0., -1.], [3., 4.]])
    assert_close(correlations(torch.tensor([5., 0.]), atoms), torch.tensor([1., 0., 0.6]))


def test_gram_by_hand():
    assert_close(gram(torch.tensor([[2., 0.], [3., 4.]])), torch.tensor([[1., 0.6], [0.6, 1.]]))


def test_a_folded_atom_is_what_one_coefficient_adds_to_the_retrieved_term():
    rd = RetrieverDictionary(4, 3).eval()
    norm = rd.dictionary.norm
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        torch.nn.init.uniform_(tensor, 0.5, 2)
    added = rd.dictionary(torch.eye(3)[:, :, None, None]) - rd.dictionary(torch.zeros(1, 3, 1, 1))
    assert_close(folded_atoms(rd), added[:, :, 0, 0].detach())


def test_without_a_batch_norm_the_folded_atoms_are_the_atoms():
    rd = RetrieverDictionary(4, 3, **PAPER_FORM)
    assert_close(folded_atoms(rd), rd.atoms.detach())


def test_related_atoms_have_the_highest_product_of_two_positive_numbers():
    coefficients = torch.tensor([3., -4., 1., 2., 0.1, 5.])
    cosines = torch.tensor([0.5, -0.9, 0.9, 0.8, 0.1, -0.2])  # products 1.5, (3.6 of negatives), 0.9, 1.6, 0.01, -1
    assert select_atoms(coefficients, cosines, 2)['related atoms'] == [3, 0]
    assert select_atoms(coefficients, cosines, 6)['related atoms'] == [3, 0, 2, 4]


def test_unrelated_atoms_have_the_smallest_coefficients_among_the_least_correlated_half():
    coefficients = torch.tensor([0.0, -0.3, 0.2, 2., -0.01, 1.])
    cosines = torch.tensor([0.9, 0.1, -0.2, 0.05, 0.8, -0.7])  # the least correlated half: 3, 1, 2
    assert select_atoms(coefficients, cosines, 2)['unrelated atoms'] == [2, 1]


def test_without_correlations_the_coefficients_decide_alone():
    selection = select_atoms(torch.tensor([0.5, -3., 2., 0.1]), None, 2)
    assert selection == {'related atoms': [2, 0], 'unrelated atoms': [3, 1]}
