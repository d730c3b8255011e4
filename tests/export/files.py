"""Exported files of a small YOLOv9-T, made once for all tests of a process."""
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from predict.images import sure_config, write_sure_weights
from mmdet_ext.export.describe import describe
from mmdet_ext.export.graph import DetectorGraph, GraphOptions
from mmdet_ext.export.write import save_onnx, save_openvino, save_torchscript, to_onnx
from mmdet_ext.export.yolov9 import YOLOv9Graph
from mmdet_ext.exported.metadata import Metadata
from mmdet_ext.predict import Predictor
from mmdet_ext.shapes import ShapesConfig, make_shapes

SIDE = 96
OPTIONS = GraphOptions(image_size=(SIDE, SIDE), dynamic_batch=True, dynamic_size=True, score_thr=0.2, max_per_img=50)


@cache
def folder() -> Path:
    """A folder for files, with Shapes images in data/shapes."""
    path = Path(mkdtemp(prefix='exported'))
    make_shapes(path / 'data' / 'shapes', ShapesConfig(train=4, val=3, test=3))
    return path


@cache
def weights() -> Path:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    return write_sure_weights(sure_config(), folder() / 'sure.pth')


def shapes_config() -> Config:
    """The Shapes config with the images in `folder()`, by this process alone."""
    cfg = sure_config()
    for name in ('train', 'val', 'test'):
        loader = cfg[f'{name}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        dataset = loader.dataset.dataset if name == 'train' else loader.dataset
        dataset.data_root = f'{folder()}/data/shapes/'
        if name != 'train':
            cfg[f'{name}_evaluator'].ann_file = f'{folder()}/data/shapes/annotations/instances_{name}.json'
    return cfg


@cache
def eager() -> Predictor:
    """The detector, as the files are to predict."""
    return Predictor(YOLOv9Graph.adapt(shapes_config(), OPTIONS), weights(), 'cpu')


@cache
def onnx_model() -> tuple:
    """The graph, its metadata, and the ONNX model."""
    cfg = eager().cfg
    graph = YOLOv9Graph.from_model(eager().model, cfg, OPTIONS)
    metadata = describe(graph, eager().model, cfg, OPTIONS, OPTIONS.image_size)
    return graph, metadata, to_onnx(graph, OPTIONS, OPTIONS.image_size)


@cache
def file(suffix: str) -> Path:
    """A file with dynamic batch and size: 'onnx', 'xml' or 'torchscript'."""
    graph, metadata, model = onnx_model()
    path = folder() / f'yolov9t.{suffix}'
    if suffix == 'torchscript':
        save_torchscript(graph, metadata, OPTIONS.image_size, path)
    else:
        (save_onnx if suffix == 'onnx' else save_openvino)(model, metadata, path)
    return path


class GraphSession:
    """A graph run by torch, in the place of the file that is made of it."""

    def __init__(self, graph: DetectorGraph, metadata: Metadata) -> None:
        self.graph = graph
        self.metadata = metadata

    @torch.inference_mode()
    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        values = self.graph(*(torch.from_numpy(inputs[name]) for name in self.graph.input_names))
        return {name: value.numpy() for name, value in zip(self.graph.output_names, values, strict=True)}
