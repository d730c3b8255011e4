"""An engine of TensorRT: built here if its package is installed, else the command that builds it."""
from importlib import import_module
from pathlib import Path

from ..exported.metadata import Metadata
from .graph import DetectorGraph, GraphOptions

MOST_IMAGES, LEAST_SIDE, MOST_SIDE = 16, 320, 1280  # range of dynamic axes


def build_engine(onnx_file: Path, engine: Path, metadata: Metadata, options: GraphOptions,
                 graph: DetectorGraph) -> Path:
    """Build `engine` from an ONNX file; returns it, or the ONNX file if the package tensorrt is not installed."""
    try:
        tensorrt = import_module('tensorrt')
    except ModuleNotFoundError:
        return onnx_file
    logger = tensorrt.Logger(tensorrt.Logger.WARNING)
    builder = tensorrt.Builder(logger)
    network = builder.create_network(0)
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(onnx_file.read_bytes()):
        raise ValueError(f'TensorRT cannot read the graph: {parser.get_error(0).desc()}')
    config = builder.create_builder_config()
    if metadata.precision == 'fp16':
        config.set_flag(tensorrt.BuilderFlag.FP16)
    ranges = shape_ranges(metadata, options, graph)
    if ranges:
        profile = builder.create_optimization_profile()
        for name, shapes in ranges.items():
            profile.set_shape(name, *shapes)
        config.add_optimization_profile(profile)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise ValueError('TensorRT built no engine: its messages above say why')
    engine.write_bytes(plan)
    onnx_file.unlink()
    return engine


def trtexec_command(onnx_file: Path, engine: Path, metadata: Metadata, options: GraphOptions,
                    graph: DetectorGraph) -> str:
    """The command that builds an engine from an ONNX file."""
    parts = ['trtexec', f'--onnx={onnx_file}', f'--saveEngine={engine}']
    parts += ['--fp16'] if metadata.precision == 'fp16' else []
    ranges = shape_ranges(metadata, options, graph)
    for row, kind in enumerate(('min', 'opt', 'max')):
        if ranges:
            shapes = ','.join(f'{name}:{"x".join(map(str, shapes[row]))}' for name, shapes in ranges.items())
            parts.append(f'--{kind}Shapes={shapes}')
    return ' '.join(parts)


def shape_ranges(metadata: Metadata, options: GraphOptions,
                 graph: DetectorGraph) -> dict[str, list[tuple[int, ...]]]:
    """The least, usual and greatest shape of each dynamic input."""
    axes = graph.dynamic_axes(options.dynamic_batch, options.dynamic_size)
    height, width = metadata.image_size or (640, 640)
    ranges = {}
    for name, example in zip(graph.input_names, graph.example_inputs(1, height, width), strict=True):
        if not axes.get(name):
            continue
        limits = dict(batch=(1, 1, MOST_IMAGES), height=(LEAST_SIDE, height, MOST_SIDE),
                      width=(LEAST_SIDE, width, MOST_SIDE))
        ranges[name] = [tuple(limits.get(axes[name].get(axis), (side, side, side))[row]
                              for axis, side in enumerate(example.shape)) for row in range(3)]
    return ranges
