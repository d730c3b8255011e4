"""Fewer atoms: which stay, and the outputs of what is left."""
import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from mmdet_ext.dictionary.pruning import choose_atoms, number_to_keep, prune
from mmdet_ext.models.layers import PAPER_FORM, RetrieverDictionary
from torch.testing import assert_close

FORMS = [{}, PAPER_FORM, dict(norm_g=False, norm_e=False, norm_d=False), dict(gate=0.5), dict(ramp=4),
         dict(unit_atoms=True, kernel_size=3), dict(dense=True, normalise=False),
         dict(freeze_atoms=True, lambda_=0.5), dict(alpha=0.0)]


def trained(**options: object) -> RetrieverDictionary:
    """A dictionary of 8 channels and 16 atoms whose every tensor is its own."""
    rd = RetrieverDictionary(8, 16, **options).eval()
    for name, tensor in rd.state_dict().items():
        if name.endswith('running_var'):
            nn.init.uniform_(tensor, 0.5, 1.5)
        elif tensor.is_floating_point() and tensor.ndim:
            tensor.normal_(std=0.5)
        elif name == 'passes':
            tensor.fill_(3)
    return rd


@pytest.mark.parametrize('form', FORMS)
def test_keeping_all_atoms_changes_nothing(form):
    rd = trained(**form)
    x = torch.randn(2, 8, 4, 5)
    pruned = prune(rd, range(16))
    assert pruned(x).equal(rd(x)) and pruned.retrieve(x).equal(rd.retrieve(x)) and not pruned.training
    assert [p.requires_grad for p in pruned.parameters()] == [p.requires_grad for p in rd.parameters()]
    assert all(kept.equal(given) for kept, given in zip(pruned.state_dict().values(), rd.state_dict().values()))


def test_what_is_left_is_the_formula_over_the_kept_atoms():
    rd, keep = trained(norm_affine=True), [3, 7, 12]
    x = torch.randn(2, 8, 4, 5)

    def batch_norm(y, norm, rows):
        return F.batch_norm(y, norm.running_mean[rows], norm.running_var[rows], norm.weight[rows], norm.bias[rows],
                            eps=norm.eps)

    c = torch.einsum('bchw,nc->bnhw', x, rd.generator.conv.weight[keep, :, 0, 0])
    c = F.silu(batch_norm(c, rd.generator.norm, keep))
    c = batch_norm(F.conv2d(c, rd.exchanger.conv.weight[keep], padding=2, groups=3), rd.exchanger.norm, keep)
    c = (c - c.mean(1, keepdim=True)) / (c.std(1, keepdim=True) + 1e-5)
    c = c * rd.scale[keep].view(3, 1, 1) + rd.shift[keep].view(3, 1, 1)
    total = torch.einsum('bnhw,nc->bchw', c, rd.atoms[keep])
    assert_close(prune(rd, keep)(x), 0.8 * batch_norm(total, rd.dictionary.norm, slice(None)) + 0.2 * x)


@pytest.mark.parametrize('form', FORMS)
def test_a_pruned_dictionary_is_one_of_its_own(form):
    rd = trained(**form)
    before = {name: tensor.clone() for name, tensor in rd.state_dict().items()}
    pruned = prune(rd, torch.tensor([1, 5, 9]))
    with torch.no_grad():
        for parameter in pruned.parameters():
            parameter.zero_()
    assert pruned.num_atoms == 3 and pruned.atoms.shape == (3, 8)
    assert all(tensor.equal(before[name]) for name, tensor in rd.state_dict().items())


@pytest.mark.parametrize('keep', [[1], [1, 1, 2], [0, 16], [-1, 3]])
def test_indices_that_are_no_atoms_are_refused(keep):
    with pytest.raises(ValueError, match='keep_indices should be at least 2 distinct ones of 0..15'):
        prune(trained(), keep)


@pytest.mark.parametrize('keep, number', [(0.5, 64), (1, 128), (1.0, 128), (2, 2), (128, 128), (0.02, 3)])
def test_a_fraction_or_a_number_is_kept(keep, number):
    assert number_to_keep(keep, 128) == number


@pytest.mark.parametrize('keep', [0, -0.5, 0.01, 129, 2.5, float('nan')])
def test_keep_out_of_range_is_named(keep):
    with pytest.raises(ValueError, match=f'keep should.*{keep}'):
        number_to_keep(keep, 128)


def test_the_most_used_are_kept_in_their_order():
    usage = torch.tensor([0.1, 0.9, 0.5, 0.7, 0.5])
    assert choose_atoms(torch.randn(5, 2), usage, 3).tolist() == [1, 2, 3]


def test_a_random_choice_depends_on_the_seed_alone():
    atoms, usage = torch.randn(64, 2), torch.rand(64)
    chosen = choose_atoms(atoms, usage, 32, 'random', seed=1)
    assert chosen.equal(choose_atoms(-atoms, 1 - usage, 32, 'random', seed=1)) and len(chosen.unique()) == 32
    assert not chosen.equal(choose_atoms(atoms, usage, 32, 'random', seed=2))


def test_clustering_keeps_one_atom_of_each_group_the_one_in_its_middle():
    corners = torch.tensor([[0.0, 0.0], [0.0, 9.0], [9.0, 0.0]])
    star = torch.tensor([[1.0, 0.0], [0.0, 0.1], [-1.0, 0.0], [0.0, -1.0]])  # the mean is (0, -0.2), the second nearest
    atoms = (corners[:, None] + star).flatten(0, 1)
    assert choose_atoms(atoms, torch.rand(12), 3, 'clustering').tolist() == [1, 5, 9]


@pytest.mark.filterwarnings('ignore:Number of distinct clusters')
def test_clustering_keeps_as_many_as_asked_where_atoms_are_equal():
    atoms = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(4, 1)
    chosen = choose_atoms(atoms, torch.rand(8), 5, 'clustering')
    assert len(chosen.unique()) == 5 and len(atoms[chosen].unique(dim=0)) == 2


def test_another_method_is_named():
    with pytest.raises(ValueError, match="by should be one of usage, random, clustering, got 'size'"):
        choose_atoms(torch.randn(4, 2), torch.rand(4), 2, 'size')
