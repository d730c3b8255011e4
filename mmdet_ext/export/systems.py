"""Which graph belongs to which detector."""
import torch.nn as nn

from .graph import DetectorGraph
from .mdetr import MDETRGraph
from .smca import SMCAGraph
from .yolov9 import YOLOv9Graph

GRAPHS: tuple[type[DetectorGraph], ...] = (YOLOv9Graph, SMCAGraph, MDETRGraph)


def graph_class(model: nn.Module) -> type[DetectorGraph]:
    """The graph for a detector.

    Raises:
        ValueError: There is none; names those that can be exported.
    """
    for graph in GRAPHS:
        if graph.accepts(model):
            return graph
    head = getattr(model, 'bbox_head', None)
    described = type(model).__name__ + (f' with {type(head).__name__}' if head is not None else '')
    raise ValueError(f'{described} cannot be exported. Those that can: '
                     f'{"; ".join(graph.detectors for graph in GRAPHS)}')
