import pytest
import torch
from mmdet_ext.engine import EpochLinearLR
from tiny_run import tiny_runner


@pytest.mark.parametrize('epochs', [1, 2, 300, 500])
def test_each_epoch_has_the_published_rate(epochs):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    scheduler = EpochLinearLR(optimizer, end=epochs, end_factor=0.01)
    for epoch in range(epochs):
        assert optimizer.param_groups[0]['lr'] == pytest.approx(0.01 * ((1 - epoch / epochs) * 0.99 + 0.01), rel=1e-6)
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]['lr'] == pytest.approx(0.0001)


def test_the_runner_fills_in_the_length_of_the_training(tmp_path):
    runner = tiny_runner(tmp_path, epochs=7, iters=1, schedulers=[dict(type='EpochLinearLR')])
    runner.train()
    assert runner.optim_wrapper.optimizer.param_groups[0]['lr'] == pytest.approx(0.0001)
