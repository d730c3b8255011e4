"""Checks of checkpoints before a model is built."""
import zipfile
from pathlib import Path

import torch

from ..files import damage_of


def check_shapes(model: torch.nn.Module, checkpoint: str) -> None:
    """Raise if the model has tensors of another shape than the checkpoint: mmengine would test them as initialised."""
    if '://' in checkpoint:
        return
    content = torch.load(checkpoint, map_location='cpu')
    found = content.get('state_dict', content)
    wrong = [f'{name} is {tuple(found[name].shape)}, should be {tuple(value.shape)}'
             for name, value in model.state_dict().items() if name in found and found[name].shape != value.shape]
    if wrong:
        raise ValueError(f'{checkpoint} does not fit the config (other classes or widths?): {len(wrong)} tensors '
                         f'differ, {"; ".join(wrong[:2])}')


def check_checkpoint(path: str) -> None:
    """Raise if ``path`` is no file that torch can load; whatever has a scheme (https://, torchvision://) passes."""
    if '://' in path:
        return
    if not Path(path).is_file():
        raise FileNotFoundError(f'there is no checkpoint {path} (seen from {Path.cwd()})')
    if damage := damage_of(path):
        raise ValueError(f'{path} {damage}')
    if not zipfile.is_zipfile(path):  # a bare pickle, as torch wrote before 1.6
        return
    unknown = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    if unknown:
        raise ValueError(f'{path} holds objects of another program ({", ".join(sorted(unknown)[:3])}), which torch '
                         'does not load: for a published YOLOv9 file see tools/convert_checkpoint.py')
