"""Half precision and 8 bits: the network changes, what comes after it does not."""
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn as nn

from export.files import onnx_model
from mmdet_ext.export.graph import DetectorGraph, GraphOptions
from mmdet_ext.export.half import to_half
from mmdet_ext.export.quantize import network_nodes, to_int8
from mmdet_ext.export.write import to_onnx


class Small(DetectorGraph):
    """Two convolutions, and arithmetic after them that half precision would spoil."""
    output_names = ('boxes', )

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Conv2d(3, 32, 3, padding=1), nn.SiLU(), nn.Conv2d(32, 16, 1))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.network(images).sigmoid() + 4096.3, )


@pytest.fixture(scope='module')
def small() -> onnx.ModelProto:
    return to_onnx(Small(), GraphOptions(), (16, 16))


def outputs_of(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {'images': images})[0]


def test_the_network_ends_with_the_last_layers_of_the_head():
    model = onnx_model()[2]
    inside, last = network_nodes(model)
    kinds = {node.name: node.op_type for node in model.graph.node}
    assert len(last) == 6 and {kinds[name] for name in last} == {'Conv'}  # a box and a class tower on three levels
    outside = Counter(kind for name, kind in kinds.items() if name not in inside)
    assert outside['Conv'] == 0 and outside['NonMaxSuppression'] == 1 and outside['Softmax'] == 1


def test_half_precision_is_that_of_the_network_alone(small):
    images = np.random.rand(1, 3, 16, 16).astype(np.float32)
    expected = outputs_of(small, images)
    half = to_half(small)
    weights = [tensor.data_type for tensor in half.graph.initializer if np.prod(tensor.dims) >= 256]
    assert weights == [onnx.TensorProto.FLOAT16] * 2
    result = outputs_of(half, images)
    assert result.dtype == np.float32
    assert 0 < np.abs(result - expected).max() < 0.002  # in half precision numbers above 4096 are 4 apart


def test_8_bits_are_those_of_all_layers_but_the_last(small):
    batches = [{'images': np.random.rand(1, 3, 16, 16).astype(np.float32)} for _ in range(3)]
    quantized = to_int8(small, batches)
    weights = Counter(tensor.data_type for tensor in quantized.graph.initializer if np.prod(tensor.dims) >= 256)
    assert weights == {onnx.TensorProto.INT8: 1, onnx.TensorProto.FLOAT: 1}
    images = batches[0]['images']
    assert 0 < np.abs(outputs_of(quantized, images) - outputs_of(small, images)).max() < 0.02
