"""A data set gives the same samples with and without its cache, and never those of a file that has changed since."""
import copy
import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from coco_files import annotation, write_coco
from grounding_files import image, row, write_grounding
from mmdet.registry import DATASETS
from mmdet_ext.datasets import MDETRDataset, SeededMixDataset, YOLOCocoDataset, image_store
from mmdet_ext.datasets.image_store import DiskStore, MemoryStore, StoredImage
from mmdet_ext.datasets.seeded import SeededSampler
from mmengine.config import Config
from numpy.testing import assert_array_equal
from torch.utils.data import DataLoader

SIZES = ((100, 80), (90, 70), (50, 100), (64, 64), (700, 600))
LOAD = [dict(type='LoadImageFromFile'), dict(type='YOLOResize', size=64, shrink='linear')]


@pytest.fixture
def files(tmp_path) -> dict:
    """Noise, which no two ways of scaling make the same of, with outlines."""
    rows = [annotation(i, bbox=(10, 20, 30, 40), segmentation=[[10, 20, 40, 20, 40, 60]]) for i in range(1, 6)]
    files = write_coco(tmp_path, rows, sizes=SIZES)
    rng = np.random.default_rng(0)
    for number, (width, height) in enumerate(SIZES, 1):
        cv2.imwrite(str(tmp_path / f'{number}.png'), rng.integers(0, 255, (height, width, 3), np.uint8))
    return files | dict(data_prefix=dict(img=str(tmp_path)))


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """The files that are decoded from now on."""
    from mmcv.transforms import LoadImageFromFile
    load, seen = LoadImageFromFile.transform, []
    monkeypatch.setattr(LoadImageFromFile, 'transform',
                        lambda self, results: seen.append(Path(results['img_path']).name) or load(self, results))
    return seen


@pytest.fixture
def log(monkeypatch) -> list[str]:
    lines = []
    for module in ('image_store', 'image_cache'):
        monkeypatch.setattr(f'mmdet_ext.datasets.{module}.print_log', lambda line, **_: lines.append(line))
    return lines


def recipe(files: dict, **cache) -> SeededMixDataset:
    cfg = Config.fromfile('configs/_base_/yolov9_500e_coco.py').train_dataloader.dataset
    cfg.dataset.update(files, **cache)
    return DATASETS.build(cfg)


def samples(dataset: SeededMixDataset, epochs: tuple[int, ...], workers: int = 0) -> list[tuple]:
    sampler, seen = SeededSampler(dataset, seed=3), []
    for epoch in epochs:
        sampler.set_epoch(epoch)
        for sample in DataLoader(dataset, batch_size=None, sampler=sampler, num_workers=workers):
            instances = sample['data_samples'].gt_instances
            seen.append((sample['inputs'].numpy().tobytes(), instances.bboxes.tensor.tolist(),
                         instances.labels.tolist(), sample['data_samples'].ori_shape, sample['data_samples'].img_shape))
    return seen


@pytest.mark.parametrize('kind', ['ram', 'disk'])
def test_samples_are_those_without_a_cache_also_of_a_resumed_run(files, tmp_path, kind, decoded):
    expected = samples(recipe(files), (0, 1, 2))
    cache = dict(cache=kind, **(dict(cache_dir=str(tmp_path / 'kept')) if kind == 'disk' else {}))
    decoded.clear()
    dataset = recipe(files, **cache)
    assert samples(dataset, (0, 1, 2)) == expected
    assert sorted(decoded) == [f'{i}.png' for i in range(1, 6)]  # once each, in three epochs of mosaics
    assert samples(recipe(files, **cache), (2, )) == expected[10:]


@pytest.mark.parametrize('kind', ['ram', 'disk'])
def test_workers_share_one_copy(files, tmp_path, kind):
    expected = samples(recipe(files), (0, 1))
    dataset = recipe(files, cache=kind)
    assert samples(dataset, (0, 1), workers=2) == expected
    store = dataset.dataset.pipeline.transforms[0].store
    assert store.totals[0] == 5  # seen here, though the workers put them there
    assert kind == 'ram' or len(list(Path(f'{tmp_path}_cache').iterdir())) == 5


def one(files: dict, **cache) -> YOLOCocoDataset:
    return YOLOCocoDataset(**files, pipeline=copy.deepcopy(LOAD), **cache)


@pytest.mark.parametrize('kind', ['ram', 'disk'])
def test_a_changed_file_is_read_again(files, tmp_path, kind):
    dataset = one(files, cache=kind)
    before = dataset[0]['img']
    path = tmp_path / '1.png'
    img = 255 - cv2.imread(str(path))
    cv2.imwrite(str(path), img)
    os.utime(path, ns=(1, 1))
    assert_array_equal(dataset[0]['img'], one(files)[0]['img'])
    assert (dataset[0]['img'] != before).any()


def test_another_size_is_another_image(files, decoded):
    kept = one(files, cache='disk')[0]
    wider = YOLOCocoDataset(**files, cache='disk', pipeline=[LOAD[0], dict(type='YOLOResize', size=32)])
    assert kept['img'].shape == (51, 64, 3) and wider[0]['img'].shape == (25, 32, 3)
    assert decoded == ['1.png'] * 2


def test_what_a_step_does_to_an_image_stays_out_of_the_cache(files):
    dataset = one(files, cache='ram')
    dataset[0]['img'][:] = 0
    assert dataset[0]['img'].any()
    dataset[0]['img'][:] = 0
    assert_array_equal(dataset[0]['img'], one(files)[0]['img'])


def test_where_a_step_comes_between_only_the_decoding_is_kept(files, decoded):
    steps = [LOAD[0], dict(type='YOLOHSV'), LOAD[1]]
    seen = []
    for cache in (None, 'ram'):
        dataset = YOLOCocoDataset(**files, cache=cache, pipeline=copy.deepcopy(steps))
        for seed in (1, 2, 1):
            np.random.seed(seed)
            seen.append(dataset[4]['img'])
    for plain, cached in zip(seen[:3], seen[3:], strict=True):
        assert_array_equal(plain, cached)
    assert (seen[0] != seen[1]).any() and decoded == ['5.png'] * 4


def test_pairs_of_images_and_captions_have_a_cache_too(tmp_path, decoded):
    files = write_grounding(tmp_path, row(), images=(image(), image(2, file_name='1.png')))
    cv2.imwrite(str(tmp_path / '1.png'), np.full((80, 100, 3), 7, np.uint8))
    dataset = MDETRDataset(**files | dict(data_prefix=dict(img=str(tmp_path))), cache='ram', pipeline=[LOAD[0]])
    assert [dataset[i]['img'].mean() for i in (0, 1, 1)] == [7, 7, 7]
    assert decoded == ['1.png']


def test_a_full_cache_says_so_once_and_samples_stay_the_same(files, log, decoded):
    dataset = one(files, cache='ram', cache_limit=25_000 / image_store.GIB)  # two images
    for i in (0, 1, 2, 3, 4) * 2:
        assert_array_equal(dataset[i]['img'], one(files)[i]['img'])
    said = [line for line in log if 'holds' in line]
    assert len(said) == 1 and 'holds 2 of 5 images in 0.00 of 0.00 GiB: it is full' in said[0]


def test_a_cache_that_holds_all_says_so(files, log):
    dataset = one(files, cache='ram', cache_limit=1)
    for i in range(5):
        dataset[i]
    assert log[0].startswith("cache='ram' takes up to 1.00 GiB of") and len(log) == 2
    assert 'holds 5 of 5 images' in log[1] and 'these are all' in log[1]


def test_files_of_an_earlier_run_count_and_damaged_ones_are_made_again(tmp_path):
    image = StoredImage(np.arange(24, dtype=np.uint8).reshape(2, 4, 3), (8, 16))
    first, second = (bytes([i]) * 16 for i in (1, 2))
    DiskStore(tmp_path / 'kept', 100, 9).put(first, image)
    store = DiskStore(tmp_path / 'kept', 80, 9)
    assert store.get(first).read_shape == (8, 16) and (store.get(first).img == image.img).all()
    store.put(second, image)
    assert store.get(second) is None  # 44 bytes each
    path = next((tmp_path / 'kept').iterdir())
    for size in (0, 10, 30):
        path.write_bytes(path.read_bytes()[:size] if path.exists() else b'')
        assert store.get(first) is None and not path.exists()


def test_the_table_finds_keys_that_fall_into_one_place():
    store = MemoryStore(10_000, 4)
    images = {}
    for i in range(4):  # the same first half
        key = b'\x01' * 8 + bytes([i]) * 8
        images[key] = StoredImage(np.full((2, 3, 3), i, np.uint8), (i, i))
        store.put(key, images[key])
    for key, kept in images.items():
        assert store.get(key).read_shape == kept.read_shape and (store.get(key).img == kept.img).all()
    assert store.get(b'\x01' * 8 + b'\x09' * 8) is None


def test_a_cache_in_memory_is_not_copied_to_workers_that_are_not_forked(files):
    with pytest.raises(ValueError, match='forked'):
        pickle.dumps(one(files, cache='ram'))
    dataset = one(files, cache='ram')
    part = dataset.get_subset([0])
    assert part.pipeline.transforms[0].store is dataset.pipeline.transforms[0].store


@pytest.mark.parametrize('options, message', [
    (dict(cache='memory'), "cache must be None, 'ram' or 'disk', got 'memory'"),
    (dict(cache='ram', cache_limit=0), 'cache_limit must be a positive number of GiB, got 0'),
    (dict(cache='ram', cache_dir='kept'), "cache_dir is for cache='disk', got 'kept' with cache='ram'"),
    (dict(cache='disk', cache_dir='/proc/kept'), 'cannot write into cache_dir /proc/kept'),
    (dict(cache='ram', pipeline=[]), r'begins with LoadImageFromFile, got \[\]'),
])
def test_bad_options_are_named(files, options, message):
    with pytest.raises(ValueError, match=message):
        YOLOCocoDataset(**files | dict(pipeline=LOAD) | options)
