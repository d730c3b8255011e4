"""Channels last and torch.compile change neither outputs nor gradients; bad options are named."""
import copy
import warnings

import pytest
import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import Config
from test_mdetr import CAPTIONS, either_decoder
from test_mdetr import build as build_mdetr
from test_mdetr import sample as captioned
from test_pgi_detector import config, samples
from test_smca_detr import build as build_smca
from test_smca_detr import sample as smca_sample
from torch import Tensor
from torch._dynamo.testing import CompileCounterWithBackend
from torch.testing import assert_close

from mmdet_ext.deployment import deploy
from mmdet_ext.models.detectors import network_options
from mmdet_ext.models.detectors.network_options import NetworkOptions


def small(**options) -> nn.Module:
    """A detector of two short stages, quick to compile."""
    torch.manual_seed(0)
    return MODELS.build(dict(
        dict(type='PGIDetector', backbone=dict(type='GELAN', arch='t', out_indices=(0, 1)),
             bbox_head=dict(type='YOLOv9Head', num_classes=3, in_channels=(32, 64), strides=(4, 8))), **options))


def gradients(model: nn.Module, images: Tensor, batch: list) -> dict[str, Tensor]:
    losses, _ = model.parse_losses(model(images, batch, mode='loss'))
    losses.backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()} | dict(loss=losses.detach())


def smca_batch(*shape: int) -> tuple[Tensor, list]:
    return torch.randn(2, 3, *shape), [smca_sample(shape)] * 2


@pytest.mark.parametrize('arch', ['t', 'c'])
def test_channels_last_changes_neither_losses_nor_gradients(arch):
    cfg = Config.fromfile(f'configs/yolov9/yolov9{arch}_coco.py').model
    plain = MODELS.build(dict(cfg, channels_last=False)).double().train()
    model = MODELS.build(dict(cfg, channels_last=True)).double().train()
    model.load_state_dict(plain.state_dict())
    images, batch = torch.rand(2, 3, 64, 64, dtype=torch.float64), samples(1, 2)
    expected = gradients(plain, images, batch)
    for name, value in gradients(model, images, batch).items():
        assert_close(value, expected[name], rtol=1e-5, atol=1e-5, msg=lambda text: f'{name}: {text}')


def test_channels_last_changes_nothing_for_smca():
    plain, model = (build_smca('ms_r50_50e', channels_last=on).eval() for on in (False, True))
    model.load_state_dict(plain.state_dict())
    images, batch = smca_batch(128, 160)
    for output, expected in zip(model(images, batch), plain(images, batch)):
        assert_close(output, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('make', [
    lambda: MODELS.build(dict(config(), channels_last=True)),
    lambda: MODELS.build(dict(Config.fromfile('configs/yolov9/yolov9c_coco.py').model, channels_last=True)),
    lambda: MODELS.build(dict(Config.fromfile('configs/gelan/gelane_coco.py').model, channels_last=True)),
    lambda: build_smca('ms_r50_50e', channels_last=True)],
    ids=['t', 'c', 'e', 'smca'])
def test_no_convolution_is_given_another_layout(make):
    model, others = make().train(), []

    def look(conv: nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        others.extend(x.stride() for x in (*inputs, conv.weight, output) if min(x.shape[1:]) > 1 and x.stride(1) != 1)

    convs = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    for conv in convs:
        conv.register_forward_hook(look)
    if type(model).__name__ == 'PGIDetector':
        model(torch.rand(2, 3, 128, 128), samples(1, 1), mode='loss')
    else:
        model(*smca_batch(128, 160), mode='loss')
    assert len(convs) > 10 and others == []


def test_the_layout_is_set_before_the_first_image_where_a_model_is_moved():
    deployed = deploy(small().eval())
    for model in (small(channels_last=True).to('cpu'), small(deployed=True).to('cpu'), deployed.to('cpu')):
        assert model.backbone.trunk.downs[1].conv.weight.stride(1) == 1
    assert small().to('cpu').backbone.trunk.downs[1].conv.weight.is_contiguous()
    assert build_smca('r50_50e').to('cpu').backbone.layer1[0].conv2.weight.is_contiguous()
    assert small(channels_last=False).to('cpu').backbone.trunk.downs[1].conv.weight.is_contiguous()


def test_training_on_the_cpu_keeps_the_exact_batch_norm():
    """On the CPU torch adds the values of a channels_last map one by one: gradients were 5 % off those in float64."""
    plain = small().train()
    exact = copy.deepcopy(plain).double()
    images = torch.nn.functional.interpolate(torch.rand(8, 3, 20, 20), size=160, mode='bilinear')
    with torch.no_grad():
        feature, expected = plain.extract_feat(images)[0].double(), exact.extract_feat(images.double())[0]
    assert (feature - expected).norm() < 3e-6 * expected.norm()  # 6.5e-6 with channels_last


def test_a_copy_and_a_state_dict_are_as_without_options():
    model, plain = small(channels_last=True, compile=dict(backend='eager')).to('cpu'), small(channels_last=False)
    twin = copy.deepcopy(model)
    for weights in (model.state_dict(), twin.state_dict()):
        assert list(weights) == list(plain.state_dict())
        assert all(value.equal(weights[name]) for name, value in plain.state_dict().items())
    assert model.backbone._compiled_call_impl and not twin.backbone._compiled_call_impl
    twin(torch.rand(1, 3, 64, 64))


@pytest.mark.parametrize('options', [dict(), dict(channels_last=False)], ids=['channels last', 'contiguous'])
def test_one_graph_per_part_gives_the_same_losses_and_gradients(options):
    torch._dynamo.reset()
    counter = CompileCounterWithBackend('aot_eager')
    images, batch = torch.rand(2, 3, 64, 64), samples(1, 2)
    expected = gradients(small(**options).train(), images, batch)
    model = small(compile=dict(backend=counter, fullgraph=True), **options).train()
    for name, value in gradients(model, images, batch).items():
        assert_close(value, expected[name], rtol=1e-5, atol=1e-5)
    compiled = counter.frame_count
    model(images + 1, batch, mode='loss')
    assert counter.frame_count == compiled == 2  # backbone and head, once


def test_smcas_parts_are_compiled_once_for_images_of_all_sizes():
    torch._dynamo.reset()
    counter = CompileCounterWithBackend('eager')
    plain = build_smca('r50_50e').eval()
    model = build_smca('r50_50e', compile=dict(backend=counter, fullgraph=True)).eval()
    model.load_state_dict(plain.state_dict())
    counts = []
    with torch.no_grad():
        for shape in ((96, 128), (160, 96), (128, 192)):
            images, batch = smca_batch(*shape)
            for output, expected in zip(model(images, batch), plain(images, batch)):
                assert_close(output, expected, rtol=1e-4, atol=1e-5)
            counts.append(counter.frame_count)
    assert 0 < counts[0] == counts[1] == counts[2]


@either_decoder
def test_mdetrs_parts_are_compiled_without_a_break(text_folder, decoder):
    torch._dynamo.reset()
    plain = build_mdetr(text_folder, decoder=decoder).eval()
    model = build_mdetr(text_folder, decoder=decoder, compile=dict(backend='eager', fullgraph=True)).eval()
    model.load_state_dict(plain.state_dict())
    images, batch = torch.randn(2, 3, 96, 128), [captioned(caption) for caption in CAPTIONS]
    with torch.no_grad():
        assert_close(model(images, batch).boxes, plain(images, batch).boxes, rtol=1e-4, atol=1e-5)


def test_shapes_beyond_the_bound_run_uncompiled_with_one_warning(monkeypatch):
    monkeypatch.setattr(network_options, 'MAX_SHAPES', 2)
    torch._dynamo.reset()
    counter = CompileCounterWithBackend('eager')
    model = small(compile=dict(backend=counter, fullgraph=True)).eval()
    shapes = [(32 * side, 32) for side in range(1, 6)]
    with torch.no_grad(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        outputs = [model(torch.ones(1, 3, *shape)) for shape in shapes]
    assert [str(warning.message)[:33] for warning in caught if 'compile' in str(warning.message)] == [
        'compile: 2 shapes of images are c']
    assert counter.frame_count == 2  # mode='tensor' calls the head uncompiled
    assert [maps[0][0].shape[2:] for maps in outputs] == [(height // 4, width // 4) for height, width in shapes]


def test_a_deployed_detector_is_compiled_with_channels_last():
    torch._dynamo.reset()
    model = small().eval()
    options = dict(deployed=True, channels_last=True, compile=dict(backend='aot_eager', fullgraph=True))
    deployed = small(**options).eval()
    deployed.load_state_dict(deploy(model).state_dict())
    images = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        for output, expected in zip(deployed(images), model(images)):
            assert_close(output, expected, rtol=1e-4, atol=1e-4)


class Plain(NetworkOptions, nn.Module):
    """A model without convolutions."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.set_network_options([self.linear], **dict(
            dict(channels_last=None, compile=None, cuda_graph=False, dynamic=False), **options))


@pytest.mark.parametrize('options, message', [
    (dict(channels_last=True), 'channels_last=True needs convolutions, Plain has none'),
    (dict(channels_last='yes'), "channels_last should be True, False or None, got 'yes'"),
    (dict(cuda_graph='yes'), "cuda_graph should be True or False, got 'yes'"),
    (dict(compile='inductor'), "compile should be a dict .* got 'inductor'"),
    (dict(compile=dict(fast=True)), 'compile.fast is no argument of torch.compile, which has fullgraph')])
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Plain(**options)


def test_a_model_without_convolutions_has_no_layout_of_its_own():
    assert Plain().channels_last is False
