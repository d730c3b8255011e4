"""Samples depend on seed, epoch and place, and on nothing that a resumed run lacks."""
import pickle

import numpy as np
import pytest
import torch
from mmdet_ext.datasets.seeded import SeededIndex, SeededMixDataset, SeededSampler
from torch.utils.data import DataLoader


class Numbers:
    """Pictures that are their own index."""
    metainfo = {}

    def full_init(self):
        pass

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return dict(index=int(index))


def noisy(**options) -> SeededMixDataset:
    dataset = object.__new__(SeededMixDataset)  # its own constructor wants an mmdet data set
    dataset.dataset, dataset.num_samples, dataset.max_refetch = Numbers(), 12, 1
    dataset.pipeline, dataset.pipeline_types, dataset._skip_type_keys = [add_noise], ['noise'], None
    dataset._fully_initialized = True
    return dataset


def add_noise(results: dict) -> dict:
    return dict(results, noise=(np.random.rand(), torch.rand(()).item()))


def epoch(number: int, workers: int, seed: int = 1) -> list:
    dataset = noisy()
    sampler = SeededSampler(dataset, seed=seed)
    sampler.set_epoch(number)
    loader = DataLoader(dataset, batch_size=None, sampler=sampler, num_workers=workers)
    return [(sample['index'], tuple(sample['noise'])) for sample in loader]


def test_an_epoch_is_the_same_with_any_number_of_workers_and_without_those_before_it():
    assert epoch(3, 0) == epoch(3, 0) == epoch(3, 2)


@pytest.mark.parametrize('other', [epoch(4, 0), epoch(3, 0, seed=2)])
def test_epochs_and_seeds_differ_in_order_and_in_noise(other):
    first = epoch(3, 0)
    assert [index for index, _ in first] != [index for index, _ in other]
    assert {noise for _, noise in first}.isdisjoint(noise for _, noise in other)


def test_samples_of_an_epoch_differ():
    assert len({noise for _, noise in epoch(0, 0)}) == 12


def test_two_processes_share_the_samples_of_one(monkeypatch):
    whole = {(int(i), i.seed) for i in SeededSampler(noisy(), seed=1)}
    parts = set()
    for rank in range(2):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        parts |= {(int(i), i.seed) for i in SeededSampler(noisy(), seed=1)}
    assert parts == whole


def test_an_index_is_a_number_that_survives_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps(SeededIndex(7, 123)))
    assert index == 7 and [*range(9)][index] == 7 and index.seed == 123


def test_a_plain_index_leaves_the_generators_alone():
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    assert noisy()[3]['noise'][0] == expected
