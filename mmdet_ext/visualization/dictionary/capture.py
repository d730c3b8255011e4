"""What goes through a Retriever-Dictionary while a detector looks at an image."""
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn as nn
from mmcv.transforms import Compose
from mmengine.structures import InstanceData
from torch import Tensor

from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.models.layers import RetrieverDictionary

from ..images import batch_of, read_image


@dataclass
class Capture:
    """One image, and what the dictionary did with it. Tensors are float32, on the CPU.

    Args:
        path: File of the image.
        image: (height, width, 3) uint8, RGB, as it is on disk.
        grid: Where the cells of the maps lie on it.
        before: (C, H, W), the features that enter the dictionary.
        coefficients: (N, H, W), the normalised coefficient c'_i of each atom.
        retrieved: (C, H, W), the weighted sum of the atoms with D's batch norm.
        after: (C, H, W), the output: the mixture of `before` and `retrieved`.
        predictions: The detector's, with `bboxes` (K, 4) in pixels of the image and `scores` (K, ).
    """
    path: Path
    image: np.ndarray
    grid: CellGrid
    before: Tensor
    coefficients: Tensor
    retrieved: Tensor
    after: Tensor
    predictions: InstanceData

    def best_centre(self) -> tuple[float, float]:
        """(x, y) of the middle of the highest-scored prediction, or of the image if there is none."""
        height, width = self.grid.size
        if not len(self.predictions):
            return width / 2, height / 2
        x1, y1, x2, y2 = self.predictions.bboxes[self.predictions.scores.argmax()].tolist()
        return min((x1 + x2) / 2, width - 1), min((y1 + y2) / 2, height - 1)


class Probe:
    """Shows images to a detector, and takes down what its Retriever-Dictionary does with them.

    Args:
        model: Any detector of mmdet; put into evaluation mode.
        name: The dictionary's name in the model, one of `find_dictionaries`.
        pipeline: The config's test pipeline.
    """

    def __init__(self, model: nn.Module, name: str, pipeline: Compose) -> None:
        self.model = model.eval()
        self.name = name
        self.rd: RetrieverDictionary = model.get_submodule(name)
        self.pipeline = pipeline

    @torch.no_grad()
    def __call__(self, path: str | os.PathLike) -> Capture:
        """Raises FileNotFoundError or ValueError, which name the file, if there is no such image."""
        image = read_image(path)
        batch = batch_of(path, self.model, self.pipeline)
        seen = []
        handle = self.rd.register_forward_hook(lambda _, args, output: seen.append((args[0], output)))
        try:
            result = self.model(batch['inputs'], batch['data_samples'], mode='predict')[0]
        finally:
            handle.remove()
        if not seen:
            raise ValueError(f'{self.name} takes no part in the predictions of this model')
        before, after = seen[-1]
        grid = CellGrid.from_meta(result.metainfo, batch['inputs'].shape[-2:], before.shape[-2:])
        outputs = (before, self.rd.coefficients(before), self.rd.retrieve(before), after)
        maps = (output[0].float().cpu() for output in outputs)
        return Capture(Path(path), image, grid, *maps, result.pred_instances.cpu())
