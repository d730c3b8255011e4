"""One image that shows scenes of a set with boxes, outlines and class names."""
from collections.abc import Sequence

import cv2
import numpy as np

from .outline import outlines
from .raster import visible_masks
from .render import render_scene
from .scene import SHAPE_CLASSES, Scene

_CELL = 400
_GAP = 12
_PAPER = (252, 252, 252)
_INK = (25, 25, 25)
# BGR, one per class
_PALETTE = dict(zip(SHAPE_CLASSES, [(255, 170, 235), (120, 255, 160), (255, 235, 110), (120, 225, 255), (225, 200, 255),
                                    (160, 190, 255)], strict=True))


def draw_overview(scenes: Sequence[Scene], columns: int = 4) -> np.ndarray:
    """Tile scenes, enlarged and annotated: uint8 (H, W, 3), BGR."""
    rows = -(-len(scenes) // columns)
    step = _CELL + _GAP
    sheet = np.full((rows * step + _GAP, columns * step + _GAP, 3), _PAPER, np.uint8)
    for index, scene in enumerate(scenes):
        tile = _draw_tile(scene)
        height, width = tile.shape[:2]
        top = _GAP + index // columns * step + (_CELL - height) // 2
        left = _GAP + index % columns * step + (_CELL - width) // 2
        sheet[top:top + height, left:left + width] = tile
    return sheet


def _draw_tile(scene: Scene) -> np.ndarray:
    """One scene, its longer side made `_CELL` pixels."""
    scale = _CELL / max(scene.width, scene.height)
    tile = cv2.resize(render_scene(scene), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for obj, mask in zip(scene.objects, visible_masks(scene), strict=True):
        left, top, right, bottom = _scaled_corners(obj.box, scale, tile)
        cv2.rectangle(tile, (left, top), (right, bottom), _PALETTE[obj.shape], 1)
        polygons = [np.round(np.array(part) * scale).astype(np.int32) for part in outlines(mask)[0]]
        cv2.polylines(tile, polygons, True, _PALETTE[obj.shape], 1, cv2.LINE_AA)
    for obj in scene.objects:
        left, top, _, _ = _scaled_corners(obj.box, scale, tile)
        _draw_label(tile, obj.shape, left, top)
    return tile


def _scaled_corners(box: tuple[int, int, int, int], scale: float, tile: np.ndarray) -> tuple[int, int, int, int]:
    x, y, width, height = box
    return (round(x * scale), round(y * scale), min(round((x + width) * scale), tile.shape[1] - 1),
            min(round((y + height) * scale), tile.shape[0] - 1))


def _draw_label(tile: np.ndarray, shape: str, left: int, bottom: int) -> None:
    """A name tag above (left, bottom), pushed inside the tile."""
    font, scale = cv2.FONT_HERSHEY_SIMPLEX, 0.34
    (width, height), _ = cv2.getTextSize(shape, font, scale, 1)
    left = max(min(left, tile.shape[1] - width - 5), 0)
    bottom = max(bottom, height + 5)
    cv2.rectangle(tile, (left, bottom - height - 5), (left + width + 4, bottom), _PALETTE[shape], -1)
    cv2.putText(tile, shape, (left + 2, bottom - 3), font, scale, _INK, 1, cv2.LINE_AA)
