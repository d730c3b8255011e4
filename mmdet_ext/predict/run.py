"""The command `predict`: a model, its sources, and the files that are written of its detections."""
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..command_line import Interrupted
from ..drawing import draw_objects
from ..exported import open_predictor
from ..files import check_no_file, check_writable, free_name
from ..unfinished import file_version
from ..visualization.grounding.caption import draw_caption, one_warning_of_letters
from ..visualization.grounding.visualizer import COLORS
from .detections import Detections
from .frames import num_frames
from .pipeline import Options, Unit, check_captions, class_indices, predict_units, units_of
from .record import Record, has_entries
from .slicing import AnyPredictor, SlicedPredictor
from .sources import find_sources
from .tables import CocoFiles, write_csv, write_mot
from .writers import DrawnFiles, LabelFiles

_DISPLAY_THR, _CAPTION_THR, _COCO_THR = 0.25, 0.7, 0.001


@dataclass(frozen=True)
class Request:
    """What a user asks for; see the options of tools/predict.py."""
    model: str
    checkpoint: str | None
    sources: Sequence[str]
    out: Path | None = None
    save: Sequence[str] = ('drawn', )
    score_thr: float | None = None
    classes: Sequence[str] | None = None
    text: str | None = None
    batch_size: int = 1
    track: bool = False
    slice_size: int | None = None
    overlap: float = 0.2
    recursive: bool = False
    max_frames: int | None = None
    ann_file: Path | None = None
    device: str | None = None
    cfg_options: dict[str, Any] | None = None
    resume: bool = False
    overwrite: bool = False


@dataclass
class _Count:
    images: int = 0
    frames: int = 0
    objects: int = 0
    seconds: float = 0.
    model_seconds: float = 0.
    problems: list[str] = field(default_factory=list)


class _Timed:
    """A predictor whose time is counted."""

    def __init__(self, predictor: AnyPredictor, count: _Count) -> None:
        self.predictor, self.count, self.classes = predictor, count, predictor.classes

    def __call__(self, *args: Any, **kwargs: Any) -> Detections | list[Detections]:
        start = time.perf_counter()
        try:
            return self.predictor(*args, **kwargs)
        finally:
            self.count.model_seconds += time.perf_counter() - start


def run_request(request: Request) -> int:
    """Predict and write; prints a line at the end. What is done at an interruption or error is complete on disk.

    Returns:
        0, or 1 if a source could not be read; a message for each is printed.

    Raises:
        OSError: A file is missing or cannot be written.
        ValueError: Arguments do not fit together.
        Interrupted: The user stopped it; the message says how to go on.
    """
    sources, problems = find_sources(request.sources, recursive=request.recursive)
    units = units_of(sources, request.track)
    has_text = request.text is not None or any(source.caption for source in sources)
    thresholds = _thresholds(request, has_text)
    out = _folder(request)
    check_captions(units, request.text)
    options = Options(min(thresholds.values()), request.classes, request.text, request.batch_size, request.track,
                      request.max_frames)
    predictor = open_model(request, options.least_score)
    classes = None if has_text else predictor.classes
    if request.classes is not None:
        class_indices(request.classes, predictor.classes)  # raises now, before anything is written
    if classes is None and set(request.save) & {'yolo', 'yolo-scores'}:
        raise ValueError('--save yolo: the labels of that form are indices of classes, and this model has phrases')
    check_writable(out)
    record = Record(out / 'predictions.jsonl', _settings(request, thresholds), resume=request.resume)
    count, tables = _Count(problems=problems), _Tables(record, out, request, thresholds, classes, units)
    writers = _writers(out, request, thresholds, classes)
    left = [unit for unit in units if unit.key not in record.finished]
    start, stopped, to_go_on = time.perf_counter(), None, f'go on with --resume --out {shlex.quote(str(out))}'
    try:
        try:
            _work(_Timed(predictor, count), left, options, record, writers, count, max(thresholds.values()))
        except (KeyboardInterrupt, Interrupted) as error:
            stopped = error
        finally:
            for writer in writers:
                writer.end()
            count.seconds = time.perf_counter() - start
        written = tables.write()
    except OSError as error:  # of a full disk, above all
        raise OSError(f'{error}. What was done before is kept: {to_go_on}') from error
    _report(count, out, written, len(units) - len(left))
    if stopped is not None:
        raise Interrupted(to_go_on) from stopped
    return int(bool(count.problems))


def open_model(request: Request, least_score: float) -> AnyPredictor:
    """The predictor of a config and checkpoint, or of an exported file, sliced if that is asked for."""
    predictor = open_predictor(request.model, request.checkpoint, request.device, request.cfg_options)
    if request.slice_size is not None:
        predictor = SlicedPredictor(predictor, request.slice_size, request.overlap, score_thr=least_score)
    return predictor


def _work(predictor: AnyPredictor, units: Sequence[Unit], options: Options, record: Record, writers: Sequence,
          count: _Count, display_thr: float) -> None:
    totals = [num_frames(source) for unit in units for source in unit.sources]
    if options.max_frames is not None:
        totals = [min(total or options.max_frames, options.max_frames) for total in totals]
    broken = set()
    with tqdm(total=None if None in totals else sum(totals), unit=' images', desc='predict') as bar:
        for step in predict_units(predictor, units, options):
            if step.problem is not None:
                broken.add(step.unit.key)
                count.problems.append(step.problem)
            elif step.frame is None:
                for writer in writers:
                    writer.end()
                if step.unit.key not in broken:
                    record.finish(step.unit)
            else:
                caption = step.frame.source.caption or options.text
                entry = record.entry(step.unit, step.frame, step.detections, caption)
                for writer in writers:
                    writer.write(entry, step.frame, step.detections)
                record.add(step.unit, entry)
                count.images += step.frame.source.kind == 'image'
                count.frames += step.frame.source.kind != 'image'
                count.objects += len(step.detections if options.track else step.detections.above(display_thr))
                bar.update()


def _writers(out: Path, request: Request, thresholds: dict[str, float],
             classes: Sequence[str] | None) -> list[DrawnFiles | LabelFiles]:
    writers = []
    if 'drawn' in request.save:
        writers.append(DrawnFiles(out / 'drawn', thresholds['drawn'], _draw_with_caption))
    if set(request.save) & {'yolo', 'yolo-scores'}:
        writers.append(LabelFiles(out / 'labels', thresholds['yolo'], 'yolo-scores' in request.save, classes))
    return writers


class _Tables:
    """The files that are made of the record at the end."""

    def __init__(self, record: Record, out: Path, request: Request, thresholds: dict[str, float],
                 classes: Sequence[str] | None, units: Sequence[Unit]) -> None:
        self.record, self.out, self.request, self.thresholds, self.classes = record, out, request, thresholds, classes
        if 'coco' in request.save and request.ann_file is not None:
            files = CocoFiles(record, classes, request.ann_file)
            for source in (source for unit in units for source in unit.sources if source.kind == 'image'):
                files.known_id(source.name)  # raises now, not at the end

    def write(self) -> list[str]:
        """Write them; returns the names of all that was asked for."""
        save, written = self.request.save, []
        if 'drawn' in save:
            written.append('drawn/')
        if set(save) & {'yolo', 'yolo-scores'}:
            written.append('labels/')
        if 'coco' in save:
            files = CocoFiles(self.record, self.classes, self.request.ann_file)
            files.write_results(self.out / 'results.json')
            files.write_file(self.out / 'coco.json')
            written += ['results.json', 'coco.json']
        if 'csv' in save:
            write_csv(self.record, self.out / 'detections.csv', self.thresholds['csv'])
            written.append('detections.csv')
        if 'mot' in save:
            write_mot(self.record, self.out / 'mot')
            written.append('mot/')
        return [*written, 'predictions.jsonl']


def _thresholds(request: Request, has_text: bool) -> dict[str, float]:
    """The score above which each form has detections."""
    display = request.score_thr if request.score_thr is not None else _CAPTION_THR if has_text else _DISPLAY_THR
    coco = display if request.score_thr is not None or request.track else _COCO_THR
    by_form = {'drawn': display, 'csv': display, 'yolo': display, 'coco': coco}
    wanted = {form.partition('-')[0] for form in request.save} & by_form.keys()
    return {form: by_form[form] for form in by_form if form in wanted} or {'csv': display}


def _folder(request: Request) -> Path:
    """The folder to write to: one that no other run has written to, unless that is asked for."""
    default = Path('work_dirs/predict')
    if request.out is None:
        if request.resume:
            raise ValueError('--resume goes on with the run of a folder: name it with --out')
        taken = {path.name for path in default.parent.glob(f'{default.name}*')}
        out = default.with_name(free_name(default.name, taken))
    else:
        out = request.out
        if has_entries(out / 'predictions.jsonl') and not (request.resume or request.overwrite):
            raise ValueError(f'{out} holds the predictions of an earlier run: --resume goes on with it and skips what '
                             'is there, --overwrite begins anew')
    check_no_file(out)
    return out


def _settings(request: Request, thresholds: dict[str, float]) -> dict:
    """All that detections depend on."""
    content = asdict(request)
    for name in ('sources', 'out', 'save', 'recursive', 'ann_file', 'device', 'resume', 'overwrite', 'batch_size'):
        content.pop(name)
    content['score_thr'] = min(thresholds.values())
    content['save'] = ' '.join(sorted({'drawn', 'yolo', 'yolo-scores'} & set(request.save)))  # written on the way
    for name in ('model', 'checkpoint'):
        if content[name] is not None and Path(content[name]).is_file():
            content[name] = file_version(Path(content[name]))
    return content


def _draw_with_caption(image: np.ndarray, detections: Detections, caption: str) -> np.ndarray:
    """The detections on an image (H, W, 3) BGR, and under it the caption, its phrases in the colours of their boxes."""
    chosen = [COLORS[label % len(COLORS)] for label in detections.labels.tolist()]
    drawn = draw_objects(image, detections.boxes, detections.labels, detections.names, detections.scores,
                         detections.masks, detections.ids, colors=chosen)
    colors = [None] * len(caption)
    spans = detections.sample.pred_instances.get('spans') if detections.sample is not None else None
    if spans is None:
        starts = [caption.find(name) for name in detections.names]
        spans = [[(start, start + len(name))] if name and start >= 0 else []
                 for start, name in zip(starts, detections.names)]
    best_last = np.argsort(detections.scores, kind='stable').tolist()
    for row in best_last:
        for begin, end in spans[row]:
            colors[begin:end] = [chosen[row]] * len(caption[begin:end])
    with one_warning_of_letters():
        strip = draw_caption(caption, colors, drawn.shape[1], size=max(10., min(drawn.shape[1] / 45, 18.)))
    return np.concatenate([drawn, strip[..., ::-1]])


def _report(count: _Count, out: Path, written: Sequence[str], skipped: int) -> None:
    for problem in count.problems:
        print(f'not read: {problem}', file=sys.stderr)
    total = count.images + count.frames
    parts = [f'{number:,} {name}' for number, name in ((count.images, 'images'), (count.frames, 'frames')) if number]
    done = ' and '.join(parts) or 'no images'
    speed = (f', {1000 * count.seconds / total:.1f} ms an image ({1000 * count.model_seconds / total:.1f} in the model)'
             if total else '')
    more = [f'{skipped:,} done before'] * bool(skipped) + [f'{len(count.problems)} not read'] * bool(count.problems)
    print(f'{done}, {count.objects:,} objects{speed}{"".join(f", {text}" for text in more)}; '
          f'{out}: {", ".join(written)}')
