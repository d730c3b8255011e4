import torch
from torch.testing import assert_close

from benchmarks.smca import attention, modulated, textbook


def test_both_forms_of_modulated_attention_give_the_same_numbers_and_gradients():
    q, k, v = (torch.randn(2, 8, n, 32, requires_grad=True) for n in (5, 12, 12))
    centre, scale = torch.rand(2, 5, 8, 2).mul(4).requires_grad_(), torch.rand(2, 5, 8, 2, requires_grad=True)
    results = []
    for form in (textbook, modulated):
        output = form(q, k, v, centre, scale, (3, 4))
        results.append((output, *torch.autograd.grad(output.square().sum(), (q, k, v, centre, scale))))
    assert_close(*results, rtol=1e-4, atol=1e-5)


def test_the_benchmark_measures_both_forms():
    rows = dict(attention(torch.device('cpu'), 1, (4, 5)))
    assert len(rows) == 2 and all(row.seconds > 0 and row.peak_bytes > 0 for row in rows.values())
