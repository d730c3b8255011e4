"""The figures of SMCA-DETR on one image put together: which queries, layers and maps, which files."""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch.nn as nn

from .capture import SMCACapture, SMCAProbe
from .query_figure import draw_query_maps
from .scale_selection import draw_scale_selection


@dataclass(frozen=True)
class SMCAChoice:
    """What to look at, by numbers.

    Args:
        queries: None for the `top` ones with the highest scores.
        top: How many of these.
        layers: Of the decoder; None for the first and the last one.
        scale: The map; None for the one with the query's largest alpha in each layer.
    """
    queries: Sequence[int] | None = None
    top: int = 3
    layers: Sequence[int] | None = None
    scale: int | None = None

    def check(self, probe: SMCAProbe) -> None:
        """Raise a ValueError if a query, layer or map is not there."""
        scales = None if self.scale is None else [self.scale]
        for name, chosen, count in (('queries', self.queries, probe.model.num_queries),
                                    ('layers', self.layers, len(probe.decoder.layers)),
                                    ('scales', scales, len(probe.decoder.strides))):
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
    """Write the figures of one image to `out`: NAME_queryI.png per query and, if scales are selected, NAME_alpha.png.

    Returns:
        The files.
    """
    predictions, titles, written = capture.predictions, {}, []
    for query in capture.best_queries(choice.top) if choice.queries is None else choice.queries:
        titles[query] = f'{classes[predictions.labels[query]]} {predictions.scores[query]:.2f}'
        layers = choice.layers or sorted({0, len(capture.layers) - 1})
        scales = {layer: int(capture.alphas(layer)[query].argmax()) if choice.scale is None else choice.scale
                  for layer in layers}
        written.append(out / f'{name}_query{query}.png')
        draw_query_maps(capture, query, titles[query], scales, written[-1])
    if capture.selects_scales:
        written.append(out / f'{name}_alpha.png')
        draw_scale_selection(capture, titles, written[-1])
    return written
