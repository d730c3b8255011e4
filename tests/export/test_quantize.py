"""Half precision and 8 bits: the network changes, what comes after it does not."""
import collections

import numpy as np
import onnx
import onnxruntime
import pytest

from export.files import onnx_model
from predict.images import smooth
from mmdet_ext.export.quantize import network_nodes, to_half, to_int8


@pytest.fixture(scope='module')
def inputs() -> dict[str, np.ndarray]:
    return {'images': smooth(96, 96).transpose(2, 0, 1)[None].astype(np.float32) / 255}


def outputs_of(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, inputs)


def test_the_network_ends_with_the_last_layers_of_the_head():
    model = onnx_model()[2]
    inside, last = network_nodes(model)
    kinds = {node.name: node.op_type for node in model.graph.node}
    assert len(last) == 6 and {kinds[name] for name in last} == {'Conv'}  # a box and a class tower on three levels
    outside = collections.Counter(kind for name, kind in kinds.items() if name not in inside)
    assert outside['Conv'] == 0 and outside['NonMaxSuppression'] == 1 and outside['Softmax'] == 1


def test_half_precision_halves_the_weights_and_keeps_the_detections(inputs):
    model = onnx_model()[2]
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    half = to_half(copy)
    assert half.ByteSize() < 0.6 * model.ByteSize()
    (count, boxes, scores, _), (half_count, half_boxes, half_scores, _) = (outputs_of(m, inputs) for m in (model, half))
    assert count[0] > 3 and abs(int(half_count[0]) - int(count[0])) <= 2
    assert half_boxes.dtype == np.float32
    assert np.abs(half_scores[0, 0] - scores[0, 0]) < 0.02 and np.abs(half_boxes[0, 0] - boxes[0, 0]).max() < 2


def test_8_bits_keep_the_last_layers_in_float(inputs):
    model = onnx_model()[2]
    small = to_int8(model, [inputs, {'images': inputs['images'][..., ::-1].copy()}])
    assert small.ByteSize() < 0.5 * model.ByteSize()
    assert sum(node.op_type == 'QuantizeLinear' for node in small.graph.node) > 100
    _, last = network_nodes(small)
    made = {name: node for node in small.graph.node for name in node.output}
    convolutions = [node for node in small.graph.node if node.name in last]
    assert len(convolutions) == 6
    assert all(node.input[1] not in made or made[node.input[1]].op_type != 'DequantizeLinear' for node in convolutions)
    boxes, quantized = outputs_of(model, inputs)[1], outputs_of(small, inputs)[1]
    assert np.abs(quantized[0, 0] - boxes[0, 0]).max() < 30
