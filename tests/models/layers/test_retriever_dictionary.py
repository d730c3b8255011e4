"""RetrieverDictionary: limits, values by hand, options, folding. Published numbers: `tests/parity/test_yolo_rd.py`."""
import pytest
import torch
import torch.nn as nn
from benchmarks.counts import count
from mmdet_ext.models.layers import PAPER_FORM, RetrieverDictionary, fuse, positional_norm
from torch.testing import assert_close


def test_alpha_0_is_the_identity():
    feat = torch.randn(2, 8, 4, 4)
    assert RetrieverDictionary(8, num_atoms=16, alpha=0)(feat).equal(feat)


def test_positional_norm_by_hand():
    x = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1)
    assert_close(positional_norm(x, eps=0).flatten(), torch.tensor([-1.0, 0.0, 1.0]))
    assert_close(positional_norm(x, eps=0, biased=True).flatten(), torch.tensor([-1.0, 0.0, 1.0]) * 1.5**0.5)


def test_positional_norm_is_in_float32_for_half_precision():
    assert positional_norm(torch.randn(1, 8, 2, 2).half()).dtype == torch.float32


DENSE = dict(dense=True, init_g='match')
FORMS = [{}, PAPER_FORM, DENSE, dict(normalise=False)]


@pytest.mark.parametrize('form', FORMS)
def test_every_part_learns(form):
    rd = RetrieverDictionary(8, num_atoms=16, **form)
    rd(torch.randn(2, 8, 4, 4)).square().sum().backward()
    assert [name for name, p in rd.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_papers_form_by_the_papers_formula():
    rd = RetrieverDictionary(6, num_atoms=5, lambda_=0.3, kernel_size=3, **PAPER_FORM)
    nn.init.uniform_(rd.scale)
    nn.init.uniform_(rd.shift)
    x = torch.randn(1, 6, 4, 4)
    c = rd.exchanger.conv(rd.generator.conv(x))
    mean, variance = c.mean(dim=1, keepdim=True), c.var(dim=1, correction=0, keepdim=True)
    c = (c - mean) / (variance + 1e-5).sqrt() * rd.scale.view(5, 1, 1) + rd.shift.view(5, 1, 1)
    atoms = rd.dictionary.conv.weight[:, :, 0, 0].T
    atoms = atoms / atoms.norm(dim=1, keepdim=True)
    assert_close(rd.atoms, atoms)
    assert_close(rd(x), 0.3 * x + 0.7 * torch.einsum('bnhw,nc->bchw', c, atoms))


@pytest.mark.parametrize('form', [*FORMS, dict(unit_atoms=True), dict(alpha=0), dict(dense=True, norm_g=False)])
def test_folding_changes_no_output(form):
    rd = RetrieverDictionary(8, num_atoms=16, **form).eval()
    for parameter in (rd.scale, rd.shift):
        if parameter is not None:
            nn.init.normal_(parameter)
    for norm in (m for m in rd.modules() if isinstance(m, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
    x = torch.randn(2, 8, 4, 4)
    with torch.no_grad():
        before = rd(x)
        after = fuse(nn.Sequential(rd))(x)
    assert_close(after, before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('channels, num_atoms, weights', [
    (512, 256, 3_407_872), (512, 512, 6_815_744), (512, 1024, 13_631_488), (256, 512, 3_407_872),
    (256, 2048, 13_631_488), (1024, 512, 13_631_488)])
def test_the_dense_retriever_has_the_weights_of_the_ablation(channels, num_atoms, weights):
    with torch.device('meta'):
        rd = RetrieverDictionary(channels, num_atoms, dense=True)
    assert sum(p.numel() for p in rd.parameters() if p.ndim == 4) == weights


def test_the_dense_retriever_can_compute_what_the_two_convolutions_do():
    options = dict(norm_g=False, act_g=False, norm_e=False)
    pair, dense = RetrieverDictionary(6, 5, **options), RetrieverDictionary(6, 5, dense=True, **options)
    generator, exchanger = pair.generator.conv.weight, pair.exchanger.conv.weight
    dense.generator.conv.weight.data = generator * exchanger  # (5, 6, 1, 1) times (5, 1, 5, 5)
    dense.dictionary.load_state_dict(pair.dictionary.state_dict())
    x = torch.randn(2, 6, 7, 8)
    assert_close(dense(x), pair(x))


def test_without_normalisation_coefficients_are_those_of_the_retriever():
    rd, x = RetrieverDictionary(6, 5, normalise=False), torch.randn(2, 6, 4, 4)
    assert_close(rd.coefficients(x), rd.exchanger(rd.generator(x)))


@pytest.mark.parametrize('form', [*FORMS, dict(norm_g=False, norm_e=False, norm_d=False)])
@pytest.mark.parametrize('mode', [True, False])
def test_pixels_of_zeros_have_finite_outputs_and_gradients(form, mode):
    rd, x = RetrieverDictionary(8, 16, **form).train(mode), torch.zeros(2, 8, 4, 4, requires_grad=True)
    output = rd(x)
    output.square().sum().backward()
    assert output.isfinite().all() and x.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in rd.parameters())


@pytest.mark.parametrize('dtype, atol', [(torch.bfloat16, 0.1), (torch.float16, 0.02)])
def test_the_folded_form_stays_close_in_half_precision(dtype, atol):
    rd = RetrieverDictionary(8, num_atoms=16).eval()
    x = torch.randn(2, 8, 4, 4)
    with torch.no_grad():
        before = rd(x)
        folded = fuse(nn.Sequential(rd))
        with torch.autocast('cpu', dtype=dtype):
            after = folded(x)
    assert_close(after.float(), before, rtol=0, atol=atol)


@pytest.mark.parametrize('options, message', [
    (dict(alpha=1.1), 'alpha.*1.1'),
    (dict(lambda_=-0.1), 'lambda_.*-0.1'),
    (dict(alpha=0.5, lambda_=0.5), 'two names for one thing'),
    (dict(num_atoms=1), 'num_atoms.*1'),
])
def test_wrong_values_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        RetrieverDictionary(8, **options)


def test_lambda_is_the_complement_of_alpha():
    assert RetrieverDictionary(8, 4, lambda_=0.25).alpha == 0.75 and RetrieverDictionary(8, 4).alpha == 0.8


def folded(dtype: torch.dtype = torch.float32, **options) -> nn.Module:
    rd = fuse(nn.Sequential(RetrieverDictionary(8, num_atoms=16, **options).eval())).requires_grad_(False)
    return rd.to(dtype).to(memory_format=torch.channels_last)


def test_the_folded_form_reads_its_coefficients_without_a_copy_in_float32():
    rd, x = folded(torch.bfloat16), torch.randn(2, 8, 4, 4).bfloat16().to(memory_format=torch.channels_last)
    operators = count(lambda: rd(x)).operators
    assert operators['_to_copy'] == 1  # of the deviations, one per pixel
    assert operators['sum'] == operators['linalg_vector_norm'] == 1 and operators['addcmul'] == 3
    assert operators.keys().isdisjoint({'sub', 'mean', 'clone'})


def test_a_shift_of_all_coefficients_changes_nothing():
    rd, x = folded()[0], torch.randn(2, 8, 4, 4)
    before = rd(x)
    rd.exchanger.conv.bias += 3
    assert_close(rd(x), before, rtol=1e-4, atol=1e-5)


def test_equal_coefficients_are_finite_in_half_precision():
    rd = folded(torch.float16)
    for conv in (rd[0].generator.conv, rd[0].exchanger.conv):
        conv.weight.zero_(), conv.bias.zero_()
    assert rd(torch.randn(1, 8, 2, 2).half()).isfinite().all()


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('biased', [False, True])
def test_both_layouts_give_the_deviation(layout, biased):
    coefficients = torch.randn(2, 16, 3, 5).to(memory_format=layout)
    rd = folded(biased=biased)[0]
    variance = coefficients.var(dim=1, correction=0 if biased else 1, keepdim=True)
    expected = 1 / ((variance + 1e-5).sqrt() if biased else variance.sqrt() + 1e-5)
    assert_close(rd._inverse_deviation(coefficients), expected)


def test_weights_of_earlier_versions_with_sums_beside_them_are_read():
    rd, x = folded(), torch.randn(2, 8, 4, 4)
    state, expected = rd.state_dict(), rd(x)
    means = torch.randn(8)
    state['0.dictionary.weight'] = state['0.dictionary.weight'] + means.view(-1, 1, 1, 1)
    state['0.sums'] = (16 * means).view(1, -1, 1, 1)
    other = folded()
    other.load_state_dict(state)
    assert_close(other(x), expected, rtol=1e-4, atol=1e-5)
