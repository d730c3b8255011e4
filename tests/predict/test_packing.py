import copy
import pickle

import pytest
import torch
import torch.nn as nn
from torch.testing import assert_close

from mmdet_ext.predict.packing import PackedConv2d, pack

CONVS = [dict(kernel_size=3, padding=1), dict(kernel_size=1, bias=False), dict(kernel_size=3, stride=2, groups=4),
         dict(kernel_size=3, dilation=2, padding=2)]


def convolutions(**options) -> tuple[nn.Conv2d, PackedConv2d, torch.Tensor]:
    conv = nn.Conv2d(8, 12, **options)
    return conv, PackedConv2d.of(conv), torch.randn(2, 8, 11, 13).to(memory_format=torch.channels_last)


@pytest.mark.parametrize('options', CONVS)
def test_outputs_are_those_of_the_plain_convolution(options):
    conv, packed, x = convolutions(**options)
    with torch.no_grad():
        for size in (11, 5):
            found = packed(x[:, :, :size])
            assert_close(found, conv(x[:, :, :size]), rtol=1e-5, atol=1e-5)
    assert packed._packed is not None and found.is_contiguous(memory_format=torch.channels_last)


def test_changed_weights_are_packed_anew():
    conv, packed, x = convolutions(kernel_size=3)
    with torch.no_grad():
        packed(x)
        conv.weight.mul_(2)
        assert_close(packed(x), conv(x), rtol=1e-5, atol=1e-5)
        packed.load_state_dict({name: value + 1 for name, value in conv.state_dict().items()})
        assert_close(packed(x), conv(x), rtol=1e-5, atol=1e-5)


def test_gradients_and_other_types_take_the_plain_convolution():
    conv, packed, x = convolutions(kernel_size=3)
    packed(x).sum().backward()
    assert conv.weight.grad is not None and packed._packed is None
    with torch.no_grad(), torch.autocast('cpu', dtype=torch.bfloat16):
        assert packed(x).dtype == torch.bfloat16 and packed._packed is None
    with torch.no_grad():
        assert packed.double()(x.double()).dtype == torch.float64


def test_copies_and_pickles_leave_the_packed_weights_behind():
    _, packed, x = convolutions(kernel_size=3)
    with torch.inference_mode():
        expected = packed(x)
        for other in (copy.deepcopy(packed), pickle.loads(pickle.dumps(packed))):
            assert other._packed is None and packed._packed is not None
            assert_close(other(x), expected)


def test_pack_keeps_names_and_leaves_other_padding_alone():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, padding_mode='reflect')),
                          nn.Conv2d(4, 4, 3, padding='same'), nn.ConvTranspose2d(4, 4, 2))
    before = model.state_dict()
    assert [type(child) is PackedConv2d for child in pack(model).modules()] == [False, True, *[False] * 4]
    assert before.keys() == model.state_dict().keys()
    assert all(value.data_ptr() == before[name].data_ptr() for name, value in model.state_dict().items())
