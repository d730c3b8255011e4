"""A trained detector, the images that it is shown, and what one of its modules sees or gives."""
import difflib
from typing import Any, NoReturn

import numpy as np
import torch
import torch.nn as nn
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import Tensor

from mmdet_ext.models.layers import FoldedRetrieverDictionary, RetrieverDictionary

from .image_set import evaluation_pipeline
from .images import check_whole


class FeatureTap:
    """Runs a detector up to one of its modules, for what that module gives, or a dictionary there is given.

    Args:
        model: Detector in evaluation mode; it is of no other use afterwards.
        place: Dotted name of the module, such as 'backbone', 'neck' or 'backbone.trunk.blocks.2'. What counts is its
            first call. Of a `RetrieverDictionary` its input is taken.
        level: Which map, where the module gives several.
    """

    def __init__(self, model: nn.Module, place: str, level: int) -> None:
        self.model, self.place, self.level = model, place, level
        names = [name for name, _ in model.named_modules()]
        if place not in names or not place:
            near = difflib.get_close_matches(place, names, n=5) or [name for name, _ in model.named_children()]
            raise ValueError(f'place={place!r} is no module of {type(model).__name__}; there are {", ".join(near)}')
        module = model.get_submodule(place)
        if isinstance(module, (RetrieverDictionary, FoldedRetrieverDictionary)):
            module.register_forward_pre_hook(lambda _, args: _stop(args[0]))
        else:
            module.register_forward_hook(lambda _, args, output: _stop(output))

    @torch.no_grad()
    def read(self, inputs: list[Tensor], data_samples: list[Any]) -> tuple[Tensor, tuple[int, int]]:
        """The map (B, C, H, W) of a batch of packed images, and (height, width) of the padded input."""
        data = self.model.data_preprocessor(dict(inputs=inputs, data_samples=data_samples), False)
        try:
            self.model(data['inputs'], data['data_samples'], mode='tensor')
        except _Reached as reached:
            return self._select(reached.args[0]), tuple(data['inputs'].shape[-2:])
        raise ValueError(f'place={self.place!r} does not run when {type(self.model).__name__} looks at an image')

    def _select(self, output: Any) -> Tensor:
        maps = [output] if isinstance(output, Tensor) else output
        if not isinstance(maps, (list, tuple)):
            raise ValueError(f'place={self.place!r} gives a {type(output).__name__}, should be one map or several')
        if self.level not in range(len(maps)):
            raise ValueError(f'level should be in 0..{len(maps) - 1} at place={self.place!r}, got {self.level}')
        chosen = maps[self.level]
        if not isinstance(chosen, Tensor) or chosen.ndim != 4:
            what = tuple(chosen.shape) if isinstance(chosen, Tensor) else type(chosen).__name__
            raise ValueError(f'place={self.place!r}, level={self.level} gives {what}, should be a map (B, C, H, W)')
        return chosen


class ImagePipeline:
    """Loads images as the detector sees them at evaluation, and tells where in its input each one lies.

    The outline of the image takes part as a box, so that whatever moves boxes (`Resize`, `Pad`, `YOLOResize`,
    `RectLetterbox`, ...) says where it went.

    Args:
        cfg: The pipeline is that of the validation or test data set, but for what loads annotations.
    """

    def __init__(self, cfg: Config) -> None:
        steps = evaluation_pipeline(cfg)
        self.description = repr(steps)
        transforms = [TRANSFORMS.build(step) for step in steps]
        names = [type(transform).__name__ for transform in transforms]
        if len(names) < 2 or names[0] != 'LoadImageFromFile' or names[-1] != 'PackDetInputs':
            raise ValueError(f'{cfg.filename}: the pipeline of val_dataloader or test_dataloader should begin with '
                             f'LoadImageFromFile and end with PackDetInputs, got {names}')
        self._loader, *self._steps = transforms

    def load(self, path: str) -> dict[str, Any]:
        """Read an image; one of `READ_ERRORS` if it is broken."""
        check_whole(path)
        return self._loader(dict(img_path=path))

    @staticmethod
    def blank(size: int = 64) -> dict[str, Any]:
        """A loaded image of `size` x `size` pixels that is no file."""
        image = np.full((size, size, 3), 114, np.uint8)
        return dict(img_path='a blank image', img=image, img_shape=(size, size), ori_shape=(size, size))

    def pack(self, loaded: dict[str, Any]) -> tuple[dict[str, Any], tuple[float, float, float, float]]:
        """`inputs` and `data_samples` of a loaded image, and its outline x1, y1, x2, y2 in pixels of the input."""
        height, width = loaded['ori_shape']
        results = dict(loaded, gt_bboxes=HorizontalBoxes(np.float32([[0, 0, width, height]])))
        for step in self._steps:
            results = step(results)
        outline = results['data_samples'].gt_instances.bboxes.tensor[0].tolist()
        results['data_samples'].gt_instances = InstanceData()
        return results, tuple(outline)


class _Reached(Exception):
    """Ends a pass at the module that was waited for; its argument is what the module gives."""


def _stop(output: Any) -> NoReturn:
    raise _Reached(output)
