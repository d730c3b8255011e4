"""Half precision for the network inside an ONNX graph.

The converters of onnx and onnxruntime round what goes from one float32 node to the next, too: boxes of 600 pixels would
then be half a pixel off.
"""
from typing import TYPE_CHECKING

from ..exported.sessions import EXTRA
from ..extras import import_extra
from .quantize import network_nodes

if TYPE_CHECKING:
    import onnx

STAYS_FLOAT = {'Resize': (1, 2), 'Upsample': (1, )}  # inputs that these operators take in float32 alone


def to_half(model: 'onnx.ModelProto') -> 'onnx.ModelProto':
    """A copy of the model with its network (see `network_nodes`) in float16; all else stays float32."""
    onnx = import_extra('onnx', EXTRA)
    model = onnx.shape_inference.infer_shapes(model)
    graph = model.graph
    inside, _ = network_nodes(model)
    values = {value.name: value.type.tensor_type.elem_type
              for value in (*graph.value_info, *graph.input, *graph.output)}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    floats = {name for name, kind in values.items() if kind == onnx.TensorProto.FLOAT}
    floats |= {name for name, tensor in constants.items() if tensor.data_type == onnx.TensorProto.FLOAT}
    used_outside = {name for node in graph.node if node.name not in inside for name in node.input}
    used_outside |= {value.name for value in graph.output}
    halves: dict[str, str] = {}  # name of a value in float32 to that of the same in float16
    nodes = []
    for node in graph.node:
        if node.name not in inside:
            nodes.append(node)
            continue
        for row, name in enumerate(node.input):
            if name not in floats or row in STAYS_FLOAT.get(node.op_type, ()):
                continue
            if name not in halves:
                halves[name] = f'{name}_half'
                if name in constants:
                    array = onnx.numpy_helper.to_array(constants[name]).astype('float16')
                    graph.initializer.append(onnx.numpy_helper.from_array(array, halves[name]))
                else:
                    nodes.append(_cast(onnx, name, halves[name], onnx.TensorProto.FLOAT16))
            node.input[row] = halves[name]
        nodes.append(node)
        _attributes_to_half(onnx, node)
        for row, name in enumerate(node.output):
            if name in floats:
                halves[name] = node.output[row] = f'{name}_half'
                if name in used_outside:
                    nodes.append(_cast(onnx, halves[name], name, onnx.TensorProto.FLOAT))
    needed = {name for node in nodes for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in needed]
    for field, content in ((graph.node, nodes), (graph.initializer, tensors), (graph.value_info, [])):
        kept = list(content)
        del field[:]
        field.extend(kept)
    onnx.checker.check_model(model)
    return model


def _cast(onnx: object, name: str, result: str, kind: int) -> 'onnx.NodeProto':
    return onnx.helper.make_node('Cast', [name], [result], f'cast/{result}', to=kind)


def _attributes_to_half(onnx: object, node: 'onnx.NodeProto') -> None:
    """Change the attributes that give a node's outputs their type."""
    for attribute in node.attribute:
        if node.op_type == 'Cast' and attribute.name == 'to' and attribute.i == onnx.TensorProto.FLOAT:
            attribute.i = onnx.TensorProto.FLOAT16
        elif node.op_type == 'ConstantOfShape' and attribute.t.data_type == onnx.TensorProto.FLOAT:
            array = onnx.numpy_helper.to_array(attribute.t).astype('float16')
            attribute.t.CopyFrom(onnx.numpy_helper.from_array(array))
