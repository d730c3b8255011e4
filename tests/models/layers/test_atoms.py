"""Atoms from a file, and ways to put a dictionary into a trained network."""
import copy

import pytest
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.testing import assert_close

from mmdet_ext.models.layers import Atoms, RetrieverDictionary, fuse, load_atoms


@pytest.fixture
def file(tmp_path):
    path = tmp_path / 'atoms.pt'
    vectors = F.normalize(torch.randn(16, 8), dim=1)
    nearest = [[dict(source='text', text=f'text {i}', file='a.txt', line=i + 1, similarity=0.5)] for i in range(16)]
    Atoms(vectors, torch.arange(16), nearest, report=dict(inertia=[2.0, 1.0])).save(path)
    return path


def test_a_file_comes_back_as_it_was_saved(file):
    atoms = load_atoms(file)
    assert atoms.nearest[3] == [dict(source='text', text='text 3', file='a.txt', line=4, similarity=0.5)]
    assert atoms.counts.tolist() == list(range(16)) and atoms.report == dict(inertia=[2.0, 1.0])
    assert [path.name for path in file.parent.iterdir()] == ['atoms.pt']


def test_atoms_are_those_of_the_file(file):
    rd = RetrieverDictionary(8, atoms=file)
    assert rd.num_atoms == 16 and rd.atoms.equal(load_atoms(file).vectors)


def test_matched_coefficients_begin_as_correlations(file):
    rd = RetrieverDictionary(8, atoms=str(file), init_g='match', act_g=False, norm_g=False, norm_e=False)
    x = torch.randn(1, 8, 3, 3)
    correlations = torch.einsum('nc,bchw->bnhw', rd.atoms, x)
    assert_close(rd.exchanger(rd.generator(x)), correlations)
    assert_close(rd.coefficients(x)[0, :, 1, 2], (correlations[0, :, 1, 2] - correlations[0, :, 1, 2].mean())
                 / (correlations[0, :, 1, 2].std() + 1e-5))


def test_random_atoms_match_too():
    rd = RetrieverDictionary(8, num_atoms=4, init_g='match')
    assert rd.generator.conv.weight[:, :, 0, 0].equal(rd.atoms)


def test_frozen_atoms_get_no_gradient_and_the_rest_does(file):
    rd = RetrieverDictionary(8, atoms=file, freeze_atoms=True)
    rd(torch.randn(2, 8, 4, 4)).square().sum().backward()
    assert [name for name, p in rd.named_parameters() if p.grad is None] == ['dictionary.conv.weight']


@pytest.mark.parametrize('options, message', [
    (dict(channels=9), 'width 8.* 9 channels.*--channels 9'),
    (dict(num_atoms=15), '16 atoms, got num_atoms=15'),
    (dict(init_g='same'), "init_g.*'same'"),
    (dict(ramp=-1), 'ramp=-1'),
    (dict(ramp=5, gate=0.0), 'ramp=5 and gate=0.0'),
])
def test_what_does_not_fit_is_named(file, options, message):
    with pytest.raises(ValueError, match=message):
        RetrieverDictionary(**dict(dict(channels=8, atoms=file), **options))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='no atoms file .*none.pt.*build_dictionary'):
        RetrieverDictionary(8, atoms=tmp_path / 'none.pt')


@pytest.mark.parametrize('content', [b'', b'not a file of torch', None])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / 'other.pt'
    path.write_bytes(content) if content is not None else torch.save(dict(atoms=torch.ones(3, 8)), path)
    with pytest.raises(ValueError, match='other.pt is no atoms file'):
        RetrieverDictionary(8, atoms=path)


def test_a_trained_checkpoint_needs_no_atoms_file(file, tmp_path):
    trained = RetrieverDictionary(8, atoms=file)
    rd = RetrieverDictionary(8, num_atoms=16, atoms=tmp_path / 'none.pt')
    x = torch.randn(1, 8, 4, 4)
    with pytest.raises(FileNotFoundError, match='none.pt'):
        rd(x)
    rd.load_state_dict(trained.state_dict())
    assert rd.eval()(x).equal(trained.eval()(x))


def test_a_gate_of_0_is_the_identity_and_opens():
    rd = RetrieverDictionary(8, 4, gate=0.0)
    x = torch.randn(2, 8, 4, 4)
    assert_close(rd(x), x, rtol=0, atol=0)
    rd(x).square().sum().backward()
    assert rd.gate.grad != 0 and rd.dictionary_weight() == 0


def test_a_gate_of_1_is_no_gate():
    gated, plain = RetrieverDictionary(8, 4, gate=1.0), RetrieverDictionary(8, 4)
    plain.load_state_dict(gated.state_dict(), strict=False)
    x = torch.randn(2, 8, 4, 4)
    assert_close(gated(x), plain(x))


def test_a_ramp_rises_in_training_alone_and_is_kept():
    rd = RetrieverDictionary(8, 4, alpha=0.8, ramp=4)
    x = torch.randn(2, 8, 4, 4)
    weights = []
    for _ in range(6):
        weights.append(float(rd.dictionary_weight()))
        rd.train()(x)
        rd.eval()(x)
    assert weights == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 0.8])
    other = RetrieverDictionary(8, 4, alpha=0.8, ramp=4)
    other.load_state_dict(rd.state_dict())
    assert other.passes == 6


@pytest.mark.parametrize('options', [dict(gate=0.3), dict(ramp=4)])
def test_folding_keeps_gate_and_ramp(options):
    rd = RetrieverDictionary(8, 4, **options)
    x = torch.randn(2, 8, 4, 4)
    rd(x)
    rd.eval()
    with torch.no_grad():
        before = rd(x)
        assert not torch.allclose(before, x)
        folded = fuse(nn.Sequential(copy.deepcopy(rd)))
        assert_close(folded(x), before, rtol=1e-5, atol=1e-5)
        # folded weights load into a folded module whose gate or ramp stood elsewhere
        other = fuse(nn.Sequential(RetrieverDictionary(8, 4, **options).eval()))
        other.load_state_dict(folded.state_dict())
        assert_close(other(x), before, rtol=1e-5, atol=1e-5)
