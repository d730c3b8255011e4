"""Boxes and masks on an image, and the caption below it with each phrase in the colour of its boxes."""
from collections.abc import Sequence
from math import ceil
from typing import Any

import mmcv
import numpy as np
import torch
from mmdet.registry import VISUALIZERS
from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.dist import master_only
from mmengine.structures import InstanceData

from ...text.spans import join_spans, phrase_text
from .caption import Color, draw_caption, one_warning_of_letters

# dark enough to be read on white; more phrases than colours begin again
COLORS: tuple[Color, ...] = ((0, 114, 178), (213, 94, 0), (0, 140, 100), (170, 60, 140), (180, 120, 0), (200, 20, 60),
                             (90, 70, 200), (20, 130, 20), (120, 80, 40), (0, 130, 150))
_LONGEST_LABEL = 32


@VISUALIZERS.register_module()
class GroundingVisualizer(DetLocalVisualizer):
    """mmdet's `DetLocalVisualizer` for a caption and boxes that belong to phrases of it.

    It draws `gt_instances` with `tokens_positive`, and `pred_instances` with `spans` and `scores`, side by side if
    there are both; a phrase has the same colour in both. A letter that two phrases share has the colour of the box with
    the higher score. `masks` are tinted. Below the image stands the caption, which is the sample's `text`.

    Args:
        alpha: Opacity of boxes: at 1 they have exactly the colour of their phrase.
        smallest: Images whose shorter side has fewer pixels are enlarged by a whole factor, so that labels fit.
        font_families: Of all text, for matplotlib: name one that has the letters of your language. A letter that none
            of them has is drawn as a box.
    """

    def __init__(self, name: str = 'visualizer', *args: Any, alpha: float = 1., smallest: int = 320,
                 font_families: str | Sequence[str] = 'sans-serif', **kwargs: Any) -> None:  # mmengine wants `name`
        super().__init__(name, *args, alpha=alpha, **kwargs)
        self.smallest = smallest
        self.font_families = font_families

    def draw_texts(self, texts: str | list[str], *args: Any, **kwargs: Any) -> 'GroundingVisualizer':
        """As mmengine's, in the fonts of the caption."""
        families = self.font_families if isinstance(self.font_families, str) else list(self.font_families)
        count = 1 if isinstance(texts, str) else len(texts)
        return super().draw_texts(texts, *args, **{'font_families': [families] * count, **kwargs})  # one for each text

    @master_only
    def add_datasample(self, name: str, image: np.ndarray, data_sample: DetDataSample | None = None,
                       draw_gt: bool = True, draw_pred: bool = True, show: bool = False, wait_time: float = 0,
                       out_file: str | None = None, pred_score_thr: float = 0.3, step: int = 0) -> None:
        """As mmdet's; image: (H, W, 3) RGB. Boxes with a score above `pred_score_thr` are drawn."""
        panels = [] if data_sample is None else self._panels(data_sample.cpu(), draw_gt, draw_pred, pred_score_thr)
        drawn = image.clip(0, 255).astype(np.uint8)
        factor = max(1, ceil(self.smallest / min(drawn.shape[:2])))
        drawn = mmcv.imrescale(drawn, factor, interpolation='bicubic')
        for panel in panels:
            panel.bboxes = panel.bboxes * factor
            if 'masks' in panel:
                panel.masks = panel.masks.repeat(factor, axis=1).repeat(factor, axis=2)
        if panels:
            drawn = self._side_by_side(drawn, panels, data_sample.metainfo.get('text') or '')
        super().add_datasample(name, drawn, show=show, wait_time=wait_time, out_file=out_file and str(out_file),
                               step=step)

    def _panels(self, sample: DetDataSample, draw_gt: bool, draw_pred: bool, threshold: float) -> list[InstanceData]:
        """Truth, predictions or both, the best box first."""
        panels, caption = [], sample.metainfo.get('text') or ''
        if draw_gt and 'tokens_positive' in sample.get('gt_instances', ()):
            truth = sample.gt_instances
            panels.append(_panel(truth, [join_spans(tokens, caption) for tokens in truth.tokens_positive]))
        if draw_pred and 'pred_instances' in sample:
            detections = sample.pred_instances
            detections = detections[detections.scores > threshold]
            detections = detections[detections.scores.argsort(descending=True)]
            panels.append(_panel(detections, detections.get('spans', [[]] * len(detections))))
        return panels

    def _side_by_side(self, image: np.ndarray, panels: Sequence[InstanceData], caption: str) -> np.ndarray:
        phrase_numbers, parts = {}, []  # the truth first: wrong predictions do not take its colours away
        for panel in panels:
            phrases = [tuple(map(tuple, spans)) for spans in panel.spans]
            for phrase in sorted(set(phrases)):
                phrase_numbers.setdefault(phrase, len(phrase_numbers))
            panel.labels = np.array([phrase_numbers[phrase] for phrase in phrases], dtype=int) % len(COLORS)
            with one_warning_of_letters():
                parts.append(self._draw_panel(image, panel, caption))
        height = max(map(len, parts))  # bold letters are wider, so that a caption may have a line more than the other
        return np.concatenate([mmcv.impad(part, shape=(height, part.shape[1]), pad_val=255) for part in parts], axis=1)

    def _draw_panel(self, image: np.ndarray, panel: InstanceData, caption: str) -> np.ndarray:
        from ..style import shorten  # only now: it imports matplotlib

        panel.label_names = [shorten(phrase_text(spans, caption), _LONGEST_LABEL) for spans in panel.spans]
        if 'masks' in panel:
            image, masks = image.copy(), panel.pop('masks')
            for label in set(panel.labels.tolist()):  # once, however many masks of a phrase lie on each other
                inside = masks[panel.labels == label].any(axis=0)
                image[inside] = image[inside] // 2 + np.array(COLORS[label], dtype=np.uint8) // 2
        drawn = self._draw_instances(image, panel, None, list(COLORS))
        colors = [None] * len(caption)
        for spans, label in reversed(list(zip(panel.spans, panel.labels, strict=True))):  # the best box last, on top
            for begin, end in spans:
                colors[begin:end] = [COLORS[label]] * len(caption[begin:end])
        size = max(9., min(image.shape[1] / 45, 18.))
        strip = draw_caption(caption, colors, drawn.shape[1], size=size, font_families=self.font_families)
        return np.concatenate([drawn, strip])


def _panel(instances: InstanceData, spans: list[list]) -> InstanceData:
    """`bboxes`, `spans` and, where there are any, `scores` and `masks`, the latter as bool (N, H, W)."""
    panel = InstanceData(spans=spans, **{key: instances[key] for key in ('bboxes', 'scores') if key in instances})
    if 'masks' in instances:
        masks = instances.masks
        panel.masks = (masks.numpy() if isinstance(masks, torch.Tensor) else masks.to_ndarray()).astype(bool)
    return panel
