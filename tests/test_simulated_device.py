"""The simulated device computes what the CPU computes, and refuses operands that are elsewhere."""
import pytest
import torch
from simulated_device import NAME, SimulatedDevice, SimulatedTensor
from torch.testing import assert_close


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(inplace=True))


def test_a_step_there_is_one_on_the_cpu():
    images = torch.randn(2, 3, 8, 8)
    here, there = network(), network()
    here(images).square().mean().backward()
    with SimulatedDevice():
        there.to(NAME)
        loss = there(images.to(NAME)).square().mean()
        assert isinstance(loss, SimulatedTensor) and loss.device.type == NAME
        loss.backward()
        for parameter, expected in zip(there.parameters(), here.parameters(), strict=True):
            assert parameter.grad.device.type == NAME
            assert_close(parameter.grad.cpu(), expected.grad)
        assert_close(there[1].running_mean.cpu(), here[1].running_mean)


@pytest.mark.parametrize('mixed', [lambda there, here: there + here, lambda there, here: there[0] @ here.mT,
                                   lambda there, here: here[there > 0], lambda there, here: torch.cat([there, here])])
def test_operands_on_the_cpu_are_refused(mixed):
    with SimulatedDevice(), pytest.raises(RuntimeError, match='same device'):
        mixed(torch.randn(3, 3, device=NAME), torch.randn(3, 3))


def test_what_a_gpu_takes_from_the_cpu_is_taken():
    with SimulatedDevice():
        there = torch.zeros(3, device=NAME)
        there[torch.tensor([0, 2])] = 1.
        there.copy_(there + torch.tensor(1.))
        assert there.tolist() == [2, 1, 2] and there[torch.tensor([1])].cpu().item() == 1
