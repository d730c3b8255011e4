"""Writing a converted checkpoint."""
import os

import torch

from ..files import replace_file
from .conversion import Conversion
from .reader import Published


def write_checkpoint(path: str | os.PathLike, conversion: Conversion, published: Published) -> None:
    """Write what mmengine loads: the weights, the names of the classes, and where they come from.

    A file that exists already is replaced only when the new one is complete.

    Raises:
        ValueError: `path` is the published file.
        OSError: The file cannot be written.
    """
    path = os.path.abspath(path)
    if os.path.exists(path) and os.path.samefile(path, published.path):
        raise ValueError(f'path should not be the published file itself, got {path}')
    recipe = conversion.recipe
    meta = dict(
        converted_from=dict(file=os.path.basename(published.path), entry=published.source, model=recipe.model),
        config=recipe.config, options=dict(recipe.options))
    if len(published.class_names) == recipe.num_classes:
        meta['dataset_meta'] = dict(classes=published.class_names)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with replace_file(path) as file:
        torch.save(dict(state_dict=conversion.state_dict, meta=meta), file)
