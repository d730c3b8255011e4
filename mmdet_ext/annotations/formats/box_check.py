"""From the boxes of the files to boxes in pixels of the images as they are loaded, and what cannot be used."""
from collections.abc import Sequence
from typing import NamedTuple

from .image_check import ImageFile
from .records import (CLIPPED, NO_AREA, NO_NUMBER, OTHER_SIZE, OUTSIDE, REVERSED, SAME_BOX, SCALED, STICKS_OUT, TURNED,
                      LabelledBox, LabelledImage, Problems)

_ROUNDING = 0.5  # pixels that a box may stick out without being counted
_LEAST_INSIDE = 0.2  # share of a box's area that has to lie in the image
_LEAST_SIDE = 0.01  # pixels
_SAME_ASPECT = 0.01


class GoodBox(NamedTuple):
    """A box (x1, y1, x2, y2) in pixels, inside its image; polygons [[x, y, ...], ...] or a run-length mask."""
    label: str
    box: tuple[float, float, float, float]
    segmentation: list[list[float]] | dict | None
    area: float
    crowd: bool
    phrase: str | None
    spans: list[list[int]] | None
    row: str


def good_boxes(image: LabelledImage, file: ImageFile, problems: Problems) -> list[GoodBox] | None:
    """The boxes of an image that can be trained on; what is left out or changed is noted.

    Boxes that stick out of the image are clipped. If the file says another size of the same proportions, boxes are
    scaled to the image. If it says the size before the image is turned by its EXIF orientation, boxes are turned too.

    Returns:
        None if the size that the file says does not fit the image.
    """
    scale, orientation = _fit(image, file, problems)
    if scale is None:
        return None
    boxes, seen = [], set()
    for raw in image.boxes:
        box = _in_pixels(raw, scale, orientation, file)
        if problem := _problem(box.box, file.size):
            problems.add(image.file, raw.row, raw.value, problem)
            continue
        clipped = _clip(box.box, file.size)
        if max(abs(a - b) for a, b in zip(box.box, clipped)) > _ROUNDING:
            problems.add(image.file, raw.row, raw.value, STICKS_OUT, CLIPPED)
        key = (box.label, *(round(value, 2) for value in clipped), box.phrase, str(box.spans))
        if key in seen and not box.crowd:
            problems.add(image.file, raw.row, raw.value, SAME_BOX)
            continue
        seen.add(key)
        boxes.append(box._replace(box=clipped))
    return boxes


def _fit(image: LabelledImage, file: ImageFile, problems: Problems) -> tuple[tuple[float, float] | None, int]:
    """The factors from the unit of the boxes to pixels, and the EXIF orientation by which they are to be turned."""
    if image.relative:
        return (float(file.size[0]), float(file.size[1])), 1
    if image.size is None or image.size == file.size:
        return (1., 1.), 1
    said = f'{image.size[0]} x {image.size[1]}, the image has {file.size[0]} x {file.size[1]}'
    if image.size == file.stored_size:
        problems.add(image.file, image.path.name, f'{said} after its EXIF orientation', OTHER_SIZE, TURNED)
        return (1., 1.), file.orientation
    scale = file.size[0] / image.size[0], file.size[1] / image.size[1]
    if abs(scale[0] / scale[1] - 1) < _SAME_ASPECT:
        problems.add(image.file, image.path.name, said, OTHER_SIZE, SCALED)
        return scale, 1
    problems.add(image.file, image.path.name, f'{said} ({len(image.boxes)} boxes)', OTHER_SIZE)
    return None, 1


def _in_pixels(raw: LabelledBox, scale: tuple[float, float], orientation: int, file: ImageFile) -> GoodBox:
    segmentation, area = raw.segmentation, raw.area
    box = tuple(value * scale[axis % 2] for axis, value in enumerate(raw.box))
    if isinstance(segmentation, list):
        segmentation = [[value * scale[axis % 2] for axis, value in enumerate(polygon)] for polygon in segmentation]
    if scale != (1., 1.) or orientation != 1:
        area = None
        if isinstance(segmentation, dict):
            segmentation = None  # a mask of other pixels
    if orientation != 1:
        x1, y1, x2, y2 = box
        corners = _turn([x1, y1, x2, y2], orientation, file.size)
        reversed_ = x1 > x2 or y1 > y2  # stays so, and is noted
        box = box if reversed_ else (*map(min, corners[:2], corners[2:]), *map(max, corners[:2], corners[2:]))
        if isinstance(segmentation, list):
            segmentation = [_turn(polygon, orientation, file.size) for polygon in segmentation]
    if isinstance(segmentation, list):
        segmentation = [polygon for polygon in segmentation if len(polygon) >= 6 and len(polygon) % 2 == 0] or None
    if area is None:
        area = polygon_area(segmentation) if isinstance(segmentation, list) else (box[2] - box[0]) * (box[3] - box[1])
    return GoodBox(raw.label, box, segmentation, area, raw.crowd, raw.phrase, raw.spans, raw.row)


def _problem(box: Sequence[float], size: tuple[int, int]) -> str:
    x1, y1, x2, y2 = box
    if not all(abs(value) < 1e7 for value in box):
        return NO_NUMBER
    if x1 > x2 or y1 > y2:
        return REVERSED
    if min(x2 - x1, y2 - y1) < _LEAST_SIDE:
        return NO_AREA
    clipped = _clip(box, size)
    inside = max(clipped[2] - clipped[0], 0) * max(clipped[3] - clipped[1], 0)
    thin = min(clipped[2] - clipped[0], clipped[3] - clipped[1]) < _LEAST_SIDE
    return OUTSIDE if thin or inside < _LEAST_INSIDE * (x2 - x1) * (y2 - y1) else ''


def _clip(box: Sequence[float], size: tuple[int, int]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    return max(x1, 0.), max(y1, 0.), min(x2, float(size[0])), min(y2, float(size[1]))


def _turn(points: Sequence[float], orientation: int, size: tuple[int, int]) -> list[float]:
    """Points [x, y, ...] of an image as stored, in the image that its EXIF orientation makes of it.

    Args:
        size: (width, height) of the turned image.
    """
    width, height = size
    turns = {1: lambda x, y: (x, y), 2: lambda x, y: (width - x, y), 3: lambda x, y: (width - x, height - y),
             4: lambda x, y: (x, height - y), 5: lambda x, y: (y, x), 6: lambda x, y: (width - y, x),
             7: lambda x, y: (width - y, height - x), 8: lambda x, y: (y, height - x)}
    return [value for x, y in zip(points[::2], points[1::2]) for value in turns[orientation](x, y)]


def polygon_area(polygons: list[list[float]]) -> float:
    """The sum of the areas of polygons [[x, y, ...], ...]."""
    total = 0.
    for polygon in polygons:
        xs, ys = polygon[::2], polygon[1::2]
        total += abs(sum(x * ny - nx * y for x, y, nx, ny in zip(xs, ys, [*xs[1:], xs[0]], [*ys[1:], ys[0]]))) / 2
    return total
