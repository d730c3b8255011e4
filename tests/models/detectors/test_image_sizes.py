"""Sizes and padding from the host, against masks of pixels and nearest interpolation."""
import pytest
import torch
import torch.nn.functional as F
from mmdet.structures import DetDataSample
from torch import Tensor
from torch.testing import assert_close

from benchmarks.counts import count
from mmdet_ext.models.detectors.image_sizes import any_padded, distinct_rows, image_sizes

CPU = torch.device('cpu')


def samples(*shapes: tuple[int, int], batch: tuple[int, int], paths: str = '') -> list[DetDataSample]:
    batch_samples = []
    for shape, path in zip(shapes, paths or ' ' * len(shapes)):
        meta = dict(img_shape=shape, batch_input_shape=batch, **(dict(img_path=path) if path != ' ' else {}))
        batch_samples.append(DetDataSample(metainfo=meta))
    return batch_samples


def interpolated(batch: list[DetDataSample], shapes: list[tuple[int, int]], extra_maps: int) -> list[Tensor]:
    mask = torch.ones(len(batch), 1, *batch[0].batch_input_shape)
    for row, sample in zip(mask, batch):
        row[:, :sample.img_shape[0], :sample.img_shape[1]] = 0
    masks = []
    for level, shape in enumerate(shapes):
        extra = level and level >= len(shapes) - extra_maps
        masks.append(F.interpolate(masks[-1] if extra else mask, size=shape))
    return [mask.squeeze(1).bool() for mask in masks]


@pytest.mark.parametrize('extra_maps', [0, 1, 2])
def test_padding_is_nearest_interpolation_of_a_mask_of_pixels(extra_maps):
    for height, width in torch.randint(33, 1334, (40, 2)).tolist():
        inner = torch.stack([torch.randint(1, side + 1, (4, )) for side in (height, width)], dim=1).tolist()
        batch = samples(*map(tuple, inner), (height, width), batch=(height, width))
        shapes = [(-(-height // stride), -(-width // stride)) for stride in (8, 16, 32, 64)]
        for padding, expected in zip(image_sizes(batch, shapes, CPU, extra_maps).padding,
                                     interpolated(batch, shapes, extra_maps), strict=True):
            assert padding.equal(expected)


def test_the_padding_of_an_extra_map_is_that_of_the_map_before():
    masks = image_sizes(samples((70, 150), batch=(150, 150)), [(10, 10), (5, 5), (3, 3)], CPU, extra_maps=1).padding
    assert [mask[0, :, 0].tolist() for mask in masks[1:]] == [[False] * 3 + [True] * 2, [False] * 2 + [True]]


def test_nobody_waits_and_nothing_is_done_per_image():
    counts = [count(lambda: image_sizes(samples(*[(30, 40)] * size, batch=(64, 64)), [(8, 8)], CPU)) for size in (1, 8)]
    assert not counts[0].synchronisations and not counts[0].uploads
    assert counts[0].operators.total() == counts[1].operators.total() <= 20


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_sizes_are_exact_under_autocast(dtype):
    with torch.autocast('cpu', dtype=dtype):
        sizes = image_sizes(samples((799, 1333), (640, 480), batch=(800, 1333)), [], CPU).sizes
    assert_close(sizes, torch.tensor([[1333., 799.], [480., 640.]]), rtol=0, atol=0)


def test_an_image_is_padded_where_the_batch_is_larger():
    assert any_padded(samples((64, 64), (64, 63), batch=(64, 64)))
    assert not any_padded(samples((64, 64), (64, 64), batch=(64, 64)))


def test_only_neighbours_of_one_file_with_equal_pixels_are_the_same():
    images = torch.randn(3, 3, 8, 8)[[0, 0, 1, 1, 1, 2, 2]]
    batch = samples(*[(8, 8)] * 7, batch=(8, 8), paths='aaabb  ')  # the third is another crop, the last two unknown
    assert distinct_rows(images, batch) == [0, 0, 1, 2, 2, 3, 4]


def test_digests_of_pixels_tell_without_a_wait():
    images = torch.zeros(4, 3, 8, 8)  # not looked at
    batch = samples(*[(8, 8)] * 4, batch=(8, 8), paths='aaab')
    for sample, digest in zip(batch, (b'1', b'1', b'2', b'2')):
        sample.image_digest = digest
    rows = []
    counts = count(lambda: rows.extend(distinct_rows(images, batch)))
    assert rows == [0, 0, 1, 2] and not counts.synchronisations


def test_the_host_waits_once_for_neighbours_of_one_file_and_never_without():
    images = torch.zeros(4, 3, 8, 8)
    waits = [count(lambda paths=paths: distinct_rows(images, samples(*[(8, 8)] * 4, batch=(8, 8), paths=paths)))
             for paths in ('aabb', 'abab')]
    assert [counts.synchronisations.total() for counts in waits] == [1, 0]
