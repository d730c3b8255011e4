"""The numbers that the published implementations gave, and the weights and inputs that they gave them for."""
import json
import re
from collections.abc import Callable
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch
from golden.fill import fill, image, normal
from mmengine.structures import InstanceData
from torch import Tensor

FOLDER = Path(__file__).parent


@cache
def load_case(system: str, name: str) -> 'Case':
    """The case, whose weights are drawn once in a run."""
    return Case(system, name)


class Case:
    """One golden case: `meta` (its json) and `arrays` (its npz)."""

    def __init__(self, system: str, name: str) -> None:
        self.meta = json.loads((FOLDER / system / f'{name}.json').read_text())
        self.arrays = np.load(FOLDER / system / f'{name}.npz')

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])

    @cached_property
    def state_dict(self) -> dict[str, Tensor]:
        """Weights under their published names."""
        kept = self.meta.get('kept', {})
        weights = {}
        for key, shape, _ in self.meta['state_dict']:
            if key.endswith('.position_ids'):
                weights[key] = torch.arange(shape[1]).view(shape)
            elif key not in kept:
                weights[key] = torch.from_numpy(fill(key, tuple(shape), self.gain(key)))
            elif isinstance(kept[key], dict):
                weights[key] = torch.full(shape, kept[key]['every element'])
            else:
                weights[key] = torch.tensor(kept[key]).view(shape)
        return weights

    def gain(self, key: str) -> float:
        """The gain of the first rule whose pattern is found in the name, or the case's own."""
        gain = self.meta['gain']
        rules = gain['rules'] if isinstance(gain, dict) else self.meta.get('gain_overrides', [])
        return next((own for pattern, own in rules if re.search(pattern, key)), gain)

    def our_name(self, convert: Callable[[str, dict], dict], system: str, key: str) -> str:
        """What the converter calls `key`: the tensor that is marked comes out marked."""
        marked = self.state_dict | {key: torch.full_like(self.state_dict[key], 12345)}
        return next(name for name, value in convert(system, marked).items() if value.flatten()[0] == 12345)

    def image(self) -> Tensor:
        return torch.from_numpy(image(self.meta['input']['name'], tuple(self.meta['input']['shape'])))

    def raw_maps(self, names: list[str], class_shift: float,
                 device: torch.device | str = 'cpu') -> tuple[list[Tensor], list[Tensor]]:
        """Class maps and box maps of a head's raw maps, each a leaf that can take a gradient."""
        class_maps, box_maps = [], []
        for name, shape in zip(names, self.meta['raw_maps']['shapes'], strict=True):
            raw = torch.from_numpy(normal(name, tuple(shape))).to(device)
            box_maps.append((raw[:, :64] * 3).requires_grad_())
            class_maps.append((raw[:, 64:] * 1.5 + class_shift).requires_grad_())
        return class_maps, box_maps

    def instances(self, dtype: torch.dtype = torch.float32) -> list[InstanceData]:
        """Ground truth of each image in pixels."""
        owner, labels = self['targets'][:, 0], self['targets'][:, 1].long()
        boxes = self['targets_xyxy'].to(dtype)
        return [
            InstanceData(bboxes=boxes[owner == i], labels=labels[owner == i]) for i in range(self.meta['batch_size'])
        ]

    def no_instances(self) -> list[InstanceData]:
        return [
            InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
            for _ in range(self.meta['batch_size'])
        ]
