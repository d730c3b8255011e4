"""Truth and prediction side by side for the images on which a detector does best and worst."""
from pathlib import Path

import numpy as np

from ..visualization.style import save_image
from .drawn_objects import Scenes
from .section import Figure, Section

MOST = 12  # of the best, and of the worst


def image_scores(scenes: Scenes) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(I,) F1 of each image, NaN where it has neither objects nor detections; right and wrong detections, objects."""
    detected, truths, count = scenes.matches.detected, scenes.matches.truths, len(scenes.results.images)
    used = detected.score >= scenes.threshold
    right, wrong = (np.bincount(detected.image[used & rows], minlength=count) for rows in (detected.right,
                                                                                          detected.wrong))
    objects = np.bincount(truths.image[~truths.ignored], minlength=count)
    with np.errstate(invalid='ignore'):
        return 2 * right / (objects + right + wrong), right, wrong, objects


def best_and_worst(scenes: Scenes) -> tuple[list[int], list[int]]:
    """Numbers of at most 12 images each, the best and the worst first; none is in both.

    Of images with the same F1 the one with more objects is better, and the one with more mistakes worse.
    """
    f1, right, wrong, objects = image_scores(scenes)
    rows = np.flatnonzero(~np.isnan(f1))
    best = rows[np.lexsort((-objects[rows], -f1[rows]))]
    mistakes = objects - right + wrong
    worst = rows[np.lexsort((-mistakes[rows], f1[rows]))]
    best = [row for row in best[:min(MOST, (len(rows) + 1) // 2)].tolist() if f1[row] > 0]
    return best, [row for row in worst.tolist() if row not in best and mistakes[row]][:MOST]


def examples_sections(scenes: Scenes, folder: Path) -> list[Section]:
    """A section of the best images and one of the worst; one that would be empty is left out."""
    sections = []
    crowds = ', grey ones groups that are labelled as one (crowds)' if scenes.matches.truths.ignored.any() else ''
    explanation = (f'The F1 of an image, from 0 to 1, is twice the right detections, divided by objects plus '
                   f'detections, at the threshold of {scenes.threshold:.3f}. Blue boxes are right, red ones wrong or '
                   f'missed{crowds}.')
    for key, title, rows in zip(('best', 'worst'), ('The best images', 'The worst images'), best_and_worst(scenes)):
        figures = [_figure(scenes, number, folder / f'{key}_{place:02}.png') for place, number in enumerate(rows, 1)]
        if figures:
            sections.append(Section(key, title, explanation, figures))
    return sections


def _figure(scenes: Scenes, number: int, path: Path) -> Figure:
    f1, right, wrong, objects = (values[number] for values in image_scores(scenes))
    text = (f'F1 {f1:.2f}: {right} of {objects} {"object" if objects == 1 else "objects"} detected, {wrong} wrong '
            f'{"detection" if wrong == 1 else "detections"}. Truth on the left, prediction on the right.')
    return Figure(save_image(scenes.pair(number), path), Path(scenes.results.images[number].path).name, text)
