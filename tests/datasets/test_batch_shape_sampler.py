"""Batches of one shape stay together, and every image is evaluated once."""
from itertools import chain
from types import SimpleNamespace

import pytest
from mmdet_ext.datasets import BatchShapeSampler


class Images(SimpleNamespace):

    def __len__(self) -> int:
        return self.length


def deal(monkeypatch, length: int, batch_size: int, world_size: int) -> list[list[int]]:
    hands = []
    for rank in range(world_size):
        monkeypatch.setattr('mmdet_ext.datasets.batch_shape_sampler.get_dist_info',
                            lambda rank=rank: (rank, world_size))
        sampler = BatchShapeSampler(Images(length=length, batch_shapes=dict(batch_size=batch_size)))
        hands.append(list(sampler))
        assert len(sampler) == len(hands[-1])
    return hands


def test_one_process_sees_all_in_order(monkeypatch):
    assert deal(monkeypatch, 7, 3, 1) == [[*range(7)]]


def test_two_processes_get_whole_batches_while_they_last(monkeypatch):
    assert deal(monkeypatch, 11, 2, 2) == [[0, 1, 4, 5, 8, 10], [2, 3, 6, 7, 9, 0]]


@pytest.mark.parametrize('length', range(1, 40))
@pytest.mark.parametrize('batch_size, world_size', [(1, 3), (4, 2), (3, 4)])
def test_gathered_results_hold_each_image_once(monkeypatch, length, batch_size, world_size):
    hands = deal(monkeypatch, length, batch_size, world_size)
    assert len({len(hand) for hand in hands}) == 1
    gathered = list(chain(*zip(*hands)))[:length]  # as mmengine's `collect_results` does
    assert sorted(gathered) == list(range(length))


def test_shuffling_is_refused():
    with pytest.raises(ValueError, match='shuffle=True'):
        BatchShapeSampler(Images(length=3), shuffle=True)
