"""The numbers that the published implementations gave, and the weights and inputs that they gave them for.

README.md beside this file describes the files.
"""
import re
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from golden.fill import fill, image, normal
from mmengine.structures import InstanceData
from torch import Tensor

FOLDER = Path(__file__).parent


class Source(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The published code that ran."""

    repo: str
    commit: str
    licence: str = ''
    made_with: dict[str, str] = {}


class Weights(msgspec.Struct, forbid_unknown_fields=True):
    """Names, shapes and dtypes of the published state dict, gains for `fill`, and values that it does not make."""

    gain: float
    rules: list[tuple[str, float]]
    kept: dict[str, float | list[float]]
    tensors: list[tuple[str, list[int], str]]

    def gain_of(self, name: str) -> float:
        """The gain of the first rule whose pattern is found in the name, or the common one."""
        return next((gain for pattern, gain in self.rules if re.search(pattern, name)), self.gain)

    def value(self, name: str, shape: list[int], dtype: str) -> Tensor:
        if name not in self.kept:
            return torch.from_numpy(fill(name, tuple(shape), self.gain_of(name)))
        value = torch.tensor(self.kept[name], dtype=getattr(torch, dtype))
        return value.view(shape) if value.dim() else value.expand(shape).clone()


class CaseFile(msgspec.Struct, forbid_unknown_fields=True):
    """The fields of a json file."""

    what: str
    source: Source
    settings: dict[str, Any]
    weights: Weights | None
    inputs: dict[str, Any]
    results: dict[str, Any]
    arrays: dict[str, tuple[list[int], str]]
    meaning: dict[str, str]
    notes: dict[str, Any]


@cache
def load_case(system: str, name: str) -> 'Case':
    """The case, whose weights are drawn once in a run."""
    return Case(system, name)


class Case:
    """One golden case: `settings`, `inputs`, `results` and `weights` of its json, and the arrays of its npz by name."""

    def __init__(self, system: str, name: str) -> None:
        file = (FOLDER / system / name).with_suffix('.json')
        self.content = msgspec.json.decode(file.read_bytes(), type=CaseFile)
        self.settings, self.inputs, self.results = self.content.settings, self.content.inputs, self.content.results
        self.weights = self.content.weights
        self.arrays = np.load(file.with_suffix('.npz')) if self.content.arrays else {}

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])

    @cached_property
    def state_dict(self) -> dict[str, Tensor]:
        """Weights under their published names."""
        return {name: self.weights.value(name, shape, dtype) for name, shape, dtype in self.weights.tensors}

    def our_name(self, convert: Callable[[str, dict], dict], system: str, key: str) -> str:
        """What the converter calls `key`: the tensor that is marked comes out marked."""
        marked = self.state_dict | {key: torch.full_like(self.state_dict[key], 12345)}
        return next(name for name, value in convert(system, marked).items() if value.flatten()[0] == 12345)

    def image(self) -> Tensor:
        return torch.from_numpy(image(self.inputs['image']['name'], tuple(self.inputs['image']['shape'])))

    def raw_maps(self, head: str, class_shift: float,
                 device: torch.device | str = 'cpu') -> tuple[list[Tensor], list[Tensor]]:
        """Class maps and box maps of a head's raw maps, each a leaf that can take a gradient."""
        class_maps, box_maps = [], []
        raw_maps = self.inputs['raw_maps']
        for name, shape in zip(raw_maps['names'][head], raw_maps['shapes'], strict=True):
            raw = torch.from_numpy(normal(name, tuple(shape))).to(device)
            box_maps.append((raw[:, :64] * 3).requires_grad_())
            class_maps.append((raw[:, 64:] * 1.5 + class_shift).requires_grad_())
        return class_maps, box_maps

    def instances(self, dtype: torch.dtype = torch.float32) -> list[InstanceData]:
        """Ground truth of each image in pixels."""
        image_index, labels = self['targets'][:, 0], self['targets'][:, 1].long()
        boxes = self['targets_xyxy'].to(dtype)
        return [InstanceData(bboxes=boxes[image_index == i], labels=labels[image_index == i])
                for i in range(self.settings['batch_size'])]

    def no_instances(self) -> list[InstanceData]:
        return [InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
                for _ in range(self.settings['batch_size'])]
