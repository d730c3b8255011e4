"""Features of a trained detector, for the vision-model dictionary of YOLO-RD (https://arxiv.org/abs/2410.15346)."""
import difflib
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
import torch.nn as nn
from mmdet.registry import TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmdet.utils import register_all_modules
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.structures import InstanceData
from PIL import Image
from torch import Tensor

from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.fingerprints import digest, digest_weights
from mmdet_ext.launch import load_config
from mmdet_ext.models.layers import FoldedRetrieverDictionary, RetrieverDictionary
from mmdet_ext.predict.loading import load_model

from .image_set import evaluation_pipeline, find_images
from .images import ImageSource


class VisionSource(ImageSource):
    """A detector's feature vectors at sampled positions of its training images.

    Images go through the config's test pipeline. Those of a batch are padded to the largest of them; positions in
    padding are not sampled. Files that do not exist raise FileNotFoundError, what does not fit ValueError.

    Args:
        config: Config of the detector; of its annotation files only that of the training data is read.
        checkpoint: Its weights.
        place: Dotted name of a module: 'backbone', 'neck' or any other. What counts is the output of its first call,
            but of a `RetrieverDictionary` the input. The pass ends there: 'backbone.trunk.blocks.1' of GELAN is the
            same map as level 0 of 'backbone', without the deeper stages.
        level: Which map, where the module gives several.
        ann, images: As in `find_images`.
        cfg_options: Values of the config to replace, by dotted key.
        device: Where the detector runs.
        options: `per_image` (64 by default), `inside`, `batch_size` and `seed` of `ImageSource`.
    """
    name = 'vision'

    def __init__(self, config: str | Path, checkpoint: str | Path, *, place: str = 'backbone', level: int = 0,
                 ann: str | None = None, images: str | None = None, cfg_options: dict | None = None,
                 device: str | torch.device = 'cpu', per_image: int = 64, **options: Any) -> None:
        cfg = load_config(str(config), options=cfg_options)
        super().__init__(find_images(cfg, ann, images), per_image=per_image, **options)
        self.place, self.level = place, level
        register_all_modules(init_default_scope=False)
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope') or 'mmdet'):
            self.loader, *self.steps = _build_pipeline(cfg)
            self.model = load_model(cfg, checkpoint, torch.device(device), deployed=False).requires_grad_(False)
        weights = digest_weights(self.model)
        _stop_at(self.model, place)
        blank = dict(img_path='a blank image', img=np.full((64, 64, 3), 114, np.uint8), img_shape=(64, 64),
                     ori_shape=(64, 64))
        self.width = self.maps([blank])[0][0].shape[0]
        self.fingerprint |= dict(place=place, level=level, weights=weights,
                                 config=digest([repr(cfg.model.to_dict()), repr(evaluation_pipeline(cfg))]))

    def load(self, path: str) -> dict[str, Any]:
        # Some OpenCV fill up what a truncated JPEG lacks. Decoding it at an eighth of its size, the least that JPEG
        # allows, reads all of the file in a fraction of the time.
        with Image.open(path) as image:
            image.draft(None, (1, 1))
            image.load()
        return self.loader(dict(img_path=path))

    @torch.no_grad()
    def maps(self, loaded: list[dict[str, Any]]) -> list[tuple[Tensor, CellGrid]]:
        packed, outlines = zip(*map(self._pack, loaded))
        data = self.model.data_preprocessor(dict(inputs=[one['inputs'] for one in packed],
                                                 data_samples=[one['data_samples'] for one in packed]), False)
        try:
            self.model(data['inputs'], data['data_samples'], mode='tensor')
            raise ValueError(f'place={self.place!r} does not run when {type(self.model).__name__} looks at an image')
        except _Reached as reached:
            features = self._select(reached.args[0])
        input_height, input_width = data['inputs'].shape[-2:]
        grids = []
        for one, (left, top, right, bottom) in zip(loaded, outlines, strict=True):
            height, width = one['ori_shape']
            step_x, step_y = width / (right - left), height / (bottom - top)
            extent = (-left * step_x, -top * step_y, (input_width - left) * step_x, (input_height - top) * step_y)
            grids.append(CellGrid((height, width), tuple(features.shape[-2:]), extent))
        return list(zip(features, grids, strict=True))

    def _pack(self, loaded: dict[str, Any]) -> tuple[dict[str, Any], list[float]]:
        """`inputs` and `data_samples` of a loaded image, and its outline x1, y1, x2, y2 in pixels of the input.

        The outline takes part as a box, so that whatever moves boxes (`Resize`, `Pad`, `YOLOResize`, `RectLetterbox`,
        ...) says where it went.
        """
        height, width = loaded['ori_shape']
        results = dict(loaded, gt_bboxes=HorizontalBoxes(np.float32([[0, 0, width, height]])))
        for step in self.steps:
            results = step(results)
        outline = results['data_samples'].gt_instances.bboxes.tensor[0].tolist()
        results['data_samples'].gt_instances = InstanceData()
        return results, outline

    def _select(self, output: Any) -> Tensor:
        """The map (B, C, H, W) of a module's output."""
        maps = [output] if isinstance(output, Tensor) else output
        if not isinstance(maps, (list, tuple)):
            raise ValueError(f'place={self.place!r} gives a {type(output).__name__}, should be one map or several')
        if self.level not in range(len(maps)):
            raise ValueError(f'level should be in 0..{len(maps) - 1} at place={self.place!r}, got {self.level}')
        chosen = maps[self.level]
        if not isinstance(chosen, Tensor) or chosen.ndim != 4:
            shape = tuple(chosen.shape) if isinstance(chosen, Tensor) else type(chosen).__name__
            raise ValueError(f'place={self.place!r}, level={self.level} gives {shape}, should be a map (B, C, H, W)')
        return chosen


def _build_pipeline(cfg: Config) -> list[Any]:
    """The transforms of the validation or test data set, but for what loads annotations."""
    transforms = [TRANSFORMS.build(step) for step in evaluation_pipeline(cfg)]
    names = [type(transform).__name__ for transform in transforms]
    if len(names) < 2 or names[0] != 'LoadImageFromFile' or names[-1] != 'PackDetInputs':
        raise ValueError(f'{cfg.filename}: the pipeline of val_dataloader or test_dataloader should begin with '
                         f'LoadImageFromFile and end with PackDetInputs, got {names}')
    return transforms


def _stop_at(model: nn.Module, place: str) -> None:
    """End each pass of a model by `_Reached` at one of its modules; the model is of no other use afterwards."""
    names = [name for name, _ in model.named_modules()]
    if place not in names or not place:
        near = difflib.get_close_matches(place, names, n=5) or [name for name, _ in model.named_children()]
        raise ValueError(f'place={place!r} is no module of {type(model).__name__}; there are {", ".join(near)}')
    module = model.get_submodule(place)
    if isinstance(module, (RetrieverDictionary, FoldedRetrieverDictionary)):
        module.register_forward_pre_hook(lambda _, args: _stop(args[0]))
    else:
        module.register_forward_hook(lambda _, args, output: _stop(output))


class _Reached(Exception):
    """Its argument is what the module gives, or a dictionary is given."""


def _stop(output: Any) -> NoReturn:
    raise _Reached(output)
