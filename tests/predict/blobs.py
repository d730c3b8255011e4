"""A detector without weights: it finds squares of two colours, in images and videos that are drawn here."""
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mmdet_ext.image_files import read_image
from mmdet_ext.predict import Detections
from mmdet_ext.predict.video_file import VideoFile

COLORS = {'red': (0, 0, 255), 'blue': (255, 0, 0)}  # BGR
GREY = 120


class BlobPredictor:
    """As `Predictor`, for squares of pure colour on grey. Its network sees images of at most `side` pixels.

    The score of a square is the share of its box that has the colour. With a text only its words are found.
    """
    classes: Sequence[str] | None = tuple(COLORS)

    def __init__(self, side: int = 10**6, with_masks: bool = False) -> None:
        self.side, self.with_masks = side, with_masks
        self.batches: list[int] = []

    def __call__(self, images, texts=None, *, batch_size: int = 1, progress: bool | None = None):
        single = isinstance(images, (str, Path, np.ndarray))
        images = [images] if single else list(images)
        self.batches.append(len(images))
        texts = [texts] * len(images) if texts is None or isinstance(texts, str) else texts
        results = [self._find(image, text) for image, text in zip(images, texts, strict=True)]
        return results[0] if single else results

    def _find(self, image, text: str | None) -> Detections:
        path = None if isinstance(image, np.ndarray) else str(image)
        image = image if path is None else read_image(path)
        factor = min(1, self.side / max(image.shape[:2]))
        seen = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) if factor < 1 else image
        boxes, scores, labels, masks = [], [], [], []
        for label, (name, color) in enumerate(COLORS.items()):
            near = (np.abs(seen.astype(int) - color).max(axis=2) < 60).astype(np.uint8)
            _, ids, stats, _ = cv2.connectedComponentsWithStats(near)
            for row, (x, y, width, height, area) in list(enumerate(stats))[1:]:
                if area >= 9 and (text is None or name in text):
                    boxes.append(np.array([x, y, x + width, y + height]) / factor)
                    scores.append(min(area / (width * height), 0.99))
                    labels.append(label)
                    masks.append(cv2.resize((ids == row).astype(np.uint8), image.shape[1::-1]).astype(bool))
        masks = np.array(masks).reshape(-1, *image.shape[:2]).astype(bool) if self.with_masks else None
        return Detections(np.float32(boxes).reshape(-1, 4), np.float32(scores), np.array(labels, dtype=np.int64),
                          [list(COLORS)[label] for label in labels], path, image.shape[:2], masks=masks)


def scene(squares: Sequence[tuple[str, int, int, int]], width: int = 120, height: int = 90) -> np.ndarray:
    """An image with squares (colour, left, top, side), the last on top."""
    image = np.full((height, width, 3), GREY, np.uint8)
    for color, left, top, side in squares:
        image[max(top, 0):top + side, max(left, 0):left + side] = COLORS[color]
    return image


def write_scene(path: Path, *squares: tuple[str, int, int, int], **size: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, scene(squares, **size))[1].tobytes())
    return path


def write_video(path: Path, scenes: Sequence[Sequence[tuple[str, int, int, int]]], **size: int) -> Path:
    video = VideoFile(path, 10)
    for number, squares in enumerate(scenes):
        video.write(scene(squares, **size), number / 10)
    video.close()
    return path
