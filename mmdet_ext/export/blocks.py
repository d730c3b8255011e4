"""Channels of an ONNX graph in whole blocks, so that ONNX Runtime copies no maps from one memory layout to another.

Its convolutions on the CPU work on blocks of channels. For a slice of channels, or a concatenation of maps that are no
whole blocks, it copies maps to the usual layout and back, which takes a fifth of the time of YOLOv9-T.
"""
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..exported.sessions import EXTRA
from ..extras import import_extra

if TYPE_CHECKING:
    import onnx
    from onnxscript import ir

BLOCK = 16  # channels of a block with AVX-512; half of it with AVX2
BY_CHANNEL = ('Sigmoid', 'Relu', 'Mul', 'Add', 'MaxPool', 'AveragePool', 'Resize')  # each channel from the same channel


def in_blocks(model: 'onnx.ModelProto') -> 'onnx.ModelProto':
    """A copy of the model that computes the same values.

    - A slice of the channels of SiLU(convolution) becomes the SiLU of a convolution with these channels alone.
    - Maps that are concatenated get as many more channels as whole blocks need. Their weights are 0, before and after.
    """
    onnx, ir = import_extra('onnx', EXTRA), import_extra('onnxscript.ir', EXTRA)
    model = ir.serde.deserialize_model(onnx.shape_inference.infer_shapes(model))
    for node in list(model.graph):
        if node.op_type == 'Slice':
            _slice_convolution(ir, node)
    _Padding(ir, model.graph).apply()
    import_extra('onnxscript.ir.passes.common', EXTRA).RemoveUnusedNodesPass()(model)
    result = ir.serde.serialize_model(model)
    del result.graph.value_info[:]  # shapes from before
    return result


def _slice_convolution(ir: object, node: 'ir.Node') -> None:
    product = node.inputs[0].producer()
    conv = _convolution_of_silu(product)
    bounds = [_array(value) for value in node.inputs[1:]]
    if (conv is None or _groups(conv) != 1 or any(bound is None or bound.size != 1 for bound in bounds)
            or [int(bound[0]) for bound in bounds[2:]] not in ([1], [1, 1])
            or any(user.op_type != 'Slice' for user, _ in product.outputs[0].uses())):
        return
    channels = slice(*(int(bound[0]) for bound in bounds[:2]))
    tensors = [_array(value)[channels] for value in conv.inputs[1:]]
    inputs = [conv.inputs[0], *_constants(ir, conv.graph, f'{node.name}/channels', tensors)]
    part = ir.node('Conv', inputs, conv.attributes, name=f'{node.name}/conv')
    gate = ir.node('Sigmoid', part.outputs, name=f'{node.name}/sigmoid')
    result = ir.node('Mul', [*part.outputs, *gate.outputs], name=f'{node.name}/mul')
    for made in (part, gate, result):
        made.outputs[0].name, made.outputs[0].type = f'{made.name}_output', node.outputs[0].type
        made.outputs[0].shape = node.outputs[0].shape
    node.graph.insert_before(node, (part, gate, result))
    node.outputs[0].replace_all_uses_with(result.outputs[0])


def _convolution_of_silu(product: 'ir.Node | None') -> 'ir.Node | None':
    """The convolution c of a product c * sigmoid(c)."""
    if product is None or product.op_type != 'Mul':
        return None
    for value, gate in (product.inputs, product.inputs[::-1]):
        node, sigmoid = value.producer(), gate.producer()
        if (node and sigmoid and node.op_type == 'Conv' and sigmoid.op_type == 'Sigmoid' and sigmoid.inputs[0] is value
                and all(_array(weight) is not None for weight in node.inputs[1:])):
            return node
    return None


class _Padding:
    """Further channels for the maps that are concatenated.

    `groups` are the maps that must have the same channels, because an operator computes each channel from the same one
    of its inputs; a map's group is found by the map. `order` gives for a group which channel each padded one is, or -1.
    """

    def __init__(self, ir: object, graph: 'ir.Graph') -> None:
        self.ir, self.graph = ir, graph
        self.groups = self._joined()
        self.order: dict[int, np.ndarray] = {}

    def apply(self) -> None:
        wanted = {self.groups[value] for node in self.graph if _joins_channels(node) for value in node.inputs
                  if value in self.groups} & self._allowed()
        for node in self.graph:
            group = self.groups.get(node.outputs[0])
            if node.op_type == 'Conv':
                self._pad_convolution(node, group in wanted)
            elif _joins_channels(node) and any(self.groups.get(value) in self.order for value in node.inputs):
                self.order[group] = self._joined_order(node)

    def _joined(self) -> 'dict[ir.Value, int]':
        """A number of its group for each map (B, C, H, W)."""
        groups: dict = {}
        for node in self.graph:
            value = node.outputs[0]
            if _channels(value) is None:
                continue
            groups[value] = len(groups)
            if node.op_type in BY_CHANNEL:
                same = {groups[source] for source in node.inputs
                        if source in groups and _channels(source) == _channels(value)}
                groups.update({other: groups[value] for other, number in groups.items() if number in same})
        return groups

    def _allowed(self) -> set[int]:
        """The groups to which channels can be added: all that make and use them know what to do with them."""
        sources: dict[int, list] = {}
        refused = {self.groups[value] for value in self.graph.outputs if value in self.groups}
        for node in self.graph:
            group = self.groups.get(node.outputs[0])
            inputs = {self.groups[value] for value in node.inputs if value in self.groups}
            constant = all(_array(value) is not None for value in node.inputs[1:])
            if (node.op_type == 'Conv' and _groups(node) == 1 and constant) or _joins_channels(node):
                sources.setdefault(group, []).append(node)
            elif not (group is not None and inputs == {group} and _is_by_channel(node)):
                refused |= inputs | {group}
        refused |= {group for group, nodes in sources.items()
                    if len(nodes) > 1 and any(node.op_type == 'Concat' for node in nodes)}
        size = -1
        while size != len(refused):  # maps that are joined into a refused one are refused
            size = len(refused)
            refused |= {self.groups[value] for node in self.graph
                        if _joins_channels(node) and self.groups.get(node.outputs[0]) in refused
                        for value in node.inputs if value in self.groups}
        return set(self.groups.values()) - refused

    def _pad_convolution(self, node: 'ir.Node', pad_output: bool) -> None:
        given = self.order.get(self.groups.get(node.inputs[0]))
        missing = -node.outputs[0].shape[1] % BLOCK if pad_output else 0
        if given is None and not missing:
            return
        weight, *bias = (_array(value) for value in node.inputs[1:])
        if given is not None:
            weight = np.where((given >= 0)[:, None, None], weight[:, given], 0)
        if missing:
            count = len(weight)
            self.order[self.groups[node.outputs[0]]] = np.r_[np.arange(count), np.full(missing, -1)]
            weight, *bias = (np.concatenate([x, np.zeros((missing, *x.shape[1:]), x.dtype)]) for x in (weight, *bias))
        for row, value in enumerate(_constants(self.ir, self.graph, node.name, [weight, *bias]), 1):
            node.replace_input_with(row, value)

    def _joined_order(self, node: 'ir.Node') -> np.ndarray:
        parts, start = [], 0
        for value in node.inputs:
            order = self.order.get(self.groups.get(value), np.arange(_channels(value)))
            parts.append(np.where(order >= 0, order + start, -1))
            start += _channels(value)
        return np.concatenate(parts)


def _channels(value: 'ir.Value | None') -> int | None:
    """The number of channels of a map (B, C, H, W), None for other values."""
    shape = None if value is None else value.shape
    return shape[1] if shape is not None and len(shape) == 4 and isinstance(shape[1], int) else None


def _joins_channels(node: 'ir.Node') -> bool:
    return (node.op_type == 'Concat' and node.attributes['axis'].as_int() == 1
            and all(_channels(value) is not None for value in node.inputs))


def _is_by_channel(node: 'ir.Node') -> bool:
    """Whether each channel comes from the same channel of the inputs, however many there are."""
    maps = [value for value in node.inputs if _channels(value) is not None]
    if node.op_type not in BY_CHANNEL or len(maps) != (2 if node.op_type in ('Mul', 'Add') else 1):
        return False
    return node.op_type != 'Resize' or len(node.inputs) <= 3  # its fourth input holds the number of channels


def _groups(conv: 'ir.Node') -> int:
    return conv.attributes['group'].as_int() if 'group' in conv.attributes else 1


def _array(value: 'ir.Value | None') -> np.ndarray | None:
    """A constant's array, None for other values."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    node = value.producer()
    return node.attributes['value'].as_tensor().numpy() if node and node.op_type == 'Constant' else None


def _constants(ir: object, graph: 'ir.Graph', name: str, arrays: list[np.ndarray]) -> 'Iterator[ir.Value]':
    """New initializers for the weight and the bias of a convolution."""
    for kind, array in zip(('weight', 'bias'), arrays):
        value = ir.Value(name=f'{name}/{kind}_in_blocks', const_value=ir.tensor(np.ascontiguousarray(array)),
                         shape=ir.Shape(array.shape), type=ir.TensorType(ir.DataType.from_numpy(array.dtype)))
        graph.register_initializer(value)
        yield value
