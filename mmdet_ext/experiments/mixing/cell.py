"""One cell of the grid: a detector with a part is built, trained for two steps, run, saved and loaded."""
import copy
import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData

from ..small_batch import batch
from ..small_models import offline
from .hosts import Host
from .parts import Part

TRAINED = ((96, 128), (96, 128))  # height and width of the two images of a batch
PREDICTED = ((96, 128), (64, 96))


class Outcome(NamedTuple):
    """status: 'works', 'has it' (the host as it is has the part), 'no' with a reason, or 'fails' with a message."""
    status: str
    message: str = ''


def try_cell(host: Host, part: Part, texts: Path) -> Outcome:
    """Try a part in a host.

    Args:
        host: The detector.
        part: The part.
        texts: Folder of `save_small_texts`.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = part.tries(host, host.read(Path(folder)))
        if isinstance(wanted, str):
            return Outcome('no', wanted)
        cfg = host.read(Path(folder), wanted.lines)
    try:
        check_model(cfg, () if wanted.reason else part.weights, texts)
    except Exception as error:
        message = f'{type(error).__name__}: {" ".join(str(error).split())}'
        if wanted.reason and isinstance(error, ValueError) and wanted.reason in message:
            return Outcome('no', str(error))
        return Outcome('fails', message)
    if wanted.reason:
        return Outcome('fails', f'works, and should raise a ValueError with {wanted.reason!r}')
    return Outcome('works' if wanted.lines or not part.weights else 'has it')


def check_model(cfg: ConfigDict, weights: Sequence[str], texts: Path) -> None:
    """Raise an error unless a model trains, predicts and loads its own state.

    Args:
        cfg: Its config, which is not changed.
        weights: Beginnings (or, with a dot in front, parts) of the names of parameters that must get a gradient.
        texts: Folder of `save_small_texts`.
    """
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)  # mmengine logs how each parameter begins
    try:
        torch.manual_seed(0)
        cfg = offline(cfg, texts)
        model = MODELS.build(copy.deepcopy(cfg))
        model.init_weights()
        kind = dict(captioned=hasattr(model, 'text_encoder'), masked=_predicts_masks(cfg))
        _train(model, weights, batch(TRAINED, **kind))
        loaded = MODELS.build(copy.deepcopy(cfg))
        _load(loaded, model.state_dict())
        images = batch(PREDICTED, **kind)
        for first, second in zip(_predict(model, images), _predict(loaded, images), strict=True):
            for name in ('bboxes', 'scores', 'labels'):
                if not first[name].equal(second[name]):
                    raise AssertionError(f'{name} differ after a round trip of the state')
    finally:
        logger.setLevel(level)


def _load(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load a state with all names of the model and no others, but second names of the same weights: DDQ gives some of
    its weights another name when it is first trained."""
    keys = model.load_state_dict(state, strict=False)
    known = {state[name].data_ptr() for name in state.keys() - set(keys.unexpected_keys)}
    unexpected = [name for name in keys.unexpected_keys if state[name].data_ptr() not in known]
    if keys.missing_keys or unexpected:
        raise AssertionError(f'the state of a second model has not {unexpected}, and has {keys.missing_keys}')


def _predicts_masks(cfg: ConfigDict) -> bool:
    roi_head, head = cfg.get('roi_head') or {}, cfg.get('bbox_head') or {}
    return bool(roi_head.get('mask_head') or 'loss_mask' in head)


def _train(model: nn.Module, weights: Sequence[str], data: dict) -> None:
    model.train()
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    learning = {name: False for name in parameters
                if any(f'.{name}'.find(start) >= 0 if start[0] == '.' else name.startswith(start) for start in weights)}
    if weights and not learning:
        raise AssertionError(f'no parameter begins with {" or ".join(weights)}')
    optimizer = torch.optim.SGD(parameters.values(), lr=1e-4)
    for _ in range(2):
        losses = model(**model.data_preprocessor(copy.deepcopy(data), training=True), mode='loss')
        total, _ = model.parse_losses(losses)
        if not total.isfinite():
            raise AssertionError(f'the loss is {total.item()}')
        optimizer.zero_grad()
        total.backward()
        for name in learning:
            gradient = parameters[name].grad
            if gradient is None:
                raise AssertionError(f'{name} gets no gradient')
            if not gradient.isfinite().all():
                raise AssertionError(f'the gradient of {name} is not finite')
            learning[name] |= bool(gradient.any())
        nn.utils.clip_grad_norm_(parameters.values(), 1.)
        optimizer.step()
    # the gradient is 0 on levels that have no object, or no anchor among those that are drawn
    if learning and sum(learning.values()) < len(learning) / 4:
        raise AssertionError(f'only {sum(learning.values())} of {len(learning)} parameters of the part have a gradient '
                             'other than 0')


@torch.no_grad()
def _predict(model: nn.Module, data: dict) -> list[InstanceData]:
    model.eval()
    samples = model(**model.data_preprocessor(copy.deepcopy(data)), mode='predict')
    results = [sample.pred_instances for sample in samples]
    for result in results:
        if result.bboxes.shape != (len(result.scores), 4) or not result.bboxes.isfinite().all():
            raise AssertionError(f'boxes of shape {tuple(result.bboxes.shape)} are not finite, or not one per score')
    return results
