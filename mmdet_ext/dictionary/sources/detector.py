"""A trained detector, and what one of its modules sees or gives."""
import difflib
from copy import deepcopy
from typing import Any, NoReturn

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor

from mmdet_ext.checkpoints.load import load_weights
from mmdet_ext.dictionary.config import forget_atoms_files
from mmdet_ext.models.layers import FoldedRetrieverDictionary, RetrieverDictionary


def load_detector(cfg: Config, checkpoint: str) -> nn.Module:
    """The config's model with the checkpoint's weights, in evaluation mode; no annotation or atoms file is read.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        ValueError: It does not fit the model (see `load_weights`).
    """
    model_cfg = deepcopy(cfg.model)
    forget_atoms_files(model_cfg)
    model = MODELS.build(model_cfg)
    load_weights(model, checkpoint, config=cfg.filename)
    return model.eval().requires_grad_(False)


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
        """The map (B, C, H, W) of a batch of packed pictures, and (height, width) of the padded input."""
        data = self.model.data_preprocessor(dict(inputs=inputs, data_samples=data_samples), False)
        try:
            self.model(data['inputs'], data['data_samples'], mode='tensor')
        except _Reached as reached:
            return self._select(reached.found), tuple(data['inputs'].shape[-2:])
        raise ValueError(f'place={self.place!r} does not run when {type(self.model).__name__} looks at a picture')

    def _select(self, found: Any) -> Tensor:
        maps = [found] if isinstance(found, Tensor) else found
        if not isinstance(maps, (list, tuple)):
            raise ValueError(f'place={self.place!r} gives a {type(found).__name__}, should be one map or several')
        if self.level not in range(len(maps)):
            raise ValueError(f'level should be in 0..{len(maps) - 1} at place={self.place!r}, got {self.level}')
        chosen = maps[self.level]
        if not isinstance(chosen, Tensor) or chosen.ndim != 4:
            what = tuple(chosen.shape) if isinstance(chosen, Tensor) else type(chosen).__name__
            raise ValueError(f'place={self.place!r}, level={self.level} gives {what}, should be a map (B, C, H, W)')
        return chosen


class _Reached(Exception):
    """Ends a pass at the module that was waited for."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


def _stop(found: Any) -> NoReturn:
    raise _Reached(found)
