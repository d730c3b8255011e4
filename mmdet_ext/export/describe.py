"""The metadata of a detector's graph."""
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import torch.nn as nn
from mmdet.utils import get_test_pipeline_cfg
from mmengine.config import Config, ConfigDict

from ..exported.metadata import Metadata
from .graph import DetectorGraph, GraphOptions


def describe(graph: DetectorGraph, model: nn.Module, cfg: Config, options: GraphOptions, size: tuple[int, int],
             precision: str = 'fp32') -> Metadata:
    """The metadata.

    Args:
        graph: Graph of `model`.
        model: The detector, with `dataset_meta`.
        cfg: What `adapt` returned.
        options: As the graph was made with.
        size: (height, width) of the input, which counts if it is not dynamic.
        precision: 'fp32', 'fp16' or 'int8'.
    """
    preprocessor = model.data_preprocessor
    normalises = getattr(preprocessor, '_enable_normalize', False)
    values = dict(
        system=graph.system,
        classes=model.dataset_meta.get('classes'),
        image_size=None if options.dynamic_size else size,
        stride=getattr(preprocessor, 'pad_size_divisor', 1),
        pipeline=[step for step in map(_plain, get_test_pipeline_cfg(cfg)) if step['type'] != 'LoadAnnotations'],
        mean=preprocessor.mean.flatten().tolist() if normalises else (0., 0., 0.),
        std=preprocessor.std.flatten().tolist() if normalises else (1., 1., 1.),
        bgr_to_rgb=bool(getattr(preprocessor, '_channel_conversion', False)),
        pad_value=getattr(preprocessor, 'pad_value', 0),
        inputs=graph.input_names,
        outputs=graph.output_names,
        batch_size=None if options.dynamic_batch else options.batch_size,
        precision=precision,
        versions={name: _version(name) for name in ('mmdet_ext', 'torch', 'onnx', 'openvino')})
    return Metadata(**values | graph.extra_metadata())


def _plain(value: object) -> object:
    """A config's dicts and lists without mmengine's types, classes as their names."""
    if isinstance(value, (dict, ConfigDict)):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value.__name__ if isinstance(value, type) else value


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
