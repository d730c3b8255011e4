"""What is computed from texts is kept until it could be another."""
import pytest
import torch
from torch import nn

from mmdet_ext.models.layers.kept_result import KeptResult


class Counted:
    """A sum of two weights, and how often it was computed."""

    def __init__(self) -> None:
        self.weight, self.calls, self.kept = nn.Parameter(torch.ones(2)), 0, KeptResult().eval()

    def compute(self):
        self.calls += 1
        return self.weight.sum()

    @torch.no_grad()
    def __call__(self, key='cat'):
        return self.kept(key, [self.weight], self.compute)


@pytest.fixture
def counted():
    return Counted()


def test_the_same_is_computed_once(counted):
    assert counted() is counted()
    assert counted.calls == 1


def _other_weight(counted):
    with torch.no_grad():
        counted.weight[0] = 3


def _other_tensor(counted):
    counted.weight = nn.Parameter(torch.ones(2))


CHANGES = dict(weight=_other_weight, tensor=_other_tensor, input=lambda counted: counted('dog'),
               mode=lambda counted: nn.ModuleList([counted.kept]).eval(),
               state=lambda counted: nn.ModuleList([counted.kept]).load_state_dict({}))


@pytest.mark.parametrize('change', CHANGES)
def test_a_change_makes_it_compute_again(counted, change):
    counted()
    CHANGES[change](counted)
    before = counted.calls
    assert counted() == counted.weight.sum()
    assert counted.calls == before + 1


@pytest.mark.parametrize('context', [torch.autocast('cpu'), torch.inference_mode()], ids=['autocast', 'inference'])
def test_another_precision_or_mode_of_torch_is_another_result(counted, context):
    counted()
    with context:
        counted()
    assert counted.calls == 2


def test_nothing_is_kept_in_training_or_with_a_gradient(counted):
    with torch.enable_grad():
        for _ in range(2):
            counted.kept('cat', [counted.weight], counted.compute)
    counted.kept.train()
    counted()
    counted()
    assert counted.calls == 4


def test_it_has_no_state():
    assert KeptResult().state_dict() == {}
