"""Draw scenes: a dull texture, and on it the shapes with soft edges, dark rims and light from above."""
import numpy as np

from .raster import placement, shape_distance
from .scene import COLORS, Background, Scene, SceneObject

# Makes the rim of every shape darker than any background.
_RIM_SHADE = 0.3
_CONTRAST = 11


def render_scene(scene: Scene) -> np.ndarray:
    """Draw a scene: uint8 (height, width, 3), BGR as OpenCV has it.

    A pixel belongs to a shape's mask if and only if the shape's colour has at least half of the weight there.
    """
    rng = np.random.RandomState(scene.background.seed)
    canvas = _texture(scene.background, scene.width, scene.height, rng)
    for obj in scene.objects:
        _paint(canvas, obj)
    return np.clip(np.floor(canvas + 0.5), 0, 255).astype(np.uint8)[..., ::-1].copy()


def _paint(canvas: np.ndarray, obj: SceneObject) -> None:
    """Blend one object over the canvas, float64 (height, width, 3), in place."""
    distance = shape_distance(obj.shape, obj.extent, obj.rotation)
    window, part = placement(distance.shape[0], obj.center, canvas.shape[1], canvas.shape[0])
    rows = np.arange(distance.shape[0]) - distance.shape[0] // 2
    light = (1.04 - 0.2 * rows / obj.extent)[part[0], None, None]
    distance = distance[part][..., None]
    cover = np.clip(0.5 - distance, 0, 1)
    rim = np.clip(0.5 + distance + max(1.0, obj.extent / 22), 0, 1)
    color = np.array(COLORS[obj.color], np.float64) * light * (1 - rim * (1 - _RIM_SHADE))
    canvas[window] += (color - canvas[window]) * cover


def _texture(background: Background, width: int, height: int, rng: np.random.RandomState) -> np.ndarray:
    """The background alone: float64 (height, width, 3), RGB."""
    relief = _PATTERNS[background.pattern](width, height, rng)
    grain = rng.randint(-3, 4, (height, width))
    return np.array(background.color, np.float64) + (_CONTRAST * relief + grain)[..., None]


def _clouds(width: int, height: int, rng: np.random.RandomState) -> np.ndarray:
    """Smooth hills, in [-1, 1]: random values on a coarse grid, bilinear between them."""
    cell = 16
    grid = rng.randint(-100, 101, (height // cell + 2, width // cell + 2)) / 100
    rows, columns = np.divmod(np.arange(height), cell), np.divmod(np.arange(width), cell)
    upper, lower = grid[rows[0]], grid[rows[0] + 1]
    mixed = upper + (lower - upper) * (rows[1] / cell)[:, None]
    left, right = mixed[:, columns[0]], mixed[:, columns[0] + 1]
    return left + (right - left) * (columns[1] / cell)


def _stripes(width: int, height: int, rng: np.random.RandomState) -> np.ndarray:
    """Slanted stripes, -0.6 or 0.6."""
    slope_x, slope_y, period = rng.randint(-3, 4), rng.randint(1, 4), rng.randint(16, 40)
    bands = (slope_x * np.arange(width)[None, :] + slope_y * np.arange(height)[:, None]) // period
    return (bands % 2) * 1.2 - 0.6


def _checks(width: int, height: int, rng: np.random.RandomState) -> np.ndarray:
    """A chess board, -0.6 or 0.6."""
    cell = rng.randint(8, 25)
    bands = np.arange(width)[None, :] // cell + np.arange(height)[:, None] // cell
    return (bands % 2) * 1.2 - 0.6


def _grain(width: int, height: int, rng: np.random.RandomState) -> np.ndarray:
    """Coarse grain, blocks of 2 x 2 pixels in [-1, 1]."""
    blocks = rng.randint(-100, 101, (height // 2 + 1, width // 2 + 1)) / 100
    return blocks.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]


_PATTERNS = {'clouds': _clouds, 'stripes': _stripes, 'checks': _checks, 'grain': _grain}
