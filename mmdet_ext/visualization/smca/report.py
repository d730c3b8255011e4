"""The figures of SMCA-DETR on one image put together: which queries, layers and maps, which files."""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch.nn as nn

from mmdet_ext.models.transformers import SMCATransformerDecoder

from .capture import SMCACapture
from .query_figure import draw_query_maps
from .scale_selection import draw_scale_selection, favourite_scale, selects_scales


@dataclass(frozen=True)
class SMCAChoice:
    """What to look at.

    Args:
        queries: Numbers; None for the best-scored ones.
        top: How many of these.
        layers: Numbers of decoder layers; None for the first and the last one.
        scale: Number of the map; None for the one with the query's largest alpha in each layer.
    """
    queries: Sequence[int] | None = None
    top: int = 3
    layers: Sequence[int] | None = None
    scale: int | None = None

    def check(self, decoder: SMCATransformerDecoder, num_queries: int) -> None:
        """Raise a ValueError if a query, layer or map is not there."""
        scales = None if self.scale is None else [self.scale]
        for name, chosen, count in (('queries', self.queries, num_queries),
                                    ('layers', self.layers, len(decoder.layers)),
                                    ('scales', scales, len(decoder.strides))):
            unknown = [number for number in chosen or () if number not in range(count)]
            if unknown:
                raise ValueError(f'the model has {name} 0..{count - 1}, got {", ".join(map(str, unknown))}')


def class_names(model: nn.Module) -> list[str]:
    """The classes of the model's `dataset_meta`, or `class 0` and so on where there are not as many as in the head."""
    count = model.bbox_head.num_classes
    names = model.dataset_meta.get('classes') or ()
    return list(names) if len(names) == count else [f'class {label}' for label in range(count)]


def draw_smca_report(capture: SMCACapture, classes: Sequence[str], out: Path, name: str,
                     choice: SMCAChoice) -> list[Path]:
    """Write the figures of one image: `out`/NAME_queryI.png per query and, if scales are selected, NAME_alpha.png.

    Args:
        capture: The image and what the decoder did with it.
        classes: Names of the classes.
        out: Folder.
        name: What the files' names begin with.
        choice: Queries, layers and map to show.

    Returns:
        The files.
    """
    queries = capture.best_queries(choice.top) if choice.queries is None else choice.queries
    layers = choice.layers
    if layers is None:
        layers = sorted({0, len(capture.layers) - 1})
    predictions, titles, written = capture.predictions, {}, []
    for query in queries:
        titles[query] = f'{classes[predictions.labels[query]]} {predictions.scores[query]:.2f}'
        scales = {layer: favourite_scale(capture, layer, query) if choice.scale is None else choice.scale
                  for layer in layers}
        written.append(out / f'{name}_query{query}.png')
        draw_query_maps(capture, query, titles[query], scales, written[-1])
    if selects_scales(capture):
        written.append(out / f'{name}_alpha.png')
        draw_scale_selection(capture, titles, written[-1])
    return written
