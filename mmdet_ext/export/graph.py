"""What the graph of a detector offers to those who write it to a file."""
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn as nn
from mmengine.config import Config
from torch import Tensor


@dataclass(frozen=True)
class GraphOptions:
    """What the graph contains.

    Attributes:
        image_size: (height, width) of the input in pixels; None: the config's. With `dynamic_size` the size of the
            example, and the one that images are scaled to.
        dynamic_batch: Whether the number of images may change.
        dynamic_size: Whether height and width may change.
        batch_size: Number of images if it may not change.
        nms: Whether NMS is in the graph.
        decode: Whether boxes and scores are computed in the graph; else it gives the raw maps of the head.
        score_thr: Threshold of scores; None: the config's. Likewise the next two.
        iou_thr: Threshold of overlaps for NMS.
        max_per_img: Largest number of detections of an image.
        text: For MDETR: None for captions that come in as tokens; or a caption that is encoded once, at export.
    """
    image_size: tuple[int, int] | None = None
    dynamic_batch: bool = False
    dynamic_size: bool = False
    batch_size: int = 1
    nms: bool = True
    decode: bool = True
    score_thr: float | None = None
    iou_thr: float | None = None
    max_per_img: int | None = None
    text: str | None = None


class DetectorGraph(nn.Module):
    """A detector as a function of tensors: what `write` turns into a file. One subclass for each kind of detector.

    `forward` takes the tensors of `input_names` and returns a tuple of those of `output_names`. `images` (B, 3, H, W)
    float32 is the first input, as the config's data preprocessor returns it. Boxes are (x1, y1, x2, y2) in pixels of
    `images`.

    Attributes:
        system: Value of `Metadata.system`; `mmdet_ext/exported/SYSTEM.py` reads the outputs.
        detectors: Names of the detectors and heads that `accepts` accepts, for messages.
        input_names: Names of the inputs.
        output_names: Names of the outputs.
        dynamic_by_default: Whether height and width may change unless an image size is given.
        dynamo: Whether ONNX is written by torch's newer exporter, which takes minutes where the older takes seconds.
    """
    system: ClassVar[str]
    detectors: ClassVar[str]
    input_names: tuple[str, ...] = ('images', )
    output_names: tuple[str, ...]
    dynamic_by_default: ClassVar[bool] = False
    dynamo: ClassVar[bool] = False

    @classmethod
    def accepts(cls, model: nn.Module) -> bool:
        """Whether this is the graph for a detector."""
        raise NotImplementedError

    @classmethod
    def adapt(cls, cfg: Config, options: GraphOptions) -> Config:
        """The config with test pipeline and `test_cfg` changed as the options say.

        Eager predictions that are compared with the file's come from the returned config, and the file's metadata have
        its test pipeline.
        """
        raise NotImplementedError

    @classmethod
    def from_model(cls, model: nn.Module, cfg: Config, options: GraphOptions) -> 'DetectorGraph':
        """The graph of a detector in evaluation mode, which was built from what `adapt` returned."""
        raise NotImplementedError

    def example_inputs(self, batch: int, height: int, width: int) -> tuple[Tensor, ...]:
        """Inputs to trace the graph with; the values do not matter."""
        return (torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(0)), )

    def dynamic_axes(self, batch: bool, size: bool) -> dict[str, dict[int, str]]:
        """Names of the axes that may change, by input."""
        axes = ({0: 'batch'} if batch else {}) | ({2: 'height', 3: 'width'} if size else {})
        return {'images': axes} if axes else {}

    def extra_metadata(self) -> dict:
        """Fields of `Metadata` that this kind of detector fills in or changes, such as `text`."""
        return {}

    def write_beside(self, file: Path) -> None:
        """Write what the file needs beside it, such as a tokenizer."""
