"""Write the graph of a detector to a file of ONNX, OpenVINO, TorchScript or TensorRT, with its metadata."""
import io
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..exported.metadata import KEY, Metadata, beside
from ..exported.sessions import EXTRA
from ..extras import import_extra
from .blocks import in_blocks
from .graph import DetectorGraph, GraphOptions

if TYPE_CHECKING:
    import onnx

OPSET = 17
FORMATS = ('onnx', 'openvino', 'torchscript', 'engine')


def to_onnx(graph: DetectorGraph, options: GraphOptions, size: tuple[int, int],
            opset: int = OPSET) -> 'onnx.ModelProto':
    """The graph in ONNX, with folded constants and without nodes that do nothing.

    Args:
        graph: In evaluation mode.
        options: Which axes are dynamic, and the batch size.
        size: (height, width) of the example.
        opset: Version of ONNX's operators.
    """
    onnx = import_extra('onnx', EXTRA)
    optimizer = import_extra('onnxscript.optimizer', EXTRA)
    examples = graph.example_inputs(max(options.batch_size, 2) if options.dynamic_batch else options.batch_size, *size)
    axes = graph.dynamic_axes(options.dynamic_batch, options.dynamic_size)
    settings = dict(input_names=list(graph.input_names), output_names=list(graph.output_names), opset_version=opset,
                    dynamo=graph.dynamo)
    if graph.dynamo:
        shapes = [dict.fromkeys(axes.get(name, {}), torch.export.Dim.DYNAMIC) for name in graph.input_names]
        settings |= dict(dynamic_shapes=tuple(shapes), external_data=False, verbose=False)
    else:
        settings |= dict(dynamic_axes=axes | _named_outputs(graph, options))
    file = io.BytesIO()
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that the exporter is the older one, and that Python numbers become constants
        torch.onnx.export(graph.eval(), examples, file, **settings)
    model = onnx.load_model_from_string(file.getvalue())
    model = in_blocks(optimizer.optimize(model))
    onnx.checker.check_model(model)
    return model


def save_onnx(model: 'onnx.ModelProto', metadata: Metadata, path: Path) -> None:
    """Write a model with its metadata, which are also given as other programs look for them."""
    onnx = import_extra('onnx', EXTRA)
    onnx.helper.set_model_props(model, {KEY: metadata.to_json(), **common_properties(metadata)})
    model.producer_name = 'mmdet_ext'
    path.write_bytes(model.SerializeToString())


def save_openvino(model: 'onnx.ModelProto', metadata: Metadata, path: Path) -> None:
    """Write `path` (.xml) and the weights beside it, in half precision if the metadata say so."""
    openvino = import_extra('openvino', EXTRA)
    converted = openvino.convert_model(io.BytesIO(model.SerializeToString()))
    for key, value in {KEY: metadata.to_json(), **common_properties(metadata)}.items():
        converted.set_rt_info(value, [key])
    openvino.save_model(converted, path, compress_to_fp16=metadata.precision == 'fp16')


def save_torchscript(graph: DetectorGraph, metadata: Metadata, size: tuple[int, int], path: Path) -> None:
    """Trace the graph, with any number of images of any size, and write it."""
    images, *others = graph.example_inputs(2, *size)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')  # that TorchScript is deprecated, and that Python numbers become constants
        traced = torch.jit.trace(graph.eval(), (images.contiguous(memory_format=torch.channels_last), *others),
                                 check_trace=False)
        traced = torch.jit.freeze(traced)
        torch.jit.save(traced, path, _extra_files={KEY: metadata.to_json()})


def save_json(metadata: Metadata, engine: Path) -> None:
    """The metadata of an engine, in a file beside it."""
    beside(engine).write_text(json.dumps({KEY: metadata.to_json(), **common_properties(metadata)}))


def common_properties(metadata: Metadata) -> dict[str, str]:
    """What programs that run YOLO models look for: class names, stride and size of images."""
    properties = dict(task='detect', stride=str(metadata.stride), batch=str(metadata.batch_size or 1),
                      nms=str(metadata.nms))
    if metadata.classes is not None:
        properties['names'] = str(dict(enumerate(metadata.classes)))
    if metadata.image_size is not None:
        properties['imgsz'] = str(list(metadata.image_size))
    return properties


def _named_outputs(graph: DetectorGraph, options: GraphOptions) -> dict[str, dict[int, str]]:
    """The batch as the first axis of all outputs."""
    return {name: {0: 'batch'} for name in graph.output_names} if options.dynamic_batch else {}
