"""YOLOv9 as one graph: the folded network, decoding, and NMS with the rules of `batch_detections`."""
import torch.nn as nn

from ..models.dense_heads import YOLOv9Head
from ..models.detectors import PGIDetector
from .graph import DetectorGraph


class YOLOv9Graph(DetectorGraph):
    """A `PGIDetector` with a `YOLOv9Head`, with or without a retriever dictionary."""
    system = 'yolov9'
    detectors = 'PGIDetector with YOLOv9Head (YOLOv9, GELAN, YOLO-RD)'
    output_names = ('num_dets', 'boxes', 'scores', 'labels')

    @classmethod
    def accepts(cls, model: nn.Module) -> bool:
        return isinstance(model, PGIDetector) and isinstance(model.bbox_head, YOLOv9Head)
