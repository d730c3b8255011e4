"""Random scenes. A scene depends on seed, split and image id alone, not on how many others are made."""
from zlib import crc32

import numpy as np

from .outline import outlines, signed_area
from .raster import shape_distance, shape_mask
from .scene import COLORS, PATTERNS, SHAPE_CLASSES, SIZES, Background, Scene, SceneObject

MAX_OBJECTS = 8
# The least fraction of an object's pixels that are visible.
MIN_VISIBLE = 0.5
# The least size of a connected part, as a fraction of the object's pixels.
_MIN_PART = 0.05
# Least and greatest extent in pixels, for an image whose shorter side has 160.
_EXTENTS = {'small': (20, 28), 'large': (40, 56)}
_REFERENCE_SIDE = 160
_MAX_TURN = 20
_MARGIN = 2
_TRIES = 40


def sample_scene(seed: int, split: str, image_id: int, sizes: tuple[tuple[int, int], ...],
                 empty: float = 0.0) -> Scene:
    """Sample one scene; the same arguments give the same scene on every machine.

    Args:
        seed: Any whole number.
        split: Name of the split.
        image_id: Id of the image within its split, from 1.
        sizes: The (width, height) that an image may have.
        empty: Probability that the image has no object.
    """
    rng = np.random.RandomState(crc32(f'{seed}/{split}/{image_id}'.encode()))
    width, height = sizes[rng.randint(len(sizes))]
    background = Background(
        pattern=_choice(rng, PATTERNS),
        color=tuple((rng.randint(114, 154) + rng.randint(-12, 13, 3)).tolist()),
        seed=int(rng.randint(2**31 - 1)))
    count = rng.randint(1, MAX_OBJECTS + 1)
    if rng.random_sample() < empty:
        count = 0
    objects = _sample_objects(rng, count, width, height)
    return Scene(image_id, f'{image_id:06d}.png', int(width), int(height), background, objects)


def _sample_objects(rng: np.random.RandomState, count: int, width: int, height: int) -> tuple[SceneObject, ...]:
    """Up to `count` objects; an object is left out if no free position is found. The first always has one."""
    visible_ids = np.full((height, width), -1, np.int64)
    drafts, full_masks = [], []
    for _ in range(count):
        draft = _sample_draft(rng, min(width, height))
        for _ in range(_TRIES):
            center = _sample_center(rng, draft, width, height)
            mask = shape_mask(draft['shape'], draft['extent'], draft['rotation'], center, width, height)
            covered = np.where(mask, len(drafts), visible_ids)
            hidden = set(visible_ids[mask].tolist()) - {-1}
            if all(_is_learnable(covered == id_, full_masks[id_]) for id_ in hidden):
                visible_ids = covered
                drafts.append({**draft, 'center': center})
                full_masks.append(mask)
                break
    return tuple(SceneObject(id=id_, box=_box(visible_ids == id_), **draft) for id_, draft in enumerate(drafts))


def _sample_draft(rng: np.random.RandomState, shorter_side: int) -> dict:
    """Shape, colour, size, extent and rotation of an object, without its centre."""
    size = _choice(rng, SIZES)
    low, high = (round(extent * shorter_side / _REFERENCE_SIDE) for extent in _EXTENTS[size])
    return dict(
        shape=_choice(rng, SHAPE_CLASSES),
        color=_choice(rng, tuple(COLORS)),
        size=size,
        extent=int(rng.randint(low, high + 1)),
        rotation=int(rng.randint(-_MAX_TURN, _MAX_TURN + 1)))


def _sample_center(rng: np.random.RandomState, draft: dict, width: int, height: int) -> tuple[int, int]:
    """A centre with which the shape is inside the image, with a margin."""
    distance = shape_distance(draft['shape'], draft['extent'], draft['rotation'])
    radius = distance.shape[0] // 2
    x, y, box_width, box_height = _box(distance <= 0)
    center_x = rng.randint(radius - x + _MARGIN, width - _MARGIN - (x + box_width - radius) + 1)
    center_y = rng.randint(radius - y + _MARGIN, height - _MARGIN - (y + box_height - radius) + 1)
    return int(center_x), int(center_y)


def _is_learnable(visible: np.ndarray, full: np.ndarray) -> bool:
    """Whether enough is visible, in parts of enough size and without holes, which COCO polygons cannot have."""
    pixels = np.count_nonzero(full)
    if np.count_nonzero(visible) < MIN_VISIBLE * pixels:
        return False
    parts, holes = outlines(visible)
    return not holes and all(signed_area(part) >= _MIN_PART * pixels for part in parts)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """The box (x, y, width, height) of a mask."""
    xs, ys = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(xs[0]), int(ys[0]), int(xs[-1] - xs[0] + 1), int(ys[-1] - ys[0] + 1)


def _choice(rng: np.random.RandomState, values: tuple[str, ...]) -> str:
    return values[rng.randint(len(values))]
