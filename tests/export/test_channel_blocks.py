"""An ONNX graph whose channels are in whole blocks: the same values, and no slice between layers."""
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn as nn

from export.files import onnx_model
from mmdet_ext.export.blocks import BLOCK, in_blocks
from mmdet_ext.export.graph import DetectorGraph, GraphOptions
from mmdet_ext.export.write import to_onnx
from mmdet_ext.models.layers import fuse
from mmdet_ext.models.layers.elan import ELAN, SPPELAN

pytestmark = pytest.mark.usefixtures('shallow_blocks')


class Blocks(DetectorGraph):
    """Concatenations of 5 and 10 channels, of halves of a convolution, pooled and summed up ones, and a grouped layer
    that takes no other number of channels."""
    output_names = ('maps', )

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = fuse(nn.Sequential(ELAN(3, 24, 20, hidden_channels=10, csp_depth=1), SPPELAN(24, 12, 6),
                                          nn.Conv2d(12, 24, 3, groups=4)).eval())

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.network(images), )


def outputs_of(model: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options).run(None, {'images': images})[0]


@pytest.mark.parametrize('dynamic', [False, True])
def test_values_stay_and_joined_maps_are_whole_blocks(dynamic, monkeypatch):
    graph = Blocks()
    options = GraphOptions(dynamic_size=dynamic)
    model = to_onnx(graph, options, (16, 16))
    images = torch.rand(1, 3, 16, 24 if dynamic else 16)
    with torch.no_grad():
        expected = graph(images)[0].numpy()
    np.testing.assert_allclose(outputs_of(model, images.numpy()), expected, rtol=0, atol=1e-5)
    assert not [node.name for node in model.graph.node if node.op_type == 'Slice']
    assert joined_channels(model) and all(count % BLOCK == 0 for count in joined_channels(model))
    monkeypatch.setattr('mmdet_ext.export.write.in_blocks', lambda model: model)
    plain = to_onnx(graph, options, (16, 16))
    assert any(count % BLOCK for count in joined_channels(plain))
    assert [node.op_type for node in in_blocks(model).graph.node] == [node.op_type for node in model.graph.node]


def test_yolov9_slices_no_maps_between_its_layers():
    model = onnx_model()[2]
    activations = {node.output[0] for node in model.graph.node if node.op_type == 'Mul' and 'activate' in node.name}
    assert activations
    assert not [node.name for node in model.graph.node if node.op_type == 'Slice' and node.input[0] in activations]
    assert all(count % BLOCK == 0 for count in joined_channels(model))


def joined_channels(model: onnx.ModelProto) -> list[int]:
    """Channels of the maps that go into concatenations."""
    model = onnx.shape_inference.infer_shapes(model)
    shapes = {value.name: value.type.tensor_type.shape.dim for value in model.graph.value_info}
    return [shapes[name][1].dim_value for node in model.graph.node if node.op_type == 'Concat'
            and node.attribute[0].i == 1 for name in node.input if len(shapes.get(name, ())) == 4]
