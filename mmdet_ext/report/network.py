"""The network of a run: parameters, floating point operations and milliseconds, as trained and as deployed."""
import copy
from pathlib import Path
from typing import Any

import torch
import torch.nn as nn
from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.utils.benchmark import Timer
from torch.utils.flop_counter import FlopCounterMode

from ..deployment import count_flops, count_parameters, deploy
from ..models.detectors import PGIDetector
from ..predict.loading import choose_device, load_model, read_config
from .section import Section, Table

SECONDS = 1.  # of timing each form


def network_section(cfg: Config, checkpoint: Path, split: str = 'val') -> Section:
    """Count and time the network on the first image of a data set of the config.

    Args:
        cfg: The config.
        checkpoint: Of the network.
        split: 'val' or 'test'.

    Raises:
        OSError, ValueError: The checkpoint does not fit, or the image cannot be read.
    """
    cfg = read_config(cfg)
    device = choose_device(None)
    model = load_model(cfg, checkpoint, device, deployed=False)
    batch = first_batch(cfg, split)
    height, width = input_size(model, batch)
    forms: dict[str, nn.Module] = {'as trained': model}
    rows = []
    if isinstance(model, PGIDetector) and not model.deployed:
        forms['deployed'] = deploy(model)
        if model.with_aux and height % 32 == width % 32 == 0:
            rows.append(['in training, with the auxiliary branch', count_parameters(model),
                         count_flops(model, (height, width), training=True) / 1e9, None])
    for name, form in forms.items():
        rows.append([name, _used_in_prediction(form), flops_of(form, batch) / 1e9, milliseconds(form, batch)])
    if device.type == 'cuda':
        machine = torch.cuda.get_device_name(device)
    else:
        machine = f'CPU, {torch.get_num_threads()} thread{"s" * (torch.get_num_threads() > 1)}'
    name = dict(val='validation').get(split, split)
    text = (f'The first {name} image, {width} x {height} pixels as the network gets it, alone in its batch, on this '
            f'machine ({machine}). The time is that of a prediction from pixels to boxes, the median of repeated '
            'calls; operations are twice the multiply-adds of convolutions and matrix products.')
    if len(forms) > 1:
        text += (' The deployed form has no auxiliary branch, and its batch norms are folded into the convolutions: '
                 '`tools/deploy.py` writes it.')
    header = ('form', 'parameters', 'GFLOPs', 'milliseconds')
    return Section('network', 'The network', text, tables=[
        Table('Size and speed', header, rows),
        Table('Parameters of its parts', ('part', 'class', 'parameters'),
              [[name, type(part).__name__, count] for name, part in model.named_children()
               if (count := count_parameters(part))])])


def first_batch(cfg: Config, split: str) -> dict[str, Any]:
    """The first image of a data set of the config, as a batch for the model's `test_step`."""
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        raise ValueError(f'{cfg.filename}: there is no {split}_dataloader, which the network could be tried on')
    dataset = DATASETS.build(copy.deepcopy(loader.dataset))
    dataset.full_init()
    return pseudo_collate([dataset[0]])


def input_size(model: nn.Module, batch: dict[str, Any]) -> tuple[int, int]:
    """(height, width) of the images that the network gets, with their padding."""
    return tuple(model.data_preprocessor(copy.deepcopy(batch), False)['inputs'].shape[-2:])


@torch.no_grad()
def flops_of(model: nn.Module, batch: dict[str, Any]) -> int:
    """Twice the multiply-adds of the convolutions and matrix products of a prediction."""
    with FlopCounterMode(display=False) as counter:
        model.test_step(copy.deepcopy(batch))
    return counter.get_total_flops()


def milliseconds(model: nn.Module, batch: dict[str, Any], seconds: float = SECONDS) -> float:
    """Median time of a prediction, repeated for `seconds` after a call that is not counted."""
    run = Timer('predict(clone(batch))', globals=dict(predict=model.test_step, clone=copy.deepcopy, batch=batch),
                num_threads=torch.get_num_threads())
    run.timeit(1)
    return 1000 * run.blocked_autorange(min_run_time=seconds).median


def _used_in_prediction(model: nn.Module) -> int:
    """Parameters without those of an auxiliary head."""
    auxiliary = getattr(model, 'aux_head', None)
    return count_parameters(model) - (count_parameters(auxiliary) if isinstance(auxiliary, nn.Module) else 0)
