"""AP and time of detectors in each of their forms, on this machine: in Python, deployed, and as exported files."""
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from tqdm import tqdm

from ..command_line import message_of
from ..deployment import count_parameters
from ..export.check import milliseconds
from ..export.graph import GraphOptions
from ..export.images import check_image
from ..export.run import SUFFIXES, Job, export
from ..exported import ExportedPredictor
from ..exported.evaluation import evaluate_exported, with_pipeline_of
from ..launch import load_config
from ..models.detectors import MDETR, PGIDetector, PromptedMDETR
from ..predict import Predictor
from ..unfinished import Unfinished, file_version
from .limited_data import limited
from .speed_table import SpeedRow, write_table

CAPTION = 'a red circle left of a blue star'
WORSE = 1.05  # a larger batch whose images take this many times as long as those of the best one ends the search


@dataclass(frozen=True)
class Model:
    """A detector to measure: its config, its checkpoint, and files that were exported from it before."""
    config: str
    checkpoint: str
    files: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """How detectors are measured.

    Attributes:
        formats: Formats to export and measure: 'onnx', 'openvino', 'torchscript' or 'engine', with '-fp16' or '-int8'
            behind it for another precision than fp32.
        batch_sizes: Numbers of images of a call that are tried, in rising order, the first one 1.
        repeats: Timed calls for each of them.
        evaluate: Whether AP is computed.
        limit: Number of images that it is computed on; None for the whole data set.
        split: 'val' or 'test'.
        device: Of the detectors in Python.
        cfg_options: Values that replace the configs'.
    """
    formats: tuple[str, ...] = ('onnx', 'openvino', 'torchscript')
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    repeats: int = 9
    evaluate: bool = True
    limit: int | None = None
    split: str = 'val'
    device: str = 'cpu'
    cfg_options: dict = field(default_factory=dict)


def measure_models(models: Sequence[Model], settings: Settings, out: Path) -> list[SpeedRow]:
    """Measure all forms of all models, and write `out`/speed.csv and speed.md after each row.

    Rows that were measured before with the same settings and files are not measured again. A form that cannot be
    exported or run is a row with the reason, and is tried again the next time.

    Raises:
        OSError: A config or checkpoint is missing.
        ValueError: A config is wrong, or a format is none.
    """
    _check_formats(settings.formats)
    configs = [load_config(model.config, options=dict(settings.cfg_options)) for model in models]
    forms = [(model, cfg, form) for model, cfg in zip(models, configs) for form in _forms(model, cfg, settings)]
    done = Unfinished(out / 'rows')
    done.begin(dict(threads=torch.get_num_threads()))
    rows = []
    with tqdm(forms, desc='benchmark', unit=' rows', disable=None) as bar:
        for model, cfg, form in bar:
            bar.set_postfix_str(f'{Path(model.config).stem}: {form}')
            name = f'{_digest(model, form, settings)}.json'
            if piece := done.piece(name):
                row = SpeedRow(**json.loads(piece.read_bytes()))
            else:
                row = _measure(model, cfg, form, settings, out)
                if not row.problem:  # else it is tried again: a library may have been installed since
                    with done.write(name) as file:
                        file.write(json.dumps(asdict(row)).encode())
            rows.append(row)
            write_table(rows, out)
    return rows


def _check_formats(formats: Sequence[str]) -> None:
    for form in formats:
        kind, _, precision = form.partition('-')
        if kind not in SUFFIXES or precision not in ('', 'fp32', 'fp16', 'int8'):
            raise ValueError(f'a format should be one of {", ".join(SUFFIXES)}, with -fp16 or -int8 behind it or not, '
                             f'got {form!r}')


def _forms(model: Model, cfg: Config, settings: Settings) -> Iterator[str]:
    kind = cfg.model.type
    kind = MODELS.get(kind) if isinstance(kind, str) else kind
    folded = ['deployed'] if isinstance(kind, type) and issubclass(kind, PGIDetector) else []
    yield from ('eager', *folded, *settings.formats, *model.files)


def _digest(model: Model, form: str, settings: Settings) -> str:
    """A name for all that a row depends on."""
    parts = [file_version(Path(path)) for path in (model.config, model.checkpoint) if Path(path).is_file()]
    if form in model.files and Path(form).is_file():
        parts.append(file_version(Path(form)))
    parts += [form, asdict(replace(settings, formats=()))]
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:16]


def _measure(model: Model, cfg: Config, form: str, settings: Settings, out: Path) -> SpeedRow:
    row = SpeedRow(model=Path(model.config).stem, form=Path(form).name)
    try:
        predictor, row = _open(model, cfg, form, settings, out, row)
        row = replace(row, **_times(predictor, cfg, settings))
        return replace(row, **_accuracy(predictor, cfg, settings, out)) if settings.evaluate else row
    except Exception as error:  # whatever fails in a library of one format, the other rows are measured
        return replace(row, problem=f'{type(error).__name__}: {" ".join(message_of(error).split())[:300]}')


def _open(model: Model, cfg: Config, form: str, settings: Settings, out: Path,
          row: SpeedRow) -> tuple[Predictor, SpeedRow]:
    """The predictor of a form, and its row with size and parameters."""
    if form in ('eager', 'deployed'):
        predictor = Predictor(cfg, model.checkpoint, settings.device, deployed=form == 'deployed')
        weights = sum(x.numel() * x.element_size() for x in predictor.model.state_dict().values())
        return predictor, replace(row, mebibytes=weights / 2**20, parameters=count_parameters(predictor.model),
                                  precision='fp32')
    file = Path(form) if form in model.files else _exported(model, form, settings, out)
    predictor = ExportedPredictor(file)
    size = sum(path.stat().st_size for path in (file.rglob('*') if file.is_dir() else [file]) if path.is_file())
    return predictor, replace(row, mebibytes=size / 2**20, precision=predictor.metadata.precision)


def _exported(model: Model, form: str, settings: Settings, out: Path) -> Path:
    """The file of a format, with any number of images, written to `out`/files; what the export prints goes to a log."""
    kind, _, precision = form.partition('-')
    folder = out / 'files'
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f'{Path(model.config).stem}-{precision or "fp32"}{SUFFIXES[kind]}'
    with open(folder / f'{file.name}.log', 'w', encoding='utf-8') as log, redirect_stdout(log):
        # of any size: AP of a file and of the detector are then of the same scaled images
        options = GraphOptions(dynamic_batch=True, dynamic_size=True)
        return export(Job(model.config, model.checkpoint, kind, file, options, precision or 'fp32',
                          cfg_options=dict(settings.cfg_options)))


def _times(predictor: Predictor, cfg: Config, settings: Settings) -> dict:
    """Milliseconds per image of one image and of the best batch, from normalised images to detections."""
    image, _ = check_image(cfg)
    prepared = predictor.prepare(image, CAPTION if takes_text(predictor) else None)
    times: dict[int, float] = {}
    for batch in settings.batch_sizes:
        work = partial(predictor.infer, *predictor.collate([prepared] * batch))
        times[batch] = milliseconds(dict(infer=work), settings.repeats)['infer'] / batch
        if times[batch] > WORSE * min(times.values()):
            break
    best = min(times, key=times.get)
    return dict(milliseconds=times[1], best_batch=best, best_milliseconds=times[best])


def takes_text(predictor: Predictor) -> bool:
    """Whether a predictor needs a caption for each image."""
    if isinstance(predictor, ExportedPredictor):
        return bool(predictor.metadata.text) and not predictor.takes_no_text
    return isinstance(predictor.model, MDETR) and not isinstance(predictor.model, PromptedMDETR)


def _accuracy(predictor: Predictor, cfg: Config, settings: Settings, out: Path) -> dict:
    """The first metric, or COCO's AP where there is one, of this very predictor."""
    cfg = limited(cfg, settings.split, settings.limit, out) if settings.limit else cfg
    if isinstance(predictor, ExportedPredictor):
        cfg = with_pipeline_of(cfg, predictor)
    metrics = evaluate_exported(cfg, predictor, settings.split, progress=False, quiet=True)
    name = 'coco/bbox_mAP' if 'coco/bbox_mAP' in metrics else next(iter(metrics))
    return dict(metric=name, value=float(metrics[name]))
