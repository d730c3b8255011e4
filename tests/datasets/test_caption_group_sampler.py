"""Groups of captions of one image."""
from collections import Counter

import pytest
from mmengine.dataset import BaseDataset

from mmdet_ext.datasets import caption_group_sampler
from mmdet_ext.datasets.caption_group_sampler import CaptionGroupSampler

IMAGES = 'aabbbbbcdddd'


def dataset() -> BaseDataset:
    data = BaseDataset(lazy_init=True, serialize_data=False)
    data.data_list, data._fully_initialized = [dict(img_path=name) for name in IMAGES], True
    return data


def groups_of(sampler: CaptionGroupSampler, size: int) -> list[list[int]]:
    indices = list(sampler)
    assert len(indices) == len(sampler)
    return [indices[i:i + size] for i in range(0, len(indices), size)]


@pytest.mark.parametrize('shuffle', [True, False])
@pytest.mark.parametrize('group', [1, 2, 3])
def test_a_group_has_one_image_and_all_pairs_come(group, shuffle):
    groups = groups_of(CaptionGroupSampler(dataset(), group, shuffle=shuffle, seed=0), group)
    assert all(len({IMAGES[i] for i in group_pairs}) == 1 for group_pairs in groups)
    assert {i for group_pairs in groups for i in group_pairs} == set(range(len(IMAGES)))
    counts = Counter(IMAGES[group_pairs[0]] for group_pairs in groups)
    assert counts == {name: -(-IMAGES.count(name) // group) for name in set(IMAGES)}


def test_a_pair_is_repeated_in_its_group_only_where_its_image_has_too_few():
    groups = groups_of(CaptionGroupSampler(dataset(), 3, seed=0), 3)
    assert all(len(set(group_pairs)) == min(3, IMAGES.count(IMAGES[group_pairs[0]])) for group_pairs in groups)


def test_epochs_differ_and_repeat_themselves():
    sampler = CaptionGroupSampler(dataset(), 2, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert second != first
    assert [IMAGES[i] for i in second] != [IMAGES[i] for i in first]  # the groups too, not only the pairs in them
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_processes_share_the_groups(monkeypatch):
    all_groups = {tuple(group_pairs) for group_pairs in groups_of(CaptionGroupSampler(dataset(), 2, seed=0), 2)}
    parts = []
    for rank in range(2):
        monkeypatch.setattr(caption_group_sampler, 'get_dist_info', lambda rank=rank: (rank, 2))
        parts.append([tuple(group_pairs) for group_pairs in groups_of(CaptionGroupSampler(dataset(), 2, seed=0), 2)])
    assert len(parts[0]) == len(parts[1]) and set(parts[0]) | set(parts[1]) == all_groups


@pytest.mark.parametrize('group', [0, 1.5, None])
def test_a_group_of_no_pair_is_refused(group):
    with pytest.raises(ValueError, match='group'):
        CaptionGroupSampler(dataset(), group)
