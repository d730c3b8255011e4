"""The part of a report that comes from ground truth and predictions."""
from pathlib import Path

from .average_precision import evaluate
from .confusion import confusion_matrix, confusion_section
from .curves_of_scores import score_curves
from .drawn_objects import Scenes
from .examples import examples_sections
from .matching import match
from .mistakes import find_mistakes, missed_objects
from .mistakes_section import mistakes_section
from .results import DetectionResults
from .scores import scores_section, threshold_for_use
from .section import Section


def detection_sections(results: DetectionResults, folder: Path) -> list[Section]:
    """Draw figures and collect tables of a detector's results.

    Args:
        results: Ground truth and predictions. The files of the images that are shown are read; in the place of one that
            cannot be read stands a grey image.
        folder: Where PNG files are written; it is made if it is missing.

    Returns:
        The sections 'scores', 'confusion', 'mistakes', 'best' and 'worst'; the last two only if they have images.

    Raises:
        ValueError: There are no images, or a label is not the index of a class.
    """
    if not results.images:
        raise ValueError('there are no images to report on')
    folder, num_classes = Path(folder), len(results.classes)
    matches = match(results)
    curves = score_curves(matches, num_classes)
    threshold = threshold_for_use(curves)
    mistakes = find_mistakes(matches, num_classes)
    missed = missed_objects(matches, mistakes.kind, mistakes.target, threshold)
    scenes = Scenes(results, matches, mistakes, missed, threshold)
    matrix = confusion_matrix(results, matches, threshold)
    return [scores_section(results.classes, matches, curves, evaluate(results), folder),
            confusion_section(results.classes, matrix, threshold, folder), mistakes_section(scenes, folder),
            *examples_sections(scenes, folder)]
