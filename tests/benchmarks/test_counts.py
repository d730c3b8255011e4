"""Operators and waits of the host, on calls whose numbers are known."""
import numpy as np
import pytest
import torch

from benchmarks.counts import count

VALUES = torch.arange(6.)
MASK = VALUES > 2


def read_a_tensor_of_the_host() -> None:
    on_host = VALUES.cpu()
    on_host.tolist()
    on_host.numpy()
    on_host[0].item()
    np.asarray(torch.tensor([1., 2.])).sum()


@pytest.mark.parametrize('work, expected', [
    (lambda: VALUES * 2 + 1, {}),
    (lambda: VALUES[0].item(), {'_local_scalar_dense': 1}),
    (lambda: bool(MASK.any()), {'_local_scalar_dense': 1}),
    (lambda: VALUES[MASK], {'index': 1}),
    (lambda: VALUES[torch.arange(2)], {}),
    (lambda: VALUES.clone().masked_fill_(MASK, 0), {}),
    (lambda: VALUES.clone().__setitem__(MASK, torch.ones(3)), {'index_put_': 1}),
    (lambda: VALUES.nonzero(), {'nonzero': 1}),
    (lambda: VALUES.unique(), {'_unique2': 1}),
    (lambda: torch.where(MASK), {'nonzero': 1}),
    (lambda: VALUES.repeat_interleave(torch.arange(6)), {'repeat_interleave': 1}),
    (lambda: VALUES.to('cpu'), {'to': 1}),
    (lambda: VALUES.tolist(), {'tolist': 1}),
    (read_a_tensor_of_the_host, {'cpu': 1}),
])
def test_the_host_waits_for_what_it_needs_to_know(work, expected):
    assert count(work).synchronisations == expected


def test_operators_of_forward_and_backward_are_counted():
    weight = torch.ones(3, requires_grad=True)
    operators = count(lambda: (weight * weight).sum().backward()).operators
    assert operators['mul'] == 3 and operators['sum'] == 1


def test_uploads_are_counted():
    assert count(lambda: (VALUES.new_tensor([1., 2.]), torch.tensor([1], device='cpu'))).uploads == {
        'new_tensor': 1, 'tensor': 1}
