"""From a folder of labelled images to a trained detector."""
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from mmengine.config import Config

from ..annotations.formats import PreparedData, prepare_data
from ..annotations.formats.recognise import check_source
from ..command_line import Interrupted
from ..config_files import config_file
from ..engine.checkpoint_hook import checkpoints_of_run
from ..engine.progress_hook import ProgressHook, quiet_console
from ..files import check_writable, replace_file
from ..launch import load_config, train
from .batch import cpu_batch, cuda_batch, num_workers
from .config_text import Choices, config_text
from .earlier import check_earlier_run, data_of_earlier_run
from .models import Model, model_named
from .recipe import LARGEST_BATCH, recipe_for, useful_batch
from .results import best_before, say_results, tool
from .settings import DIVISION, EPOCHS, Settings
from .texts import text_encoder
from .weights import beginning

METRICS = dict(boxes=('coco/bbox_mAP', 'AP'), captions=('any_box/recall@1_all', 'recall@1'))


def finetune(name: str, source: Path, settings: Settings, *, check: bool = False, resume: bool = False) -> Path:
    """Check data, write a config, train, and say where the results are.

    Args:
        name: Of the model, see `MODELS`.
        source: Folder or file of labelled images, see `prepare_data`.
        settings: Options of the user.
        check: Whether to end after the check of the data.
        resume: Whether to go on with an earlier run in the same folder, with its config and data as they are.

    Returns:
        The folder of the run.

    Raises:
        ValueError, OSError: For an unknown model, data that cannot be used, a folder with another run; naming what is
            wrong.
    """
    model, source = model_named(name), Path(source).expanduser()
    folder = settings.work_dir or Path('work_dirs') / f'{_data_name(source)}_{name}'
    config = folder / 'config.py'
    goes_on = config.is_file() and resume
    if not check:
        check_earlier_run(config, settings, resume)
    if not goes_on:
        _check_early(model, source, folder, settings)
    data = data_of_earlier_run(folder, source, settings) if goes_on and not check else None
    if data is None:
        # captions are read where the source has them, else made of the boxes
        data_format = settings.data_format or ('captions' if model.kind == 'captions' else None)
        division = {key: value if getattr(settings, key) is None else getattr(settings, key)
                    for key, value in DIVISION.items()}
        data = prepare_data(source, folder, data_format=data_format, check_only=check, **division)
        print(data.page)
    if data.kind != model.kind:
        other = 'mdetr-r18' if data.kind == 'captions' else 'yolov9-s'
        raise ValueError(f'{source} has {data.kind}, and {name} learns {model.kind}: {other} learns {data.kind}')
    if check:
        return folder
    if not goes_on:
        _write_config(config, model, data, settings)
    metric, title = METRICS[model.kind]
    hook = ProgressHook(metric, title, best=best_before(folder, metric) if resume else None)
    with _interruptions(folder), _begun(config, new=not goes_on):
        train(str(config), options=settings.cfg_options, resume='auto' if resume else None, amp=settings.amp,
              report=settings.report, hooks=[hook], console=quiet_console(hook))
    say_results(folder, metric, title)
    return folder


def _data_name(source: Path) -> str:
    path = source.resolve()
    name = path.parent.name if path.suffix and path.stem in ('data', 'dataset', 'train', 'annotations') else path.stem
    return re.sub(r'[^\w.-]+', '_', name) or 'data'


def _check_early(model: Model, source: Path, folder: Path, settings: Settings) -> None:
    """What can be said before the images are read."""
    check_source(source)
    try:
        check_writable(folder)
    except OSError as error:
        raise OSError(f'the folder of the run cannot be written ({error}): --work-dir FOLDER takes another one'
                      ) from error
    if settings.image_size:
        load_config(config_file(model.config), options=dict(image_size=settings.image_size))


def _write_config(config: Path, model: Model, data: PreparedData, settings: Settings) -> None:
    folder, epochs, cuda = config.parent, settings.epochs or EPOCHS, torch.cuda.is_available()
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
    print(f'{config}: {size} px, batches of {cfg.train_dataloader.batch_size}, {epochs} epoch{"s" * (epochs > 1)} on '
          f'{torch.cuda.get_device_name() if cuda else "the CPU"}', flush=True)


@contextmanager
def _interruptions(folder: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        if checkpoints_of_run(folder, 'epoch_{}.pth'):
            raise Interrupted('from the last complete epoch') from error
        raise Interrupted('no epoch is complete, so it begins anew') from error


@contextmanager
def _begun(config: Path, new: bool) -> Iterator[None]:
    """Forget a new config with which the first epoch fails, so that the command can be corrected and given again."""
    try:
        yield
    except Exception:
        if new and not checkpoints_of_run(config.parent, 'epoch_{}.pth'):
            config.unlink(missing_ok=True)
        raise
