"""From sources to detections: reading ahead, batches, thresholds, classes and tracks."""
import difflib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from .detections import Detections
from .frames import Frame, read_ahead, read_frames
from .predictor import UnsuitableImage
from .slicing import AnyPredictor
from .sources import Source, find_sources, identity
from .tracking import Tracker

_AHEAD = 8  # images
_LOW_SCORE = 0.1  # of a detection that a track can take


@dataclass(frozen=True)
class Unit:
    """Sources that are predicted together or not at all: one source, or with tracking the images of one folder.

    Attributes:
        key: Tells units apart, also those of another run.
        sources: One or more.
    """
    key: str
    sources: tuple[Source, ...]

    @property
    def is_single(self) -> bool:
        """Whether it is one image."""
        return len(self.sources) == 1 and self.sources[0].kind == 'image'


@dataclass(frozen=True)
class Step:
    """What happens next: an image with its detections, a problem, or, with neither, the end of a unit."""
    unit: Unit
    frame: Frame | None = None
    detections: Detections | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Options:
    """How to predict.

    Attributes:
        score_thr: Score above which detections are kept.
        classes: Names of the classes that are kept; None for all.
        text: For MDETR what to look for in all images whose list does not say.
        batch_size: Images, or slices, that go through the network together.
        track: Whether detections of a video or folder get the numbers of tracks.
        max_frames: The most frames of a video or stream; None for all.
    """
    score_thr: float = 0.25
    classes: Sequence[str] | None = None
    text: str | None = None
    batch_size: int = 1
    track: bool = False
    max_frames: int | None = None

    @property
    def least_score(self) -> float:
        """Score above which detections play a part."""
        return min(self.score_thr, _LOW_SCORE) if self.track else self.score_thr


def predict_sources(predictor: AnyPredictor, sources: str | Path | Sequence[str | Path], *, recursive: bool = False,
                    on_problem: Callable[[str], None] = warnings.warn,
                    **options: float | int | bool | str | Sequence[str] | None) -> Iterator[tuple[Frame, Detections]]:
    """Predict whatever the command line takes: files, folders, patterns, lists, videos, cameras.

        for frame, detections in predict_sources(predictor, 'holiday/*.mp4', track=True):
            print(frame.source.name, frame.index, detections.ids, detections.names)

    Args:
        predictor: A `Predictor`, a `SlicedPredictor`, or one of an exported file.
        sources: As `find_sources` takes them.
        recursive: Whether folders below a folder are taken too.
        on_problem: Called with a message for each source that cannot be read; the others are predicted.
        options: Those of `Options`, such as `score_thr=0.5, track=True`.

    Yields:
        Each image or frame, and its detections.

    Raises:
        OSError: A source is missing.
        ValueError: An option is wrong.
    """
    names = [sources] if isinstance(sources, (str, Path)) else sources
    chosen, problems = find_sources([str(name) for name in names], recursive=recursive)
    for problem in problems:
        on_problem(problem)
    settings = Options(**options)
    for step in predict_units(predictor, units_of(chosen, settings.track), settings):
        if step.problem is not None:
            on_problem(step.problem)
        elif step.frame is not None:
            yield step.frame, step.detections


def units_of(sources: Sequence[Source], track: bool = False) -> list[Unit]:
    """The units that are finished together."""
    units = []
    for folder, group in groupby(sources, key=lambda source: _sequence(source) if track else None):
        group = list(group)
        units += [Unit(f'{folder}/', tuple(group))] if folder is not None else [
            Unit(identity(source) if source.caption is None else f'{identity(source)}: {source.caption}', (source, ))
            for source in group]
    return units


def predict_units(predictor: AnyPredictor, units: Sequence[Unit], options: Options) -> Iterator[Step]:
    """The steps of all units, in order.

    Raises:
        ValueError: A class is unknown, or some captions are missing.
    """
    chosen = None if options.classes is None else class_indices(options.classes, predictor.classes)
    check_captions(units, options.text)
    trackers: dict[str, Tracker] = {}
    size = options.batch_size * (4 if options.batch_size > 1 else 1)  # only images of one shape make a batch
    waiting: list[Step] = []

    def flush() -> Iterator[Step]:
        frames = [step.frame for step in waiting if step.frame is not None]
        results = iter(_predict(predictor, frames, options))
        for step in waiting:
            if step.frame is None:
                if step.problem is None:
                    trackers.pop(step.unit.key, None)
                yield step
                continue
            if isinstance(result := next(results), UnsuitableImage):
                yield Step(step.unit, problem=f'{step.frame.source.name}: {result}')
                continue
            detections = _kept(result, options, chosen)
            if options.track and not step.unit.is_single:
                tracker = trackers.setdefault(step.unit.key, Tracker(options.score_thr, _LOW_SCORE))
                detections = tracker(detections)
            yield replace(step, detections=replace(detections, path=step.frame.path))
        waiting.clear()

    for step in read_ahead(_steps(units, options.max_frames), _AHEAD, _is_live):
        waiting.append(step)
        if sum(step.frame is not None for step in waiting) >= size or _is_live(step) or step.frame is None:
            yield from flush()
    yield from flush()


def check_captions(units: Sequence[Unit], text: str | None) -> None:
    """Raise ValueError if some images have a caption and others have none."""
    lacking = [source.name for unit in units for source in unit.sources if not (source.caption or text)]
    if lacking and len(lacking) < sum(len(unit.sources) for unit in units):
        raise ValueError(f'{lacking[0]} has no caption, and others have: give each one, or --text for those without')


def class_indices(names: Sequence[str], classes: Sequence[str] | None) -> set[str]:
    """Names of the classes, checked.

    Args:
        names: Names, or indices as text.
        classes: All names, or None if they are not known.

    Raises:
        ValueError: There is no such class.
    """
    if classes is None:
        return set(names)
    chosen = set()
    for name in names:
        if name not in classes and name.isdecimal() and int(name) < len(classes):
            name = classes[int(name)]
        if name not in classes:
            close = difflib.get_close_matches(name, classes, n=3)
            raise ValueError(f'--classes: the model has no class {name!r}'
                             + (f', but {", ".join(close)}' if close else f'; it has {", ".join(classes[:20])}'
                                + (', ...' if len(classes) > 20 else '')))
        chosen.add(name)
    return chosen


def _steps(units: Sequence[Unit], max_frames: int | None) -> Iterator[Step]:
    for unit in units:
        for number, source in enumerate(unit.sources):
            try:
                for frame in read_frames(source, max_frames):
                    is_part = source.kind == 'image' and not unit.is_single
                    yield Step(unit, replace(frame, index=number) if is_part else frame)
            except (OSError, ValueError) as error:
                yield Step(unit, problem=str(error))
        if not unit.is_single:
            yield Step(unit)


def _predict(predictor: AnyPredictor, frames: Sequence[Frame],
             options: Options) -> list[Detections | UnsuitableImage]:
    if not frames:
        return []
    texts = [frame.source.caption or options.text for frame in frames]
    try:
        return predictor([frame.image for frame in frames], None if None in texts else texts,
                         batch_size=options.batch_size, progress=False)
    except UnsuitableImage as error:
        return [error] if len(frames) == 1 else [result for frame in frames
                                                 for result in _predict(predictor, [frame], options)]


def _kept(detections: Detections, options: Options, classes: set[str] | None) -> Detections:
    rows = detections.scores > options.least_score
    if classes is not None:
        rows &= np.array([name in classes for name in detections.names], dtype=bool)
    return detections.select(np.flatnonzero(rows))


def _sequence(source: Source) -> str | None:
    """The folder whose images are one sequence; None for a video."""
    return str(Path(identity(source)).parent) if source.kind == 'image' else None


def _is_live(step: Step) -> bool:
    return step.frame is not None and step.frame.source.kind == 'stream'
