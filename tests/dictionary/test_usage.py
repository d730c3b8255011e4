"""Which atoms a network uses: found dictionaries, their inputs, mean magnitudes, effective number."""
import pytest
import torch
import torch.nn as nn
from mmdet_ext.dictionary.usage import dictionary_inputs, effective_number, find_dictionaries, measure_usage
from mmdet_ext.models.layers import RetrieverDictionary
from torch import Tensor
from torch.testing import assert_close


class TwoLevels(nn.Module):
    """What the functions ask of a detector: a dictionary on the image, and one on what the first gives."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = RetrieverDictionary(3, 4), RetrieverDictionary(3, 6)

    def data_preprocessor(self, data: dict, training: bool) -> dict:
        return dict(inputs=torch.stack(data['inputs']))

    def extract_feat(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


@pytest.fixture
def batches() -> list[dict]:
    return [dict(inputs=[torch.randn(3, 4, 5) for _ in range(size)]) for size in (2, 1)]


def test_each_dictionary_is_told_what_reaches_it(batches):
    model = TwoLevels().eval()
    x = torch.stack(batches[0]['inputs'])
    (first, of_first), (second, of_second) = dictionary_inputs(model, batches[0])
    assert (first, second) == ('first', 'second') and of_first.equal(x) and of_second.equal(model.first(x))
    assert not model.first._forward_pre_hooks


def test_usage_is_the_mean_magnitude_over_all_pixels_of_all_batches(batches):
    model = TwoLevels()
    usage = measure_usage(model, batches)
    x = torch.cat([torch.stack(data['inputs']) for data in batches])
    assert not model.training and {name: value.dtype for name, value in usage.items()} == dict.fromkeys(
        ('first', 'second'), torch.float64)
    assert_close(usage['first'], model.first.coefficients(x).abs().mean(dim=(0, 2, 3)).double())
    assert_close(usage['second'], model.second.coefficients(model.first(x)).abs().mean(dim=(0, 2, 3)).double())


def test_a_dictionary_that_nothing_reaches_is_named(batches):
    model = TwoLevels()
    model.second, model.third = nn.Identity(), model.second
    with pytest.raises(ValueError, match='nothing reached third'):
        measure_usage(model, batches)


def test_a_model_without_dictionary_is_refused():
    with pytest.raises(ValueError, match='Conv2d.*no RetrieverDictionary'):
        find_dictionaries(nn.Conv2d(1, 1, 1))


def test_the_effective_number_is_that_of_equally_used_atoms():
    assert effective_number(torch.tensor([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert effective_number(torch.tensor([0.0, 5.0])) == pytest.approx(1)
    assert effective_number(torch.tensor([1.0, 3.0])) == pytest.approx(4 / 27**0.25)  # entropy of (1/4, 3/4)
