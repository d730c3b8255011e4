"""A training on the console: one line for each epoch, and a bar with the time that is left."""
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import timedelta
from os import devnull
from typing import Any, TextIO

from mmengine.hooks import Hook
from mmengine.runner import Runner
from tqdm import tqdm


class ProgressHook(Hook):
    """Print a line after each epoch, and show a bar where the error output is a terminal; the main process only.

    `quiet_console` keeps mmengine's own log from the console; its file has all of it.

    Args:
        metric: Key of the metric that a line shows, such as 'coco/bbox_mAP'; greater values are better.
        title: What the line calls it, such as 'AP'.
        file: Where the lines go.
        best: Best value of an earlier part of the training, and its epoch.

    Attributes:
        best: Best value of the metric, and its epoch; None before the first evaluation.
    """

    priority = 'VERY_LOW'

    def __init__(self, metric: str, title: str, file: TextIO | None = None, *,
                 best: tuple[float, int] | None = None) -> None:
        self.metric, self.title = metric, title
        self.file = file or sys.stdout
        self.best = best
        self._line = ''
        self._bar = None

    def before_train(self, runner: Runner) -> None:
        self._start, self._first = time.monotonic(), runner.epoch
        self._bar = tqdm(total=runner.max_iters, initial=runner.iter, unit='batch', leave=False, dynamic_ncols=True,
                         disable=None)
        handler = _Lines(self._print)
        handler.setLevel(logging.WARNING)
        runner.logger.addHandler(handler)
        if runner.epoch:
            self._print(f'goes on after epoch {runner.epoch} of {runner.max_epochs}')

    def before_train_epoch(self, runner: Runner) -> None:
        self._flush(runner)
        self._bar.set_description(f'epoch {runner.epoch + 1}/{runner.max_epochs}')

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        self._bar.update()

    def after_train_epoch(self, runner: Runner) -> None:
        epoch = runner.epoch + 1  # which is counted after this call
        losses = runner.message_hub.log_scalars.get('train/loss')
        loss = f'loss {losses.mean(len(runner.train_dataloader)):.3f}' if losses is not None else ''
        self._line = f'epoch {epoch:{len(str(runner.max_epochs))}}/{runner.max_epochs}  {loss}'

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if not self._line or self.metric not in (metrics or {}):
            return
        value = float(metrics[self.metric])
        if self.best is None or value > self.best[0]:
            self.best = value, runner.epoch
        self._line += f'  {self.title} {value:.3f} (best {self.best[0]:.3f})'

    def after_train(self, runner: Runner) -> None:
        self._flush(runner)
        self.close()
        if any(type(hook).__name__ == 'ReportHook' for hook in runner.hooks):  # comes next, and says nothing
            self._print('writing the report')

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def _flush(self, runner: Runner) -> None:
        if not self._line:
            return
        took = time.monotonic() - self._start
        left = took / max(runner.epoch - self._first, 1) * (runner.max_epochs - runner.epoch)
        self._print(f'{self._line}  {_duration(took)}, {_duration(left)} left')
        self._line = ''

    def _print(self, line: str) -> None:
        tqdm.write(line, file=self.file)
        self.file.flush()


class _Lines(logging.Handler):
    """Hands messages on as text, equal ones once; those of mmengine to its developers, and of metrics that a data set
    does not define, such as AP of large objects where there are none, are left out."""

    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self.write = write
        self.written: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        message = f'{record.levelname.lower()}: {record.getMessage()}'
        if message not in self.written and not any(text in message for text in ('deprecated', 'Not defined (nan)')):
            self.written.add(message)
            self.write(message)


@contextmanager
def quiet_console(hook: ProgressHook) -> Iterator[None]:
    """Let the console show what a hook prints, and warnings of the log, instead of all of mmengine's log.

    Python's warnings of torch and the MM packages, which are about their code, are not shown.
    """
    try:
        with open(devnull, 'w', encoding='utf-8') as nowhere, redirect_stdout(nowhere), warnings.catch_warnings():
            warnings.filterwarnings('ignore', module=r'(torch|torchvision|mmengine|mmcv|mmdet|importlib)\b')
            yield
    finally:
        hook.close()


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
