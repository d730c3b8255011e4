import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmengine.dataset import DefaultSampler
from mmengine.hooks import Hook
from tiny_run import Numbers, TinyModel, tiny_runner
from torch.testing import assert_close
from torch.utils.data import DataLoader

from mmdet_ext.engine import epoch_seed_hook

pytestmark = pytest.mark.usefixtures('shallow_blocks')


class RandomNumbers(Numbers):
    """Each sample is its index, and a random number of each generator."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        drawn = random.random() + np.random.rand() + torch.rand(()).item()
        return dict(inputs=torch.tensor([index + drawn]))


class WithDropout(TinyModel):

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict[str, torch.Tensor]:
        return super().forward(F.dropout(inputs, training=self.training), mode)


class Inputs(Hook):
    """Notes what the data workers gave in each iteration."""

    def __init__(self) -> None:
        self.seen: list[list[float]] = []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        self.seen.append(data_batch['inputs'].flatten().tolist())


def train(folder, *, workers: int, seed: int | None = 1, **settings):
    inputs = Inputs()
    torch.manual_seed(0)
    dataset = RandomNumbers(8)
    loader = DataLoader(dataset, batch_size=2, num_workers=workers, persistent_workers=workers > 0,
                        sampler=DefaultSampler(dataset, shuffle=True, seed=seed))
    runner = tiny_runner(folder, WithDropout(), hooks=dict(sampler_seed=dict(type='EpochSeedHook'), inputs=inputs),
                         randomness=dict(seed=seed), dataloader=loader, **settings)
    runner.train()
    return inputs.seen, runner.model.state_dict()


@pytest.mark.parametrize('workers', [0, 2])
def test_a_resumed_run_repeats_one_that_went_through_to_the_digit(tmp_path, workers):
    seen, weights = train(tmp_path / 'through', workers=workers)
    rest, rest_weights = train(tmp_path / 'rest', workers=workers, resume=True,
                               load_from=str(tmp_path / 'through/epoch_1.pth'))
    assert rest == seen[4:]
    assert_close(rest_weights, weights, rtol=0, atol=0)


def test_epochs_and_workers_have_seeds_of_their_own(tmp_path):
    seen, _ = train(tmp_path, workers=2)
    parts = [value % 1 for batch in seen for value in batch]
    assert len(set(parts)) == len(parts) == 24


def test_processes_have_seeds_of_their_own(tmp_path, monkeypatch):
    seen = []
    for rank in (0, 1):
        monkeypatch.setattr(epoch_seed_hook, 'get_rank', lambda rank=rank: rank)
        seen += train(tmp_path / str(rank), workers=0, epochs=1)[0]
    parts = [value % 1 for batch in seen for value in batch]
    assert len(set(parts)) == len(parts) == 16


def test_without_a_seed_in_the_config_the_order_is_that_of_the_saved_seed(tmp_path):
    seen, _ = train(tmp_path / 'through', workers=2, seed=None)
    rest, _ = train(tmp_path / 'rest', workers=2, seed=None, resume=True,
                    load_from=str(tmp_path / 'through/epoch_1.pth'))
    assert rest == seen[4:]
