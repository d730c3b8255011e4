"""Modulated attention against the whole matrix of weights, its gradients, and what it keeps."""
import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from mmdet_ext.models.layers import axis_terms, log_gaussian, modulated_attention
from mmdet_ext.models.layers.modulated_attention import bias_in_dtype

SHAPE, BATCH, HEADS, QUERIES, DIMS = (3, 4), 2, 3, 5, 4
NAMES = ('q', 'k', 'v', 'centre', 'scale')


def make(kinds: int = 2, placeless: int = 0, padded: bool = False, dtype: torch.dtype = torch.double) -> tuple:
    def leaf(*size: int) -> Tensor:
        return torch.randn(size, dtype=dtype).requires_grad_()

    keys = SHAPE[0] * SHAPE[1] + placeless
    q, k, v = leaf(BATCH, HEADS, QUERIES, DIMS), leaf(BATCH, HEADS, keys, DIMS), leaf(BATCH, HEADS, keys, DIMS)
    centre, scale = leaf(BATCH, QUERIES, HEADS, 2), leaf(BATCH, QUERIES, HEADS, kinds)
    padding = None
    if padded:
        padding = torch.zeros(BATCH, keys, dtype=torch.bool)
        padding[1, 2::4] = padding[0, -1] = True
    return (q, k, v, centre, scale), padding


def modulated(q: Tensor, k: Tensor, v: Tensor, centre: Tensor, scale: Tensor, padding: Tensor | None = None,
              dropout: float = 0.) -> Tensor:
    return modulated_attention(q, k, v, axis_terms(centre, scale.square(), SHAPE, 6.), padding, dropout)


def textbook(q: Tensor, k: Tensor, v: Tensor, centre: Tensor, scale: Tensor, padding: Tensor | None = None,
             kept: Tensor | float = 1.) -> Tensor:
    """All weights at once; `kept` is their factor after softmax."""
    bias = log_gaussian(centre, scale.square(), SHAPE, 6.)
    scores = q @ k.mT / q.shape[-1]**0.5 + torch.nn.functional.pad(bias, (0, k.shape[2] - bias.shape[3]))
    if padding is not None:
        scores = scores.masked_fill(padding[:, None, None], -torch.inf)
    return (scores.softmax(dim=-1) * kept @ v).transpose(1, 2).flatten(2)


def compare(inputs: tuple[Tensor, ...], output: Tensor, expected: Tensor, tolerance: float) -> None:
    direction = torch.randn_like(output)
    leaves = [x for x in inputs if x.numel()]
    assert_close(output, expected, rtol=0, atol=tolerance)
    for one, other in zip(*(torch.autograd.grad(x, leaves, direction) for x in (output, expected))):
        assert_close(one, other, rtol=0, atol=tolerance)


@pytest.fixture(params=[1, 25, 2**20])
def weights_at_once(request, monkeypatch) -> None:
    """Compute one head at a time, all of them, or some of them so that fewer remain at the end."""
    monkeypatch.setitem(modulated_attention.__globals__, '_CPU_WEIGHTS', request.param * 5)


@pytest.mark.usefixtures('weights_at_once')
@pytest.mark.parametrize('kinds', [0, 1, 2, 3])
@pytest.mark.parametrize('placeless, padded', [(0, False), (2, True)])
def test_values_and_gradients_are_those_of_the_whole_matrix(kinds, placeless, padded):
    for dtype, tolerance in ((torch.double, 1e-12), (torch.float, 1e-5)):
        inputs, padding = make(kinds, placeless, padded, dtype)
        compare(inputs, modulated(*inputs, padding), textbook(*inputs, padding), tolerance)


@pytest.mark.parametrize('kinds, padded', [(2, False), (3, True)])
def test_gradients_are_those_of_small_differences(kinds, padded):
    inputs, padding = make(kinds, 2, padded)
    assert torch.autograd.gradcheck(lambda *leaves: modulated(*leaves, padding), inputs)


@pytest.mark.usefixtures('weights_at_once')
def test_dropout_drops_the_same_weights_in_both_passes():
    inputs, padding = make(placeless=2, padded=True)
    torch.manual_seed(3)
    output = modulated(*inputs, padding, dropout=0.3)
    torch.manual_seed(3)
    kept = torch.empty(BATCH * HEADS, QUERIES, inputs[1].shape[2], dtype=torch.bool).bernoulli_(0.7)
    assert 0 < kept.float().mean() < 1
    compare(inputs, output, textbook(*inputs, padding, kept.view(BATCH, HEADS, QUERIES, -1).double() / 0.7), 1e-12)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('dropout', [0., 0.3])
def test_halves_stay_close(dtype, dropout):
    inputs, padding = make(3, 2, True, torch.float)
    outputs = []
    for form in (dtype, torch.float):
        torch.manual_seed(0)
        halves = [x.to(form) for x in inputs[:3]]
        output = modulated(*halves, *inputs[3:], padding, dropout)
        assert output.dtype == form
        outputs.append((output.float(), *torch.autograd.grad(output.float().square().sum(), inputs)))
    for one, other in zip(*outputs):
        assert (one - other).abs().mean() < 0.03 * other.abs().mean()


def test_what_is_kept_for_the_backward_pass_has_no_weights_in_it():
    inputs, _ = make(3)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: (kept.append(x), x)[1], lambda x: x):
        terms = axis_terms(*inputs[3:], SHAPE)
        kept.clear()
        modulated_attention(*inputs[:3], terms)
        sizes = [x.numel() for x in kept]
        kept.clear()
        modulated_attention(*inputs[:3], terms, dropout=0.5)
    assert max(sizes) == max(x.numel() for x in (*inputs[:3], *terms))
    weights = BATCH * HEADS * QUERIES * SHAPE[0] * SHAPE[1]
    assert [x.dtype for x in kept if x.numel() == weights] == [torch.bool]


def test_a_bias_of_halves_is_exact_where_weights_are_large():
    bias = torch.tensor([[-60000.25, -60000.75, -1e6]])
    for dtype in (torch.float16, torch.bfloat16):
        biases = bias_in_dtype(bias, dtype)
        assert biases.dtype == dtype and biases.isfinite().all()
        assert_close(biases[0, :2].float(), torch.tensor([0., -0.5]))
    assert bias_in_dtype(bias, torch.float32) is bias
