"""What `finetune` says at the end, and what it reads from the folder of a run."""
import re
import shlex
import sys
from math import isfinite
from pathlib import Path

from ..config_files import PACKAGE
from ..engine.checkpoint_hook import checkpoints_of_run
from ..experiments.logs import read_training_log


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


def values_of(folder: Path, metric: str) -> dict[int, float]:
    """A metric of the validation images by epoch, as the logs of a run have it."""
    try:
        log = read_training_log(folder)
    except (OSError, ValueError):  # a log that was cut off is no reason to stop
        return {}
    return {epoch: value[metric] for epoch, value in log.validations.items()
            if isinstance(value.get(metric), (int, float)) and isfinite(value[metric])}


def best_before(folder: Path, metric: str) -> tuple[float, int] | None:
    """The best value of an earlier part of a run, and its epoch."""
    values = values_of(folder, metric)
    return max(((value, epoch) for epoch, value in values.items()), default=None)


def say_results(folder: Path, metric: str, title: str) -> None:
    """Print the metric of the best checkpoint, where everything is, and what to do next."""
    checkpoint, report = best_checkpoint(folder), folder / 'report' / 'report.html'
    config = shlex.quote(str(folder / 'config.py'))
    epoch = re.search(r'epoch_(\d+)\.pth$', checkpoint.name) if checkpoint else None
    value = values_of(folder, metric).get(int(epoch[1])) if epoch else None
    if value is not None:
        print(f'\n{title} {value:.3f} on the validation images, by the checkpoint of epoch {epoch[1]}')
    print(f'checkpoint  {checkpoint}\nconfig      {config}\nreport      '
          f'{report if report.is_file() else "none was written"}\nWhat is next:')
    files = f'{config} {shlex.quote(str(checkpoint))}'
    print(f'  {tool("predict")} {files} IMAGES\n  {tool("report")} {shlex.quote(str(folder))}\n'
          f'  {tool("export")} {files} --format onnx', flush=True)
