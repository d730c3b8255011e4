"""A model of one linear layer, and a runner that trains it in no time."""
from itertools import count
from pathlib import Path

import torch
import torch.nn as nn
from mmdet_ext import engine  # noqa: F401  registers what the configs of the tests name
from mmdet_ext.compat import allow_mmengine_checkpoints
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

_names = count()
allow_mmengine_checkpoints()


class Numbers(Dataset):
    """`length` times the number 1, or 0 where the mosaic is skipped."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return dict(inputs=torch.full((1, ), float('YOLOMosaic' not in self.skipped)))

    def update_skip_type_keys(self, keys: tuple[str, ...]) -> None:
        self.skipped = keys


class TinyModel(BaseModel):
    """Loss: the sum of what a 1 x 1 layer and a batch norm make of the numbers, times `factors[iteration]` if given."""

    def __init__(self, factors: dict[int, float] | None = None) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.norm = nn.BatchNorm1d(1)
        self.factors = factors or {}
        self.inputs: list[Tensor] = []

    def forward(self, inputs: Tensor, mode: str = 'tensor') -> dict[str, Tensor]:
        factor = self.factors.get(len(self.inputs), 1.)
        self.inputs.append(inputs)
        out = self.norm(self.linear(inputs))
        return dict(loss_a=out.sum() * factor, loss_b=self.linear.weight.square().sum())


def tiny_runner(work_dir: Path, model: nn.Module | None = None, *, epochs: int = 3, iters: int = 4, batch_size: int = 2,
                hooks: dict | None = None, schedulers: list[dict] | None = None, optim_wrapper: dict | None = None,
                loader: dict | None = None, dataloader: DataLoader | None = None, **others) -> Runner:
    """A runner of `epochs` epochs of `iters` iterations."""
    wrapper = dict(
        type='SumOptimWrapper',
        constructor='YOLOOptimWrapperConstructor',
        paramwise_cfg=dict(batch_size_per_gpu=batch_size, nominal_batch_size=batch_size),
        optimizer=dict(type='SGD', lr=0.01, momentum=0.937, weight_decay=0.0005))
    return Runner(
        model or TinyModel(),
        str(work_dir),
        train_dataloader=dataloader or DataLoader(Numbers(iters * batch_size), batch_size=batch_size, **(loader or {})),
        train_cfg=dict(by_epoch=True, max_epochs=epochs),
        optim_wrapper=wrapper | (optim_wrapper or {}),
        param_scheduler=schedulers,
        default_hooks=dict(logger=None, timer=None, sampler_seed=None) | (hooks or {}),
        default_scope='mmdet',
        log_level='ERROR',
        experiment_name=f'tiny_{next(_names)}',
        **others)
