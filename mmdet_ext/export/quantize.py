"""8 bits, by calibration, for the network inside an ONNX graph, and what counts as the network.

What comes after the last layer with weights (decoding, NMS), and what does not depend on the images (sizes, positions),
stays in float32: there fewer bits would cost whole pixels.
"""
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..exported.sessions import EXTRA
from ..extras import import_extra

if TYPE_CHECKING:
    import onnx

LEAST_WEIGHTS = 256  # values of a constant that is a layer's weight, and not a detail of arithmetic
QUANTIZED = ('Conv', 'Gemm', 'MatMul', 'Sigmoid', 'Mul', 'Add', 'Concat', 'MaxPool', 'AveragePool', 'Resize', 'Slice',
             'Split')


def to_int8(model: 'onnx.ModelProto', batches: Iterable[dict[str, np.ndarray]]) -> 'onnx.ModelProto':
    """The model with 8-bit weights, one scale per channel, and 8-bit activations, whose ranges are those of `batches`.
    The last layers stay float32.

    Args:
        model: With float32 weights.
        batches: Inputs by name.
    """
    onnx = import_extra('onnx', EXTRA)
    quantization = import_extra('onnxruntime.quantization', EXTRA)
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory() as folder:
        given, prepared, quantized = (Path(folder, f'{name}.onnx') for name in ('given', 'prepared', 'quantized'))
        onnx.save(model, given)
        quant_pre_process(given, prepared, skip_symbolic_shape=True)
        inside, last = network_nodes(onnx.load(prepared))
        quantization.quantize_static(
            prepared, quantized, _Reader(iter(batches)), quant_format=quantization.QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=list(QUANTIZED), nodes_to_quantize=sorted(inside - last),
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8)
        return onnx.load(quantized)


def network_nodes(model: 'onnx.ModelProto') -> tuple[set[str], set[str]]:
    """Names of the nodes that belong to the network: those that depend on the images and lead to a layer with weights,
    such layers included. And among them those of the last layers, after which no other comes."""
    graph = model.graph
    sizes = {constant.name: int(np.prod(constant.dims)) for constant in graph.initializer}
    for node in graph.node:
        if node.op_type == 'Constant' and node.attribute[0].name == 'value':
            sizes[node.output[0]] = int(np.prod(node.attribute[0].t.dims))
    depends = {graph.input[0].name}
    for node in graph.node:  # ONNX sorts nodes
        if depends.intersection(node.input):
            depends.update(node.output)
    leads: set[str] = set()  # values that a layer with weights is computed from
    inside, last = set(), set()
    for node in reversed(graph.node):
        layer = node.op_type in ('Conv', 'Gemm', 'MatMul', 'ConvTranspose') and any(
            sizes.get(name, 0) >= LEAST_WEIGHTS for name in node.input)
        before_layer = bool(leads.intersection(node.output))
        if (layer or before_layer) and depends.intersection(node.output):
            inside.add(node.name)
            if not before_layer:
                last.add(node.name)
        if layer or before_layer:
            leads.update(node.input)
    return inside, last


class _Reader:
    """onnxruntime's `CalibrationDataReader`, which takes any object with this method."""

    def __init__(self, batches: Iterator[dict[str, np.ndarray]]) -> None:
        self.batches = batches

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self.batches, None)
