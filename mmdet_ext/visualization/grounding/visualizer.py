"""Boxes and masks on an image, and the caption below it with each phrase in the colour of its boxes."""
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from ...drawing import draw_objects, side_by_side, with_heading
from ...lettering import shorten
from ...text.spans import join_spans, phrase_text
from ..large_visualizer import LargeVisualizer, masks_of
from .caption import Color, draw_caption, one_warning_of_letters

# dark enough to be read on white; more phrases than colours begin again
COLORS: tuple[Color, ...] = ((0, 114, 178), (213, 94, 0), (0, 140, 100), (170, 60, 140), (180, 120, 0), (200, 20, 60),
                             (90, 70, 200), (20, 130, 20), (120, 80, 40), (0, 130, 150))
_LONGEST_LABEL = 32


@VISUALIZERS.register_module()
class GroundingVisualizer(LargeVisualizer):
    """`LargeVisualizer` for a caption and boxes that belong to phrases of it.

    It draws `gt_instances` with `tokens_positive`, and `pred_instances` with `spans` and `scores`, side by side if
    there are both; a phrase has the same colour in both. A letter that two phrases share has the colour of the box with
    the higher score. `masks` are tinted. Below the image stands the caption, which is the sample's `text`.

    Args:
        font_families: Of all text, for matplotlib: name one that has the letters of your language. A letter that none
            of them has is drawn as a box.
    """

    def __init__(self, name: str = 'visualizer', *args: Any, font_families: str | Sequence[str] = 'sans-serif',
                 **kwargs: Any) -> None:  # mmengine wants `name`
        super().__init__(name, *args, **kwargs)
        self.font_families = font_families

    def _panels(self, sample: DetDataSample, draw_gt: bool, draw_pred: bool,
                threshold: float) -> list[tuple[str, InstanceData]]:
        caption, panels = sample.metainfo.get('text') or '', []
        for heading, instances in super()._panels(sample, draw_gt, draw_pred, threshold):
            if 'scores' in instances:
                panels.append((heading, _panel(instances, instances.get('spans', [[]] * len(instances)))))
            elif 'tokens_positive' in instances:
                spans = [join_spans(tokens, caption) for tokens in instances.tokens_positive]
                panels.append((heading, _panel(instances, spans)))
        return panels

    def _side_by_side(self, image: np.ndarray, panels: Sequence[tuple[str, InstanceData]],
                      sample: DetDataSample) -> np.ndarray:
        phrase_numbers, parts = {}, []  # the truth first: wrong predictions do not take its colours away
        for heading, panel in panels:
            phrases = [tuple(map(tuple, spans)) for spans in panel.spans]
            for phrase in sorted(set(phrases)):
                phrase_numbers.setdefault(phrase, len(phrase_numbers))
            panel.labels = np.array([phrase_numbers[phrase] for phrase in phrases], dtype=int) % len(COLORS)
            with one_warning_of_letters():
                parts.append(with_heading(self._draw_panel(image, panel, sample.metainfo.get('text') or ''), heading))
        return side_by_side(parts)

    def _draw_panel(self, image: np.ndarray, panel: InstanceData, caption: str) -> np.ndarray:
        drawn = self._draw_boxes(image, panel, caption)
        colors = [None] * len(caption)
        for spans, label in reversed(list(zip(panel.spans, panel.labels, strict=True))):  # the best box last, on top
            for begin, end in spans:
                colors[begin:end] = [COLORS[label]] * len(caption[begin:end])
        size = max(9., min(drawn.shape[1] / 45, 18.))
        strip = draw_caption(caption, colors, drawn.shape[1], size=size, font_families=self.font_families)
        return np.concatenate([drawn, strip])

    def _draw_boxes(self, image: np.ndarray, panel: InstanceData, caption: str) -> np.ndarray:
        names = [shorten(phrase_text(spans, caption), _LONGEST_LABEL) for spans in panel.spans]
        if 'masks' in panel:
            image, masks = image.copy(), masks_of(panel)
            for label in set(panel.labels.tolist()):  # once, however many masks of a phrase lie on each other
                inside = masks[panel.labels == label].any(axis=0)
                image[inside] = image[inside] // 2 + np.array(COLORS[label], dtype=np.uint8) // 2
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', 'no installed font')  # the caption has these letters too
            return draw_objects(image[..., ::-1].copy(), panel.bboxes.numpy(), panel.labels, names,
                                panel.scores.numpy() if 'scores' in panel else None, least=self.least_side,
                                colors=[COLORS[label] for label in panel.labels], fonts=self._fonts())[..., ::-1]

    def _fonts(self) -> list[str]:
        """Files of `font_families`, unless they are the usual ones."""
        from matplotlib.font_manager import FontProperties, findfont  # only now: it takes a while

        families = [self.font_families] if isinstance(self.font_families, str) else self.font_families
        return [findfont(FontProperties(family=family)) for family in families if family != 'sans-serif']


def _panel(instances: InstanceData, spans: list[list]) -> InstanceData:
    """`bboxes`, `spans` and, where there are any, `scores` and `masks`."""
    return InstanceData(spans=spans,
                        **{key: instances[key] for key in ('bboxes', 'scores', 'masks') if key in instances})
