"""One config is tried: its model is built, learns for a step, and predicts."""
import copy
import random
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
from mmdet.structures import TrackDataSample
from mmengine.config import Config, ConfigDict
from torch import Tensor

from .calls import operator_calls
from .configs import config_folder
from .inputs import prediction_inputs, training_inputs
from .model import SEED, build_model, build_pipelines, first_line, small_model_config
from .row import Row

LEAST_SECONDS, MOST_RUNS = 0.4, 3  # each time is the best of at most so many runs, or of those in so many seconds
MOST_BOXES = 50  # of an image, that are kept
NOT_TRAINED = 'MMDetection trains its detector alone'


def try_config(config: str, operators: str, texts: Path, *, runs: int = MOST_RUNS) -> Row:
    """Build a config's model, train it for a step and predict with it.

    Args:
        config: FAMILY/NAME.py.
        operators: What is in use, 'compiled' or 'stand-in'.
        texts: Folder of `save_small_texts`.
        runs: How often a step and a prediction run at most, to time them.
    """
    row = Row(config, operators)
    try:
        cfg = Config.fromfile(config_folder() / config)
        row.pipeline = build_pipelines(cfg)
        try_model(small_model_config(cfg.model, texts), row, runs=runs)
    except Exception as error:
        row.error = first_line(error)
        row.fault, row.location = fault_of(error)
    return row


def try_model(cfg: ConfigDict, row: Row, *, runs: int = MOST_RUNS) -> None:
    """Write into a row what a model does with small images.

    Raises:
        FloatingPointError: If a loss or a gradient is not finite.
    """
    with operator_calls() as called:
        try:
            model = build_model(copy.deepcopy(cfg))
            trained = _train_once(model, cfg, row)
            row.predictions, row.predict_seconds = _timed(lambda: _predict(model, cfg))
            # only now, so that predictions are made after one step
            if trained:
                row.train_seconds = _fastest(lambda: _train(model, cfg), row.train_seconds, runs)
            row.predict_seconds = _fastest(lambda: _predict(model, cfg), row.predict_seconds, runs)
        finally:
            row.called = sorted(called)


def _train_once(model: nn.Module, cfg: ConfigDict, row: Row) -> bool:
    """Write the losses and gradients of a step into a row; False if MMDetection does not train such a model."""
    try:
        (row.losses, row.gradients), row.train_seconds = _timed(lambda: _train(model, cfg))
    except NotImplementedError as error:
        if 'train `detector`' not in str(error):
            raise
        row.note = NOT_TRAINED
    return not row.note


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the seconds of the processor that it needs, which do not depend on other programs."""
    begin = time.process_time()
    result = work()
    return result, time.process_time() - begin


def _fastest(work: Callable[[], Any], first: float, runs: int) -> float:
    """Seconds of the fastest of several runs, of which one needed `first`."""
    seconds = [first]
    while len(seconds) < runs and sum(seconds) < LEAST_SECONDS:
        seconds.append(_timed(work)[1])
    return min(seconds)


def _seed() -> None:
    random.seed(SEED)
    np.random.seed(SEED)
    torch.manual_seed(SEED)


def _train(model: nn.Module, cfg: ConfigDict) -> tuple[dict[str, float], dict[str, float]]:
    """One step; returns the losses and the norms of the gradients before it."""
    _seed()
    model.train()
    data = model.data_preprocessor(training_inputs(cfg), training=True)
    total, losses = model.parse_losses(model(**data, mode='loss'))
    if not total.isfinite():
        raise FloatingPointError(f'the loss is {total.item()}')
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=1e-4)
    total.backward()
    norms = {name: _gradient_norm(part) for name, part in model.named_children()}
    for name, norm in norms.items():
        if not np.isfinite(norm):
            raise FloatingPointError(f'the gradient of {name} is not finite')
    nn.utils.clip_grad_norm_(parameters, 1.)
    optimizer.step()
    optimizer.zero_grad()
    return {name: float(value) for name, value in losses.items()}, {name: norm for name, norm in norms.items() if norm}


def _gradient_norm(part: nn.Module) -> float:
    gradients = [parameter.grad for parameter in part.parameters() if parameter.grad is not None]
    return sum(float(torch.linalg.vector_norm(gradient, dtype=torch.float64)) ** 2 for gradient in gradients) ** 0.5


@torch.no_grad()
def _predict(model: nn.Module, cfg: ConfigDict) -> list[list[list[float]]]:
    _seed()
    model.eval()
    samples = []
    for inputs in prediction_inputs(cfg):
        samples += model(**model.data_preprocessor(inputs, training=False), mode='predict')
    if isinstance(samples[0], TrackDataSample):
        samples = samples[0].video_data_samples
    return [_figures(sample) for sample in samples]


def _figures(sample: object) -> list[list[float]]:
    """Boxes of an image, or how many pixels each segment has."""
    if 'pred_panoptic_seg' in sample:
        segments: Tensor = sample.pred_panoptic_seg.sem_seg
        values, counts = np.unique(np.asarray(segments), return_counts=True)
        return [[float(value), float(count)] for value, count in zip(values, counts)]
    result = sample.pred_track_instances if 'pred_track_instances' in sample else sample.pred_instances
    if not (result.bboxes.isfinite().all() and result.scores.isfinite().all()):
        raise FloatingPointError('the predicted boxes or scores are not finite')
    boxes = torch.cat([result.bboxes, result.scores[:, None], result.labels[:, None]], dim=1)
    best = boxes[result.scores.argsort(descending=True, stable=True)[:MOST_BOXES]]
    return [[round(value, 4) for value in box] for box in best.tolist()]


def fault_of(error: Exception) -> tuple[str, str]:
    """Whose fault an error is, as `Row.fault`, and the file and line of its last frame in mmdet or mmcv."""
    frames = traceback.extract_tb(error.__traceback__)
    names = [frame.filename.replace('\\', '/') for frame in frames]
    inside = [f'{name.split("site-packages/")[-1]}:{frame.lineno}' for name, frame in zip(names, frames)
              if '/mmdet/' in name or '/mmcv/' in name or '/mmengine/' in name]
    if isinstance(error, FloatingPointError) and not inside:
        return 'weights', ''
    location = inside[-1] if inside else f'{names[-1]}:{frames[-1].lineno}'
    if any('/mmcv/ops/' in name or '/mmdet_ext/operators/' in name for name in names):
        return 'operator', location
    if isinstance(error, ImportError) or 'install' in str(error):
        return 'package', location
    return 'mmdet', location
