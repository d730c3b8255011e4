"""Check that a converted checkpoint fits the config that the converter prints."""
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import DefaultScope

from ..compat import replace_removed_functions
from ..unpickler import CheckpointError
from .conversion import Conversion

PACKAGE = Path(__file__).parents[1]
SHOWN = 3  # tensors that a message names


def check_conversion(conversion: Conversion) -> None:
    """Raise a CheckpointError unless the recipe's config and options build a model of the same names and shapes."""
    recipe, expected = conversion.recipe, build_recipe(conversion).state_dict()
    sources = {row.target: row.source for row in conversion.rows}
    problems = []
    for name, tensor in conversion.state_dict.items():
        shape = tuple(expected[name].shape) if name in expected else None
        if tuple(tensor.shape) != shape:
            problems.append(f'{sources[name]} is {tuple(tensor.shape)}, should be {shape} as {name}'
                            if shape is not None else f'{sources[name]} would become {name}, which is unknown')
    problems += [f'{name} is missing' for name in expected  # published frozen batch norms have no counters
                 if name not in conversion.state_dict and not name.endswith('.num_batches_tracked')]
    if problems:
        options = ''.join(f' {key}={value}' for key, value in recipe.options.items())
        raise CheckpointError(
            f'its names are those of {recipe.model}, but {len(problems)} of {len(expected)} tensors do not fit '
            f'{recipe.config}{options and f" with{options}"}: {"; ".join(problems[:SHOWN])}')


def build_recipe(conversion: Conversion) -> nn.Module:
    """The model of the recipe's config and options. Most of its tensors are on torch's meta device: they have shapes,
    but no values."""
    recipe = conversion.recipe
    folder = PACKAGE / '.mim' if (PACKAGE / '.mim' / recipe.config).is_file() else PACKAGE.parent
    replace_removed_functions()
    cfg = Config.fromfile(folder / recipe.config)
    cfg.merge_from_dict(dict(recipe.options))
    if 'text_encoder' in cfg.model:
        arguments = {key: value for key, value in cfg.model.text_encoder.items() if key in ('config', 'pooled')}
        cfg.model.text_encoder = dict(type=TextShapes, **arguments)
    # mmdet's EfficientNet computes with tensors while it is built, which those without memory do not allow
    device = 'cpu' if cfg.model.backbone.type == 'EfficientNet' else 'meta'
    with DefaultScope.overwrite_default_scope('mmdet'), torch.device(device):
        return MODELS.build(cfg.model)


class TextShapes(nn.Module):
    """A module with the tensors of `RobertaTextEncoder`, but without its tokenizer, which would have to be downloaded.

    Args:
        config: As in `RobertaTextEncoder`.
        pooled: As there.
    """

    def __init__(self, config: dict[str, Any] | None = None, pooled: bool = False) -> None:
        from ..models.text_encoders.language_model import build_language_model

        super().__init__()
        with torch.device('meta'):
            self.language_model = build_language_model('', pretrained=False, config=dict(config or {}))
        self.embed_dims, self.pooled = self.language_model.config.hidden_size, pooled
