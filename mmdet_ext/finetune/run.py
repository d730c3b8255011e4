"""From a folder of labelled images to a trained detector."""
import re
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from math import isnan
from pathlib import Path

import torch
from mmengine.config import Config

from ..command_line import Interrupted
from ..config_files import PACKAGE, config_file
from ..datasets.formats import PreparedData, prepare_data
from ..engine.checkpoint_hook import checkpoints_of_run
from ..engine.progress_hook import ProgressHook, quiet_console
from ..files import replace_file
from ..launch import load_config, train
from .batch import cpu_batch, cuda_batch, num_workers
from .config_text import Choices, config_text
from .models import Model, model_named
from .recipe import LARGEST_BATCH, recipe_for, useful_batch
from .texts import text_encoder
from .weights import beginning

METRICS = dict(boxes=('coco/bbox_mAP', 'AP'), captions=('any_box/recall@1_all', 'recall@1'))
# What is written into the config, which a resumed run does not write again.
WRITTEN = ('image_size', 'epochs', 'batch_size', 'lr', 'weights', 'workers')


@dataclass(frozen=True)
class Settings:
    """What a user may set; None: it is chosen.

    Attributes:
        image_size: Side in pixels.
        epochs: Length of the training; None: 100.
        batch_size: Images in a batch.
        lr: Learning rate.
        weights: File to begin with, or 'none' for random weights everywhere.
        workers: Data workers.
        work_dir: Folder of the run; None: ``work_dirs/DATA_MODEL``.
        data_format: See `prepare_data`, as `val_fraction` and `seed`.
        amp: Whether to train in mixed precision.
        report: Whether to write the report at the end.
        cfg_options: Values that replace the config's in this run, by dotted key.
    """
    image_size: int | None = None
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    weights: str | None = None
    workers: int | None = None
    work_dir: Path | None = None
    data_format: str | None = None
    val_fraction: float = 0.2
    seed: int = 0
    amp: bool = False
    report: bool = True
    cfg_options: dict | None = None

    def __post_init__(self) -> None:
        for name, least in dict(image_size=1, epochs=1, batch_size=1, workers=0).items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f'--{name.replace("_", "-")} should be at least {least}, got {value}')
        if self.lr is not None and not self.lr > 0:
            raise ValueError(f'--lr should be above 0, got {self.lr}')


def finetune(name: str, source: Path, settings: Settings, *, check: bool = False, resume: bool = False) -> Path:
    """Check data, write a config, train, and say where the results are.

    Args:
        name: Of the model, see `MODELS`.
        source: Folder or file of labelled images, see `prepare_data`.
        settings: Options of the user.
        check: Whether to end after the check of the data.
        resume: Whether to go on with an earlier run in the same folder, with its config as it is.

    Returns:
        The folder of the run.

    Raises:
        ValueError, OSError: For an unknown model, data that cannot be used, a folder with another run; naming what is
            wrong.
    """
    model, source = model_named(name), Path(source).expanduser()
    folder = settings.work_dir or Path('work_dirs') / f'{_data_name(source)}_{name}'
    config = folder / 'config.py'
    if not check:
        _check_folder(config, settings, resume)
    # captions are read where the source has them, else made of the boxes
    data_format = settings.data_format or ('captions' if model.kind == 'captions' else None)
    data = prepare_data(source, folder, data_format=data_format, val_fraction=settings.val_fraction,
                        seed=settings.seed, check_only=check)
    print(data.page)
    if data.kind != model.kind:
        other = 'mdetr-r18' if data.kind == 'captions' else 'yolov9-s'
        raise ValueError(f'{source} has {data.kind}, and {name} learns {model.kind}: {other} learns {data.kind}')
    if check:
        return folder
    if not config.is_file():
        _write_config(config, model, data, settings)
    metric, title = METRICS[model.kind]
    hook = ProgressHook(metric, title)
    with _interruptions(folder):
        train(str(config), options=settings.cfg_options, resume='auto' if resume else None, amp=settings.amp,
              report=settings.report, hooks=[hook], console=quiet_console(hook))
    _say_results(folder, hook, title)
    return folder


def _data_name(source: Path) -> str:
    path = source.resolve()
    name = path.parent.name if path.suffix and path.stem in ('data', 'dataset', 'train', 'annotations') else path.stem
    return re.sub(r'[^\w.-]+', '_', name) or 'data'


def _check_folder(config: Path, settings: Settings, resume: bool) -> None:
    if not config.is_file():
        return
    if not resume:
        raise ValueError(f'{config.parent} has a run already: --resume goes on with it, --work-dir begins another one')
    changed = [field.name for field in fields(settings) if field.name in WRITTEN
               and getattr(settings, field.name) is not None]
    if changed:
        options = ', '.join(f'--{name.replace("_", "-")}' for name in changed)
        raise ValueError(f'--resume goes on with {config} as it is: change it there in the place of {options}')


def _write_config(config: Path, model: Model, data: PreparedData, settings: Settings) -> None:
    folder, epochs, cuda = config.parent, settings.epochs or 100, torch.cuda.is_available()
    weights, sentence = beginning(model, settings.weights, folder)
    text, text_sentence = text_encoder(model, settings.weights, data.train.ann_file, folder)
    size = settings.image_size or Config.fromfile(config_file(model.config)).image_size
    largest = settings.batch_size or useful_batch(data.train.num_images, epochs, LARGEST_BATCH if model.system ==
                                                  'yolov9' else 16)

    def write(batch_size: int) -> None:
        workers = settings.workers if settings.workers is not None else num_workers(batch_size, cuda)
        choices = Choices(size, workers, weights, bool(model.weights) and settings.weights is None, text)
        recipe = recipe_for(model, data.train.num_images, epochs, batch_size, settings.lr)
        content = config_text(model, data, recipe, choices, f'{tool("train")} {shlex.quote(str(config))}')
        with replace_file(config) as file:
            file.write(content.encode())

    write(settings.batch_size or (1 if cuda else cpu_batch(model, size, largest)))
    try:
        cfg = load_config(str(config), options=settings.cfg_options)
        if cuda and not settings.batch_size:
            write(cuda_batch(cfg, largest))
            cfg = load_config(str(config), options=settings.cfg_options)
    except BaseException:
        config.unlink()
        raise
    print(f'{sentence}. {text_sentence}'.strip())
    print(f'{config}: {size} px, batches of {cfg.train_dataloader.batch_size}, {epochs} epochs on '
          f'{torch.cuda.get_device_name() if cuda else "the CPU"}', flush=True)


@contextmanager
def _interruptions(folder: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        if checkpoints_of_run(folder, 'epoch_{}.pth'):
            raise Interrupted('the same command with --resume goes on from the last epoch') from error
        raise Interrupted('no epoch is complete: the same command with --resume begins it anew') from error


def tool(name: str) -> str:
    """The command of a tool of this package, as the user started the present one."""
    tools = PACKAGE.parent / 'tools'
    if Path(sys.argv[0]).resolve().parent == tools:
        return f'python {shlex.quote(str(Path(sys.argv[0]).parent / name))}.py'
    return f'mim train {PACKAGE.name}' if name == 'train' else f'mim run {PACKAGE.name} {name}'


def best_checkpoint(folder: Path) -> Path | None:
    """The best checkpoint of a run, or else its last one."""
    best = sorted(folder.glob('best_*.pth'), key=lambda path: path.stat().st_mtime)
    return best[-1] if best else next(iter(checkpoints_of_run(folder, 'epoch_{}.pth')), None)


def _say_results(folder: Path, hook: ProgressHook, title: str) -> None:
    checkpoint, report = best_checkpoint(folder), folder / 'report' / 'report.html'
    config = shlex.quote(str(folder / 'config.py'))
    if hook.best is not None and not isnan(hook.best[0]):
        print(f'\n{title} {hook.best[0]:.3f} on the validation images, best in epoch {hook.best[1]}')
    print(f'checkpoint  {checkpoint}\nconfig      {config}\nreport      '
          f'{report if report.is_file() else "none was written"}\nWhat is next:')
    files = f'{config} {shlex.quote(str(checkpoint))}'
    print(f'  {tool("predict")} {files} IMAGES\n  {tool("report")} {shlex.quote(str(folder))}\n'
          f'  {tool("export")} {files} --format onnx', flush=True)
