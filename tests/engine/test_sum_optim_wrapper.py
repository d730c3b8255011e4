import pytest
import torch
import torch.nn as nn
from mmdet_ext.engine import SumOptimWrapper


def run(counts_of_iterations: list[int], max_counts: int = -1, **settings) -> tuple[list[float], list[bool]]:
    """Train w from 0 with the loss (i + 1) * w in iteration i and learning rate 1; return w and whether it changed."""
    layer = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(layer.weight)
    wrapper = SumOptimWrapper(torch.optim.SGD(layer.parameters(), lr=1.), **settings)
    wrapper.initialize_count_status(layer, 0, max_counts)
    values, stepped = [], []
    for iteration, counts in enumerate(counts_of_iterations):
        wrapper.accumulative_counts = counts
        synced = wrapper.should_sync()
        wrapper.update_params((iteration + 1) * layer.weight.sum())
        assert synced == wrapper.stepped  # gradients are exchanged for steps, and for nothing else
        values.append(layer.weight.item())
        stepped.append(wrapper.stepped)
    return values, stepped


def test_gradients_are_added_up_not_averaged():
    values, stepped = run([2, 2, 2, 2])
    assert values == [0, -3, -3, -10]
    assert stepped == [False, True, False, True]


def test_without_accumulation_each_iteration_steps():
    assert run([1, 1, 1])[0] == [-1, -3, -6]


def test_a_growing_count_counts_from_the_last_step():
    values, stepped = run([1, 2, 2, 3, 3, 3])
    assert stepped == [True, False, True, False, False, True]
    assert values == [-1, -1, -6, -6, -6, -21]


def test_gradients_that_are_left_over_at_the_end_are_dropped():
    assert run([3, 3, 3, 3, 3], max_counts=5)[0] == [0, 0, -6, -6, -6]


def test_the_sum_is_clipped():
    assert run([2, 2], clip_grad=dict(max_norm=0.5))[0] == [0, pytest.approx(-0.5, abs=1e-6)]


def test_counting_goes_on_after_a_resume():
    layer = nn.Linear(1, 1)
    wrapper = SumOptimWrapper(torch.optim.SGD(layer.parameters(), lr=1.), accumulative_counts=4)
    wrapper.initialize_count_status(layer, 6, 100)
    steps = []
    for iteration in range(6, 14):
        wrapper.update_params(layer.weight.sum())
        if wrapper.stepped:
            steps.append(iteration)
    assert steps == [9, 13]


def test_rejects_counts_of_0():
    with pytest.raises(ValueError, match='accumulative_counts must be at least 1, got 0'):
        run([0])
