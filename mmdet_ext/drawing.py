"""Objects drawn on an image: boxes, masks, tracks, and labels that are large enough to read and never cut off."""
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    import supervision as sv

# strong enough to be seen on photographs; labels are white or black on them, as is read more easily
PALETTE = ('#0072B2', '#D55E00', '#009E73', '#AA3C8C', '#E69F00', '#C8143C', '#5A46C8', '#56B4E9', '#F0E442', '#784F28',
           '#8CC63F', '#CC79A7')
LEAST_SIDE = 480  # pixels; a smaller image is enlarged by a whole factor, so that labels can be read
_LONGEST = 40  # letters of a name


def enlargement(shape: Sequence[int]) -> int:
    """The factor by which an image of this (height, width) is enlarged before objects are drawn on it."""
    return max(1, ceil(LEAST_SIDE / max(shape[:2])))


def draw_objects(image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, names: Sequence[str],
                 scores: np.ndarray | None = None, *, masks: np.ndarray | None = None, ids: np.ndarray | None = None,
                 trace: 'sv.TraceAnnotator | None' = None) -> np.ndarray:
    """Draw objects on a copy of an image, the one with the highest score on top.

    Args:
        image: (H, W, 3) uint8, BGR.
        boxes: (K, 4) as (x1, y1, x2, y2) in pixels of the image.
        labels: (K,) integers, which choose the colours; with `ids` these do.
        names: K texts.
        scores: (K,) in [0, 1], written behind the names.
        masks: (K, H, W) bool.
        ids: (K,) numbers of tracks, written before the names.
        trace: Draws the way of each track, which it remembers from one image to the next. Needs `ids`.

    Returns:
        (f * H, f * W, 3) uint8, BGR, where f is `enlargement(image.shape)`.
    """
    import supervision as sv  # only now: it takes a while

    factor = enlargement(image.shape)
    drawn = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
    order = np.arange(len(boxes)) if scores is None else np.argsort(scores, kind='stable')
    if masks is not None:
        masks = masks[order].repeat(factor, axis=1).repeat(factor, axis=2)
    objects = sv.Detections(xyxy=np.float32(boxes)[order].reshape(-1, 4) * factor, mask=masks,
                            class_id=np.asarray(labels, dtype=int)[order],
                            tracker_id=None if ids is None else np.asarray(ids)[order])
    if trace is not None:
        drawn = trace.annotate(drawn, objects)
    if not len(objects):
        return drawn
    texts = [_text(names[row], None if scores is None else scores[row], None if ids is None else ids[row])
             for row in order]
    for annotator in _annotators(drawn.shape, masks is not None, ids is not None):
        drawn = annotator.annotate(drawn, objects)
    return _labels(drawn, texts, ids is not None).annotate(drawn, objects, labels=texts)


def tracer(shape: Sequence[int]) -> 'sv.TraceAnnotator':
    """What `draw_objects` takes as `trace`, for a video of images of this (height, width)."""
    import supervision as sv

    factor = enlargement(shape)
    return sv.TraceAnnotator(sv.ColorPalette.from_hex(PALETTE), trace_length=30, color_lookup=sv.ColorLookup.TRACK,
                             thickness=_line_width([side * factor for side in shape[:2]]))


def _text(name: str, score: float | None, track: int | None) -> str:
    name = name if len(name) <= _LONGEST else f'{name[:_LONGEST - 3]}...'
    return ' '.join([*([f'#{track}'] if track is not None else []), name,
                     *([f'{score:.2f}'] if score is not None else [])])


def _line_width(shape: Sequence[int]) -> int:
    return max(2, round(max(shape[:2]) / 500))


def _annotators(shape: Sequence[int], with_masks: bool, by_track: bool) -> list:
    import supervision as sv

    common = dict(color=sv.ColorPalette.from_hex(PALETTE), color_lookup=_lookup(by_track))
    masks = [sv.MaskAnnotator(opacity=0.45, **common)] if with_masks else []
    return [*masks, sv.BoxAnnotator(thickness=_line_width(shape), **common)]


def _labels(image: np.ndarray, texts: Sequence[str], by_track: bool) -> 'sv.RichLabelAnnotator':
    """Labels in DejaVu Sans, which has the letters of most alphabets; lines as long as the image is wide."""
    import matplotlib  # only now: it takes a while
    import supervision as sv

    height, width = image.shape[:2]
    size = round(min(max(max(height, width) / 50, 13), 32))
    colors = sv.ColorPalette.from_hex(PALETTE)
    inks = sv.ColorPalette([sv.Color.BLACK if _is_light(color) else sv.Color.WHITE for color in colors.colors])
    font = Path(matplotlib.get_data_path(), 'fonts', 'ttf', 'DejaVuSans.ttf')
    letters = int((width - size) / (0.68 * size))
    return sv.RichLabelAnnotator(colors, text_color=inks, color_lookup=_lookup(by_track), font_path=str(font),
                                 font_size=size, text_padding=max(3, size // 5), smart_position=True,
                                 max_line_length=letters if max(map(len, texts)) > letters > 0 else None)


def _lookup(by_track: bool) -> 'sv.ColorLookup':
    import supervision as sv

    return sv.ColorLookup.TRACK if by_track else sv.ColorLookup.CLASS


def _is_light(color: 'sv.Color') -> bool:
    return 0.299 * color.r + 0.587 * color.g + 0.114 * color.b > 140
