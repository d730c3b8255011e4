"""Samples depend on seed, epoch and place, and on nothing that a resumed run lacks."""
import pickle

import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS
from mmdet_ext.datasets.seeded import SeededIndex, SeededMixDataset, SeededSampler
from mmengine.config import Config
from torch.utils.data import DataLoader


class Numbers:
    """Images that are their own index."""
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
    of_one_process = {(int(i), i.seed) for i in SeededSampler(noisy(), seed=1)}
    parts = set()
    for rank in range(2):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda rank=rank: (rank, 2))
        parts |= {(int(i), i.seed) for i in SeededSampler(noisy(), seed=1)}
    assert parts == of_one_process


def test_an_index_is_a_number_that_survives_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps(SeededIndex(7, 123)))
    assert index == 7 and [*range(9)][index] == 7 and index.seed == 123


def test_a_plain_index_leaves_the_generators_alone():
    np.random.seed(5)
    expected = np.random.rand()
    np.random.seed(5)
    assert noisy()[3]['noise'][0] == expected


class NoneOnce:
    """A step that spoils its sample and gives None the first time."""

    def __init__(self):
        self.seen = []

    def __call__(self, results):
        self.seen.append(results['index'])
        results['index'] += 100
        return results if len(self.seen) == 2 else None


def test_a_step_that_gives_none_is_asked_again_with_the_sample_as_it_was():
    dataset = noisy()
    dataset.max_refetch, dataset.pipeline = 2, [NoneOnce()]
    assert dataset[3]['index'] == 103 and dataset.pipeline[0].seen == [3, 3]
    dataset.pipeline[0].seen.clear()
    dataset.max_refetch = 1
    with pytest.raises(RuntimeError, match='NoneOnce gave None in all of 1 attempts'):
        dataset[3]


def test_a_data_set_that_keeps_its_samples_is_not_changed_by_the_steps():
    dataset = noisy()
    kept = [np.zeros(3) for _ in range(12)]
    dataset.dataset.__class__ = type('Kept', (Numbers, ), dict(__getitem__=lambda self, i: dict(img=kept[i])))
    dataset.pipeline = [lambda results: results.update(img=np.add(results['img'], 1, out=results['img'])) or results]
    dataset[3]
    assert not kept[3].any()


@pytest.mark.parametrize('deferred', [False, True])
def test_samples_are_those_of_mmdets_data_set(coco128, deferred):
    samples = []
    for kind in ('MultiImageMixDataset', 'SeededMixDataset'):
        cfg = Config.fromfile('configs/_base_/yolov9_500e_coco.py').train_dataloader.dataset
        cfg.type = kind
        cfg.dataset.update(data_root='', ann_file=str(coco128 / 'annotations/instances_train2017.json'),
                           data_prefix=dict(img=str(coco128 / 'train2017')))
        for mosaic in (cfg.pipeline[0], cfg.pipeline[3].transforms[0]):
            mosaic.deferred = deferred and kind == 'SeededMixDataset'
        cfg.pipeline[3].prob = 0.5
        np.random.seed(2)
        dataset = DATASETS.build(cfg)
        samples.append([dataset[i] for i in range(8)])
    for expected, seeded in zip(*samples, strict=True):
        assert seeded['inputs'].equal(expected['inputs'])
        for key in ('labels', 'bboxes'):
            values = [sample['data_samples'].gt_instances[key] for sample in (expected, seeded)]
            values = [value if torch.is_tensor(value) else value.tensor for value in values]
            assert values[0].equal(values[1])
