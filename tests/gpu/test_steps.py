"""A step of each system on a GPU: that of the CPU in float32, near it in half precision, without operators of mmcv."""
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
import simulated_device
import torch
from configs.mmcv_operators import without_operators
from mmdet.models.losses import FocalLoss
from processes.steps import BOXES, CAPTION, CONFIGS, Step, build, images, step
from torch.testing import assert_close

from mmdet_ext.models.losses import SigmoidFocalLoss
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

CUDA = pytest.param('cuda', marks=pytest.mark.gpu)
HALF_TOLERANCE = 0.05  # of a loss, relative: a half may match other queries


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('text')
    save_encoder_folder(train_tokenizer([CAPTION], 300), folder / 'text', layers=1, hidden_size=32, heads=2, dropout=0.)
    return folder / 'text'


@pytest.fixture(autouse=True)
def full_float32() -> Iterator[None]:
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    allowed = [backend.allow_tf32 for backend in backends]
    for backend in backends:
        backend.allow_tf32 = False
    yield
    for backend, value in zip(backends, allowed):
        backend.allow_tf32 = value


def step_on(device: str, system: str, folder: Path, dtype: torch.dtype | None = None) -> Step:
    """The step of the same weights and images on a device; its result is on the CPU."""
    model, batch = build(system, folder).to(device), images(sum(BOXES, ()))
    batch = dict(inputs=batch['inputs'].to(device),
                 data_samples=[data_sample.to(device) for data_sample in batch['data_samples']])
    with without_operators():
        result = step(model, batch, torch.autocast(device, dtype) if dtype else nullcontext())
    return Step(*({name: value.cpu() for name, value in part.items()} for part in result))


@pytest.mark.parametrize('device', [CUDA, 'simulated'])
@pytest.mark.parametrize('system', CONFIGS)
def test_a_step_in_float32_is_that_of_the_cpu(system, device, folder):
    expected = step_on('cpu', system, folder)
    simulated = device == 'simulated'
    with simulated_device.SimulatedDevice() if simulated else nullcontext():
        result = step_on(simulated_device.NAME if simulated else device, system, folder)
    assert_close(result.losses, expected.losses, rtol=1e-4, atol=1e-5)
    largest = max(gradient.abs().max() for gradient in expected.gradients.values())
    assert_close(result.gradients, expected.gradients, rtol=1e-3, atol=1e-4 * largest.item())


@pytest.mark.parametrize('device, dtype', [
    ('cpu', torch.bfloat16), pytest.param('cuda', torch.bfloat16, marks=pytest.mark.gpu),
    pytest.param('cuda', torch.float16, marks=pytest.mark.gpu)])
@pytest.mark.parametrize('system', CONFIGS)
def test_a_step_under_autocast_has_nearly_the_losses_of_float32(system, device, dtype, folder):
    expected, result = step_on('cpu', system, folder), step_on(device, system, folder, dtype)
    assert result.losses.keys() == expected.losses.keys()
    for name, loss in expected.losses.items():
        if 'loss' in name:
            assert result.losses[name].item() == pytest.approx(loss.item(), rel=HALF_TOLERANCE), name
    if dtype == torch.bfloat16:  # float16 needs a scaled loss, and skips the step where that is too large
        assert all(gradient.isfinite().all() for gradient in result.gradients.values())


@pytest.mark.gpu
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_focal_loss_on_a_gpu_is_mmdets_on_the_cpu(dtype):
    logits, labels, weight = torch.randn(64, 80, dtype=dtype), torch.randint(0, 81, (64, )), torch.rand(64, dtype=dtype)
    losses = []
    for loss, device in ((SigmoidFocalLoss(), 'cuda'), (FocalLoss(), 'cpu')):
        leaf = logits.to(device, copy=True).requires_grad_()
        value = loss(leaf, labels.to(device), weight.to(device), avg_factor=7.)
        value.backward()
        losses.append((value.detach().cpu(), leaf.grad.cpu()))
    assert_close(*losses, rtol=1e-5, atol=1e-8)
