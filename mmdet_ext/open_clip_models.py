"""Models of open_clip, from its list of names, a folder, or the Hub."""
import difflib
import logging
import os
import pickle
from pathlib import Path

import torch
import torch.nn as nn
from mmengine.logging import print_log


def load_open_clip(model: str, weights: str | None, seed: int = 0) -> nn.Module:
    """A model of open_clip with both towers, in evaluation mode and frozen.

    Args:
        model: Name as in `open_clip.list_models()`, or 'local-dir:FOLDER' or 'hf-hub:NAME', which bring their weights.
        weights: Pretrained tag of open_clip, or file. None: random weights, or those that the model brings.
        seed: Decides random weights.

    Raises:
        OSError: A file or folder does not exist, or weights cannot be downloaded.
        ValueError: The model is not known, or the weights are those of another one.
    """
    import open_clip

    brings_weights = model.startswith(('local-dir:', 'hf-hub:'))
    if brings_weights and weights is not None:
        raise ValueError(f'weights={weights}: {model} brings its own, leave it out')
    if not brings_weights:
        _check_names(model, weights)
        if weights is None:
            print_log(f'weights=None: {model} has random weights', logger='current', level=logging.WARNING)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            clip = open_clip.create_model(model, pretrained=weights, pretrained_text=False)
        except (RuntimeError, OSError, KeyError, pickle.UnpicklingError) as error:
            reason = ' '.join(str(error).split())[:500]
            if weights is not None and os.path.isfile(weights):
                raise ValueError(f'weights={weights} do not fit {model}: {reason}') from error
            if isinstance(error, FileNotFoundError):
                raise
            raise OSError(f'{model} with weights={weights} cannot be had: {reason}. Without a network, pass the file '
                          'of the weights, or a folder as local-dir:FOLDER') from error
    return clip.eval().requires_grad_(False)


def _check_names(model: str, weights: str | None) -> None:
    """Raise unless open_clip knows the model, and `weights` is a tag of it or a file."""
    import open_clip

    known = open_clip.list_models()
    if model.replace('/', '-') not in known:
        folded = {name.lower(): name for name in known}
        near = difflib.get_close_matches(model.lower(), folded, n=5, cutoff=0.4)
        raise ValueError(f'open_clip has no model {model!r}; there are {", ".join(folded[name] for name in near)} and '
                         f'others, {len(known)} in all')
    tags = open_clip.list_pretrained_tags_by_model(model.replace('/', '-'))
    if weights is None or weights in tags or os.path.isfile(weights):
        return
    if os.sep in weights or Path(weights).suffix in ('.pt', '.pth', '.bin', '.safetensors', '.npz'):
        raise FileNotFoundError(f'there is no file weights={weights} (seen from {Path.cwd()})')
    raise ValueError(f'{model} has no weights {weights!r}, and there is no such file; its tags are {", ".join(tags)}')
