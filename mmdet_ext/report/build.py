"""Make the report of a run: all its sections, and the page."""
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

from ..command_line import message_of
from ..extras import import_extra
from ..files import check_writable
from ..lettering import LettersWarning
from .collect import Evaluation, detection_results, evaluate, read_predictions
from .dictionary import dictionary_section
from .grounding import grounding_section, is_grounding
from .labels import labels_section
from .network import network_section
from .page import write_page
from .results import DetectionResults
from .run_folder import Run
from .section import Section
from .settings import config_section, versions_section
from .summary import summary_section
from .training_curves import curves_section


class Report:
    """The sections of a report, as they are made. What fails is left out and told, on the page too.

    Args:
        run: The run.
        out: Folder of the page and its figures; kept results are in its folder ``results``.
        split: The data set that the checkpoint is evaluated on, 'val' or 'test'.
        predictions: A file of ``tools/test.py --out``, instead of an evaluation.

    Attributes:
        problems: A message for each part that failed.
        letters: Messages about letters of class names that no font has.
    """

    def __init__(self, run: Run, out: Path, split: str = 'val', predictions: Path | None = None) -> None:
        for library in ('jinja2', 'seaborn'):
            import_extra(library, 'report')
        if predictions is not None and not predictions.is_file():
            raise FileNotFoundError(f'there is no file of predictions {predictions}')
        self.run, self.out, self.split, self.predictions = run, out, split, predictions
        self.problems: list[str] = []
        self.letters: list[str] = []

    def write(self) -> Path:
        """Make all sections and write the page; returns its path.

        Raises:
            OSError: The folder cannot be written to.
            ValueError: The file of predictions cannot be used; the page that was there remains.
        """
        check_writable(self.out)
        given = read_predictions(self.run.cfg, self.predictions, self.split) if self.predictions else None
        run, out, split = self.run, self.out, self.split
        sections = self._try('curves', lambda: [curves_section(run.log, out)])
        evaluation, results = given, detection_results(given) if given and _has_boxes(given) else None
        if run.checkpoint and not given:
            evaluation = self._try('evaluation', lambda: evaluate(run.cfg, run.checkpoint, split, out / 'results'))
        if evaluation and is_grounding(run.cfg, split):
            sections += self._try('grounding', lambda: [grounding_section(run.cfg, evaluation, split, out)])
        elif evaluation and _has_boxes(evaluation):
            results = results or self._try('detections', lambda: detection_results(evaluation))
            sections += self._try('mistakes', lambda: _detections(results, out)) if results else []
        if run.checkpoint:
            sections += self._try('dictionary', lambda: [dictionary_section(run.cfg, run.checkpoint, split, out)])
        sections += self._try('labels', lambda: [labels_section(run.cfg, out)])
        if run.checkpoint:
            sections += self._try('network', lambda: [network_section(run.cfg, run.checkpoint, split)])
        sections += self._try('config', lambda: [config_section(run.cfg, run.base)])
        sections += self._try('versions', lambda: [versions_section()])
        threshold = self._try('threshold', lambda: best_threshold(results)) if results and results.images else None
        summary = summary_section(run, evaluation.metrics if evaluation else {}, split, threshold or None,
                                  len(evaluation.samples) if evaluation else None)
        return write_page(self.title, [summary, *self._missing(), *filter(None, sections)], out)

    @property
    def title(self) -> str:
        names = [path.stem for path in self.run.folder.glob('*.py')]
        folder = self.run.folder.resolve().name
        return f'{names[0]}: the run in {folder}' if len(names) == 1 and names[0] != folder else f'The run {folder}'

    def _try(self, part: str, make: Callable) -> list:
        """What `make` gives; after an error an empty list, and one more problem."""
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter('ignore')  # of libraries, about fonts and layouts
                warnings.simplefilter('always', LettersWarning)
                try:
                    return make()
                finally:
                    self.letters += [str(warning.message) for warning in caught]
        except Exception as error:  # a page without this part is better than none
            self.problems.append(f'{part}: {type(error).__name__}: {message_of(error)}')
            return []

    def _missing(self) -> Iterable[Section]:
        texts = []
        if self.problems:
            texts += ['These parts of the report could not be made:', *self.problems]
        if self.letters:
            texts += ['Letters in the figures:', *dict.fromkeys(self.letters)]
        if texts:
            yield Section('missing', 'What is missing', '\n\n'.join(texts))


def best_threshold(results: DetectionResults) -> float:
    """The score from which on the mean F1 of the classes is the best."""
    from .curves_of_scores import score_curves
    from .matching import match
    from .scores import threshold_for_use

    return threshold_for_use(score_curves(match(results), len(results.classes)))


def _detections(results: DetectionResults, out: Path) -> list[Section]:
    from .detections import detection_sections

    return detection_sections(results, out)


def _has_boxes(evaluation: Evaluation) -> bool:
    """Whether the predictions are boxes with classes: answers and expressions are not."""
    needed = {'bboxes', 'scores', 'labels'}
    return bool(evaluation.samples) and 'text' not in evaluation.samples[0] and all(
        needed <= set(sample.get('pred_instances', ())) for sample in evaluation.samples[:1])
