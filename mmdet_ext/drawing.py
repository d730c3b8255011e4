"""Boxes, masks and their labels drawn on an image, large enough to read and never over its border."""
from collections.abc import Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from .lettering import fitting, font_for, letter_size, load_font, place_labels

if TYPE_CHECKING:
    import supervision as sv

LEAST_SIDE = 640  # pixels of the longer side; the shorter one gets half of it at least, where the longer one may grow
_MOST_ENLARGED = 1920  # pixels of the longer side, to which an image is enlarged at most
_MANY = 40  # objects, with more of which letters are smaller
Color = tuple[int, int, int]  # RGB
# of Okabe and Ito, then of supervision: neighbours differ
COLORS: tuple[Color, ...] = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (213, 94, 0), (204, 121, 167), (86, 180, 233),
                             (240, 228, 66), (120, 80, 200), (160, 82, 45), (60, 160, 40), (200, 30, 80), (0, 130, 150))


def enlargement(shape: Sequence[int], least: int = LEAST_SIDE) -> float:
    """By how much an image of this (height, width) is enlarged, at least 1."""
    shorter, longer = sorted(shape[:2])
    return max(1., min(max(least / longer, least / 2 / shorter), max(least, _MOST_ENLARGED) / longer))


def draw_objects(image: np.ndarray, boxes: np.ndarray, labels: np.ndarray, names: Sequence[str],
                 scores: np.ndarray | None = None, masks: np.ndarray | None = None, ids: np.ndarray | None = None, *,
                 colors: Sequence[Color] | None = None, least: int = LEAST_SIDE,
                 letters: int | None = None, fonts: Sequence[str] = (),
                 trace: 'sv.TraceAnnotator | None' = None) -> np.ndarray:
    """Draw objects on a copy of an image, which is enlarged if it is small.

    Args:
        image: (H, W, 3) uint8, BGR as OpenCV reads it.
        boxes: (N, 4) as x1, y1, x2, y2 in pixels of the image; parts outside of it are cut off.
        labels: (N,) whole numbers, by which `COLORS` are chosen.
        names: N texts. An empty one draws no label, unless there are scores or ids.
        scores: (N,), written behind the names.
        masks: (N, H, W) bool, tinted.
        ids: (N,) numbers of tracks, written before the names; they choose the colours.
        colors: N colours as RGB, in the place of those of `COLORS`.
        least: Pixels of the longer side; a smaller image is enlarged.
        letters: Pixels of their height; None: as suits the size of the image.
        fonts: Paths of fonts to be used before others, if they have all letters.
        trace: Draws the way of each track, which it remembers from one image to the next; needs `ids`. See `tracer`.

    Returns:
        (H * factor, W * factor, 3) uint8, BGR; factor is `enlargement((H, W), least)`.
    """
    import supervision as sv  # only now: it takes a while

    factor = enlargement(image.shape, least)
    height, width = (round(side * factor) for side in image.shape[:2])
    drawn = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC) if factor > 1 else image.copy()
    if trace is not None:
        tracks = sv.Detections(np.float32(boxes).reshape(-1, 4) * factor, tracker_id=np.int64(ids))
        drawn = trace.annotate(drawn, tracks)
    if not len(boxes):
        return drawn
    thickness = line_width((height, width))
    numbers_of_colors = np.asarray(labels if ids is None else ids).astype(int) % len(COLORS)
    colors = [COLORS[number] for number in numbers_of_colors] if colors is None else list(colors)
    inset = thickness // 2
    inside = np.array([width, height] * 2) - 1 - inset
    boxes = np.nan_to_num(np.asarray(boxes, dtype=np.float64)) * factor
    boxes = np.clip(boxes, inset, np.maximum(inside, inset)).astype(np.float32)
    order = drawing_order(boxes)
    palette = sv.ColorPalette([sv.Color(*color) for color in colors])
    objects = sv.Detections(boxes[order], class_id=order, mask=_resized(masks, order, (width, height)))
    if masks is not None:
        drawn = sv.MaskAnnotator(palette, opacity=0.45).annotate(drawn, objects, custom_color_lookup=order)
    drawn = sv.BoxAnnotator(palette, thickness).annotate(drawn, objects, custom_color_lookup=order)
    texts = [_text(name, None if scores is None else scores[row], None if ids is None else ids[row])
             for row, name in enumerate(names)]
    letters = letters or round(letter_size(drawn.shape) * (1 if len(boxes) <= _MANY else 0.8))
    return _draw_labels(drawn, boxes, texts, colors, letters, fonts)


def tracer(shape: Sequence[int], least: int = LEAST_SIDE) -> 'sv.TraceAnnotator':
    """What `draw_objects` takes as `trace`, for a video of images of this (height, width)."""
    import supervision as sv

    factor = enlargement(shape, least)
    return sv.TraceAnnotator(sv.ColorPalette([sv.Color(*color) for color in COLORS]), trace_length=30,
                             thickness=line_width([side * factor for side in shape[:2]]),
                             color_lookup=sv.ColorLookup.TRACK)


def with_heading(image: np.ndarray, text: str, letters: int | None = None) -> np.ndarray:
    """An image (H, W, 3) uint8 with a strip of white above it, in which the text stands, its middle left out to fit."""
    from PIL import Image, ImageDraw

    size = letters or letter_size(image.shape) + 2
    font = load_font(font_for((text,)), size)
    strip = Image.new('RGB', (image.shape[1], round(1.7 * size)), 'white')
    ImageDraw.Draw(strip).text((size // 3, strip.height / 2), fitting(text, font, image.shape[1] - size), 'black', font,
                               anchor='lm')
    return np.concatenate([np.asarray(strip), image])


def side_by_side(images: Sequence[np.ndarray], gap: int = 8) -> np.ndarray:
    """Images (H, W, 3) uint8 in a row, on white, with `gap` pixels between them."""
    height = max(len(image) for image in images)
    parts = []
    for image in images:
        part = np.full((height, image.shape[1] + (gap if parts else 0), 3), 255, np.uint8)
        part[:len(image), part.shape[1] - image.shape[1]:] = image
        parts.append(part)
    return np.concatenate(parts, axis=1)


def drawing_order(boxes: np.ndarray) -> np.ndarray:
    """Rows of boxes (N, 4) from the bottom to the top: small ones on top of large ones and, of those that have the same
    size to about a fourteenth, the first on top."""
    sizes = np.log2((boxes[:, 2:] - boxes[:, :2]).prod(axis=1).clip(1e-6))
    return np.lexsort((-np.arange(len(boxes)), -(10 * sizes).round()))


def line_width(shape: Sequence[int]) -> int:
    """Pixels of the lines on an image of this (height, width)."""
    return max(2, round(max(shape[:2]) / 320))


def _text(name: str, score: float | None, number: int | None) -> str:
    return ' '.join(part for part in ('' if number is None else f'#{int(number)}', name,
                                      '' if score is None else f'{score:.2f}') if part)


def _resized(masks: np.ndarray | None, order: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    if masks is None:
        return None
    return np.stack([cv2.resize(masks[row].astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) for row in order]
                    ).astype(bool)


def _draw_labels(image: np.ndarray, boxes: np.ndarray, texts: Sequence[str], colors: Sequence[Color],
                 size: int, fonts: Sequence[str]) -> np.ndarray:
    """Labels at their boxes, those of the first ones where they cover least, all of them inside the image."""
    import supervision as sv

    rows = [row for row, text in enumerate(texts) if text.strip()]
    if not rows:
        return image
    path, padding = font_for(texts, fonts), max(2, size // 5)
    font = load_font(path, size)
    texts = [fitting(texts[row], font, image.shape[1] - 2 * padding - 2) for row in rows]
    sizes = [(box[2] - box[0] + 2 * padding, box[3] - box[1] + 2 * padding) for box in map(font.getbbox, texts)]
    corners = place_labels(boxes[rows], np.array(sizes), image.shape[:2])
    anchors = np.concatenate([corners, corners], axis=1)
    anchors[:, 1::2] += np.array(sizes)[:, 1:]  # supervision puts a label on top of the upper left corner of a box
    background, ink = (sv.ColorPalette([sv.Color(*color) for color in row])
                       for row in ([colors[row] for row in rows], [_ink_on(colors[row]) for row in rows]))
    annotator = sv.RichLabelAnnotator(background, text_color=ink, font_path=path, font_size=size, text_padding=padding)
    lookup = np.arange(len(rows))[::-1]  # the first ones on top
    return annotator.annotate(image, sv.Detections(anchors[lookup], class_id=lookup), [texts[i] for i in lookup],
                              custom_color_lookup=lookup)


def _ink_on(color: Color) -> Color:
    return (0, 0, 0) if np.dot(color, (0.299, 0.587, 0.114)) > 125 else (255, 255, 255)
