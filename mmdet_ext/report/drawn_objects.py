"""The truth and the detections of an image drawn, right ones blue, wrong ones red with what is wrong in their label."""
from dataclasses import dataclass

import cv2
import numpy as np

from ..drawing import draw_objects, side_by_side, with_heading
from ..visualization.images import crop_around, read_image
from .matching import Matches
from .mistakes import BACKGROUND, KINDS, MISSED, Mistakes
from .results import DetectionResults

RIGHT, WRONG, CROWD = (0, 114, 178), (213, 70, 0), (120, 120, 120)
_PANEL, _LETTERS, _HEADING = 640, 20, 22  # pixels
_TILE = 360


@dataclass(frozen=True)
class Scenes:
    """All that is needed to draw an image of a data set.

    Attributes:
        results: Boxes and the files of images.
        matches: Which of them belong together.
        mistakes: Their kinds.
        missed: (N,) bool, of the true objects.
        threshold: Detections with a lower score are not drawn.
    """
    results: DetectionResults
    matches: Matches
    mistakes: Mistakes
    missed: np.ndarray
    threshold: float

    def image(self, number: int) -> np.ndarray:
        """The image as BGR, or a grey one in its place if the file cannot be read."""
        result = self.results.images[number]
        try:
            image = read_image(result.path)[..., ::-1]
        except (OSError, ValueError):
            return np.full((*result.shape, 3), 160, np.uint8)
        return np.ascontiguousarray(image)

    def pair(self, number: int) -> np.ndarray:
        """Truth on the left, prediction on the right, as BGR."""
        image = self.image(number)
        longer = max(image.shape[:2])
        scale = _PANEL / longer if longer > _PANEL else 1
        if scale < 1:
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        result, names = self.results.images[number], self.results.classes
        truths = np.flatnonzero(self.matches.truths.image == number)
        labels, colors = [], []
        for index in truths:
            name = names[self.matches.truths.label[index]]
            crowd, hit = self.matches.truths.ignored[index], self.is_detected(index)
            labels.append(f'{name} (crowd)' if crowd else name if hit else f'{name}: {self.state(index)}')
            colors.append(CROWD if crowd else RIGHT if hit else WRONG)
        rows = self.matches.truths.row[truths]
        left = draw_objects(image, result.true_boxes[rows] * scale, rows, labels, colors=colors, letters=_LETTERS)
        detections = self.drawn(number)
        rows = self.matches.detected.row[detections]
        right = draw_objects(image, result.boxes[rows] * scale, rows, [self.label(index) for index in detections],
                             colors=[self.color(index) for index in detections], letters=_LETTERS)
        return side_by_side([with_heading(left, f'truth: {_counted(len(truths), "object")}', _HEADING),
                             with_heading(right, f'prediction, score {self.threshold:.2f} or more', _HEADING)])

    def tile(self, kind: str, index: int) -> np.ndarray:
        """A square of the image around a mistake: of a detection, or of a missed object."""
        names, matches = self.results.classes, self.matches
        boxes, labels, colors = [], [], []
        if kind == MISSED:
            number, objects = matches.truths.image[index], [index]
        else:
            number, target = matches.detected.image[index], self.mistakes.target[index]
            objects = [] if target < 0 else [target]
            other = matches.truths.detection[target] if kind == KINDS[3] else -1
            for detection in [index, *([other] if other >= 0 else [])]:
                boxes.append(self.results.images[number].boxes[matches.detected.row[detection]])
                labels.append(f'{names[matches.detected.label[detection]]} {matches.detected.score[detection]:.2f}')
                colors.append(WRONG if detection == index else RIGHT)
        for truth in objects:
            boxes.append(self.results.images[number].true_boxes[matches.truths.row[truth]])
            labels.append('' if kind == KINDS[3] else f'truth: {names[matches.truths.label[truth]]}')
            colors.append(WRONG if kind == MISSED else (0, 120, 80))
        boxes = np.array(boxes, np.float32).reshape(-1, 4)
        around = (*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0))
        image = self.image(number)
        height, width = image.shape[:2]
        crop, corner = crop_around(image, tuple(np.clip(around, 0, [width, height, width, height]).tolist()))
        scale = min(1, _TILE / max(crop.shape[:2]))
        if scale < 1:
            crop = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        drawn = draw_objects(np.ascontiguousarray(crop), (boxes - np.tile(corner, 2)) * scale, np.arange(len(boxes)),
                             labels, colors=colors, least=_TILE, letters=_LETTERS)
        tile = np.full((_TILE, _TILE, 3), 255, np.uint8)
        tile[:drawn.shape[0], :drawn.shape[1]] = drawn[:_TILE, :_TILE]
        return tile

    def drawn(self, number: int) -> np.ndarray:
        """Indices of the detections of an image with a score of the threshold or more."""
        detected = self.matches.detected
        return np.flatnonzero((detected.image == number) & (detected.score >= self.threshold))

    def is_detected(self, truth: int) -> bool:
        """Whether a detection with a score of the threshold or more is matched to it."""
        detection = self.matches.truths.detection[truth]
        return detection >= 0 and self.matches.detected.score[detection] >= self.threshold

    def state(self, truth: int) -> str:
        """Why an object is not detected."""
        return MISSED if self.missed[truth] else 'mistaken'

    def label(self, detection: int) -> str:
        """Name, score and what is wrong."""
        detected, kind = self.matches.detected, self.mistakes.kind[detection]
        text = f'{self.results.classes[detected.label[detection]]} {detected.score[detection]:.2f}'
        return text if kind < 0 else f'{text}: {"no object" if kind == BACKGROUND else KINDS[kind]}'

    def color(self, detection: int) -> tuple[int, int, int]:
        """Blue, red, or grey on a crowd."""
        detected = self.matches.detected
        return CROWD if detected.ignored[detection] else RIGHT if detected.right[detection] else WRONG


def _counted(number: int, word: str) -> str:
    return f'{number} {word}{"" if number == 1 else "s"}'
