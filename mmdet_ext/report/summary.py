"""The top of the page: how good the model is, and what to do with it."""
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from ..experiments.comparison import metric_label
from .run_folder import Run
from .section import Section, Table
from .training_curves import best_validation, main_metric

MOST_TILES = 4  # of figures of the metric
_MEANINGS = {
    'bbox_mAP': 'AP, from 0 to 1, is how well the boxes agree with those of the labels, as the mean of the classes and '
                'of how exactly a box has to fit; for AP50 half an overlap is enough.',
    'recall@1_all': 'Recall@1, from 0 to 1, is the share of the phrases for which the box with the highest score is '
                    'right; recall@5 that for which one of the best five is.'}
EXPORTED = ('PGIDetector', 'SMCADETR', 'MDETR')  # detectors that tools/export.py writes


def summary_section(run: Run, metrics: Mapping[str, float], split: str, threshold: float | None,
                    num_images: int | None) -> Section:
    """Tiles with the main figures, and three sentences with the commands that come next.

    Args:
        run: The run.
        metrics: Of its checkpoint on the data set `split`; empty if it was not evaluated.
        split: 'val' or 'test'.
        threshold: The score from which on detections are best kept; None if it is not known.
        num_images: Images of that data set.
    """
    tiles: list[tuple[str, str | int | float | None]] = [
        (_label(name), metrics[name]) for name in _tile_names(metrics)]
    log = run.log
    unit = 'epoch' if log.by_epoch else 'iteration'
    main = main_metric(log)
    if main:
        best, value = best_validation(log, main)
        tiles.append((f'best {unit} of {log.epoch}' if log.by_epoch else f'best {unit}', best))
        if not metrics:
            tiles.append((f'{_label(main)} then', value))
    if log.minutes is not None:
        tiles.append(('time of training', duration(log.minutes)))
    if threshold is not None:
        tiles.append(('best score threshold', threshold))
    if num_images:
        tiles.append((f'{_name(split)} images', num_images))
    return Section('summary', 'Summary', _text(run, metrics, split, threshold),
                   tables=[Table('Main figures', ('', ''), tiles)])


def _label(metric: str) -> str:
    """'AP' for 'coco/bbox_mAP', 'recall@1' for 'any_box/recall@1_all'."""
    return metric_label(metric).rpartition('/')[2].removesuffix('_all')


def _name(split: str) -> str:
    return 'validation' if split == 'val' else split


def duration(minutes: float) -> str:
    """'42 s', '12 min', '3 h 05 min'."""
    seconds = round(60 * minutes)
    if seconds < 120:
        return f'{seconds} s'
    minutes = round(minutes)
    return f'{minutes} min' if minutes < 120 else f'{minutes // 60} h {minutes % 60:02d} min'


def _tile_names(metrics: Mapping[str, float]) -> list[str]:
    """AP, AP50 and what else the evaluator puts first; undefined figures (-1) are left out."""
    names = [name for name in metrics if metrics[name] >= 0]
    known = [name for end in ('bbox_mAP', 'bbox_mAP_50', 'recall@1_all', 'recall@5_all', 'recall@10_all')
             for name in names if name.endswith(end)]
    return list(dict.fromkeys([*known, *(() if known else names)]))[:MOST_TILES]


def _text(run: Run, metrics: Mapping[str, float], split: str, threshold: float | None) -> str:
    if run.checkpoint is None:
        return 'This run has no checkpoint, so that nothing could be evaluated: the page shows its log only.'
    config, checkpoint = (shlex.quote(os.path.relpath(path)) for path in (_config_name(run), run.checkpoint))
    above = '' if threshold is None else f' --score-thr {threshold:.2f}'
    evaluated = (f'The figures are those of `{run.checkpoint.name}` on the {_name(split)} images. ' if metrics else
                 f'The checkpoint is `{run.checkpoint.name}`. ')
    if run.log.epoch and main_metric(run.log) and run.log.by_epoch:
        best, _ = best_validation(run.log, main_metric(run.log))
        if best == max(run.log.validations) and len(run.log.validations) > 1:
            evaluated += 'The best validation is the last one: a longer training may give more. '
    text = ' --text CAPTION' if run.cfg.model.get('text_encoder') else ''
    evaluated += next((text for end, text in _MEANINGS.items() if any(name.endswith(end) for name in metrics)), '')
    lines = [evaluated,
             f'Detect objects in your images: `mim run mmdet_ext predict {config} {checkpoint} IMAGES{text}{above}`']
    if run.cfg.model.get('type') in EXPORTED:
        lines.append('Write a file for other programs: '
                     f'`mim run mmdet_ext export {config} {checkpoint} --format onnx`')
    lines.append('Evaluate it again, on other images or with other settings: '
                 f'`mim test mmdet_ext {config} --checkpoint {checkpoint}`')
    return '\n\n'.join(lines)


def _config_name(run: Run) -> Path:
    """The config file of the run, the short one in the folder if it is there."""
    return max(run.folder.glob('*.py'), key=lambda path: path.stat().st_mtime, default=Path(run.cfg.filename))
