"""What goes into a compression and what comes out of it: checkpoints, configs, atoms."""
import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch.nn as nn
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor

from mmdet_ext.checkpoints.load import Weights, load_weights, read_weights
from mmdet_ext.models.layers import RetrieverDictionary, load_atoms
from mmdet_ext.models.layers.atoms import forget_atoms_files, rd_options

from .pruning import number_to_keep
from .usage import find_dictionaries


def load_trained(cfg: Config, checkpoint: str | os.PathLike | Weights) -> nn.Module:
    """The config's model with the weights of a checkpoint, which may be read already, in evaluation mode; an auxiliary
    head may be absent there.

    Raises:
        ValueError: If the model has no dictionary, or tensors are missing, unknown or of another shape.
    """
    model = MODELS.build(copy.deepcopy(cfg.model))
    weights = checkpoint if isinstance(checkpoint, Weights) else read_weights(checkpoint)
    for name, rd in find_dictionaries(model).items():
        weight = weights.state_dict.get(f'{name}.dictionary.conv.weight')
        if weight is not None and weight.shape[1] != rd.num_atoms:
            raise ValueError(f'{weights.path} has {weight.shape[1]} atoms in {name}, and {cfg.filename} '
                             f'{rd.num_atoms}: is num_atoms={weight.shape[1]} meant?')
    load_weights(model, weights, config=cfg.filename)
    return model.eval()


def replace_dictionaries(model: nn.Module, dictionaries: Mapping[str, RetrieverDictionary]) -> None:
    """Put other dictionaries in the places of those of a model."""
    for name, rd in dictionaries.items():
        parent, _, child = name.rpartition('.')
        setattr(model.get_submodule(parent), child, rd)


def compressed_config(cfg: Config, keep: float) -> Config:
    """The config that builds what is left of `cfg`'s model: fewer atoms, none of them from a file."""
    cfg = copy.deepcopy(cfg)
    forget_atoms_files(cfg.model)
    default = RetrieverDictionary(channels=1).num_atoms
    for options in rd_options(cfg.model):
        options['num_atoms'] = number_to_keep(keep, options.get('num_atoms', default))
    cfg.load_from = None
    for name in ('work_dir', 'launcher'):
        cfg.pop(name, None)
    return cfg


def compressed_state(weights: Weights, students: Mapping[str, RetrieverDictionary]) -> dict[str, Tensor]:
    """A checkpoint's weights with those of the students in the places of their teachers'."""
    state = dict(weights.state_dict)
    for prefix, student in students.items():
        state |= {f'{prefix}.{name}': tensor.detach().cpu() for name, tensor in student.state_dict().items()}
    return state


def save_atoms(folder: Path, teachers: Mapping[str, RetrieverDictionary], students: Mapping[str, RetrieverDictionary],
               kept: Mapping[str, Tensor], arguments: dict[str, Any]) -> list[Path]:
    """Write `atoms.pt`, or `atoms.NAME.pt` where a model has several dictionaries, for those that began from a file.

    The vectors are the students' atoms at unit length, what is told of them is from the rows of the file.
    """
    written = []
    for name, teacher in teachers.items():
        if not teacher.atoms_file or not Path(teacher.atoms_file).is_file():
            continue
        atoms, rows = load_atoms(teacher.atoms_file), kept[name]
        atoms.vectors = F.normalize(students[name].atoms.detach().float().cpu(), dim=1)
        atoms.counts = atoms.counts[rows]
        atoms.nearest = [atoms.nearest[row] for row in rows.tolist()]
        atoms.arguments = dict(atoms.arguments, compressed=dict(arguments, kept=rows.tolist()))
        written.append(folder / ('atoms.pt' if len(teachers) == 1 else f'atoms.{name}.pt'))
        atoms.save(written[-1])
    return written
