"""Calls of mmcv's operators that compiled mmcv can answer on the CPU: values, and gradients of a weighted sum of them.

    python tests/operators/operator_cases.py

writes what the compiled operators answer to compiled.npz beside this file; it needs a compiled mmcv.
"""
import sys
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmdet_ext.operators.switch import compiled_library, operators_of

FILE = Path(__file__).with_name('compiled.npz')
Case = Callable[[], dict[str, Tensor]]


def normal(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Normal numbers that are the same in all versions of torch and numpy."""
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape)).to(dtype)


def uniform(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.RandomState(seed).uniform(size=shape)).float()


def boxes(seed: int, number: int, size: float = 50) -> Tensor:
    """Boxes (N, 4) in clusters, so that many overlap."""
    centers = uniform(seed, number // 4 + 1, 2).repeat(4, 1)[:number] * size
    sides = 8 + uniform(seed + 1, number, 2) * size / 4
    low = centers + uniform(seed + 2, number, 2) * size / 10
    return torch.cat([low, low + sides], dim=1)


def regions(seed: int, number: int, images: int, size: float) -> Tensor:
    """Regions (K, 5), the first in part and the second wholly outside the image, the third without area."""
    rois = torch.cat([torch.arange(number).remainder(images).float().unsqueeze(1), boxes(seed, number, size)], dim=1)
    rois[0, 1:] -= size / 3
    rois[1, 1:] += 3 * size
    rois[2, 3:] = rois[2, 1:3]
    return rois


def with_gradients(function: Callable[..., Tensor], **leaves: Tensor) -> dict[str, Tensor]:
    """The result, and the gradients of the leaves."""
    leaves = {name: leaf.clone().requires_grad_() for name, leaf in leaves.items()}
    result = function(**leaves)
    (result * normal(99, *result.shape, dtype=result.dtype)).sum().backward()
    return dict(result=result.detach()) | {f'grad_{name}': leaf.grad for name, leaf in leaves.items()}


def nms(**options: Any) -> dict[str, Tensor]:
    from mmcv.ops import nms

    dets, rows = nms(boxes(1, 60), uniform(2, 60), **options)
    return dict(dets=dets, rows=rows)


def nms_of_ties(iou_threshold: float) -> dict[str, Tensor]:
    """Equal scores, and overlaps of exactly 0.6 and 0.8."""
    from mmcv.ops import nms

    wide = torch.tensor([[0, 0, 10, 10], [0, 0, 10, 6], [0, 0, 8, 10], [0, 0, 10, 10], [20, 0, 30, 10]]).float()
    dets, rows = nms(wide.repeat(4, 1), torch.full((20,), 0.5), iou_threshold)
    return dict(dets=dets, rows=rows)


def batched_nms(**options: Any) -> dict[str, Tensor]:
    from mmcv.ops import batched_nms

    labels = torch.arange(60) % 3
    dets, rows = batched_nms(boxes(1, 60), uniform(2, 60), labels, **options)
    return dict(dets=dets, rows=rows)


def soft_nms(ties: bool = False, **options: Any) -> dict[str, Tensor]:
    from mmcv.ops import soft_nms

    scores = uniform(4, 60)
    dets, rows = soft_nms(boxes(3, 60), scores.mul(5).round() / 5 if ties else scores, **options)
    return dict(dets=dets, rows=rows)


def nms_match(iou_threshold: float, ties: bool = False) -> dict[str, Tensor]:
    from mmcv.ops import nms_match

    scores = uniform(6, 40, 1)
    groups = nms_match(torch.cat([boxes(5, 40), scores.round() if ties else scores], dim=1), iou_threshold)
    return dict(rows=torch.cat(groups), sizes=torch.tensor([len(group) for group in groups]))


def roi_align(pool_mode: str, aligned: bool, sampling_ratio: int) -> dict[str, Tensor]:
    from mmcv.ops import roi_align

    rois = regions(7, 6, 2, 24)
    return with_gradients(lambda images: roi_align(images, rois, (3, 2), 0.5, sampling_ratio, pool_mode, aligned),
                          images=normal(8, 2, 3, 11, 13))


def deform_conv(stride: int, padding: int, dilation: int, groups: int, deform_groups: int, reach: float = 2,
                modulated: bool = False, bias: bool = False, larger: int = 1) -> dict[str, Tensor]:
    """Version 1, or 2 if modulated. `reach` scales the offsets; zeros are what they begin with.

    `larger` gives offsets and masks of a map that is larger than the output, as mmdet's DyHead does.
    """
    from mmcv.ops import deform_conv2d, modulated_deform_conv2d

    images, weight = normal(9, 2, 4, 9, 8), normal(10, 6, 4 // groups, 3, 3)
    size = [(side + 2 * padding - 2 * dilation - 1) // stride + 1 for side in images.shape[2:]]
    size = [side * larger for side in size]
    offset = normal(11, 2, deform_groups * 18, *size) * reach
    if not modulated:
        return with_gradients(
            lambda images, offset, weight: deform_conv2d(images, offset, weight, stride, padding, dilation, groups,
                                                         deform_groups), images=images, offset=offset, weight=weight)
    leaves = dict(images=images, offset=offset, mask=uniform(12, 2, deform_groups * 9, *size), weight=weight)
    return with_gradients(
        lambda images, offset, mask, weight, bias=None: modulated_deform_conv2d(
            images, offset, mask, weight, bias, stride, padding, dilation, groups, deform_groups),
        **leaves, **dict(bias=normal(13, 6)) if bias else {})


def bbox_overlaps(mode: str, aligned: bool, offset: int) -> dict[str, Tensor]:
    from mmcv.ops import bbox_overlaps

    return dict(overlaps=bbox_overlaps(boxes(14, 20), boxes(15, 20 if aligned else 12), mode, aligned, offset))


GEOMETRIES = [(1, 1, 1, 1, 1), (2, 1, 1, 2, 1), (1, 2, 2, 1, 2), (2, 0, 1, 2, 4), (3, 3, 2, 1, 1)]
CASES: dict[str, Case] = {
    **{f'nms {threshold} {offset}': partial(nms, iou_threshold=threshold, offset=offset)
       for threshold, offset in product((0.3, 0.7), (0, 1))},
    'nms of the best': partial(nms, iou_threshold=0.5, score_threshold=0.3, max_num=7),
    'batched_nms': partial(batched_nms, nms_cfg=dict(type='nms', iou_threshold=0.5)),
    'batched_nms of all classes': partial(batched_nms, nms_cfg=dict(type='nms', iou_threshold=0.5),
                                          class_agnostic=True),
    'batched_nms class by class': partial(batched_nms, nms_cfg=dict(type='nms', iou_threshold=0.5, split_thr=10,
                                                                    max_num=9)),
    'batched_nms soft': partial(batched_nms, nms_cfg=dict(type='soft_nms', iou_threshold=0.5, min_score=0.05)),
    **{f'soft_nms {method} {offset} {ties}': partial(soft_nms, method=method, offset=offset, ties=ties, min_score=0.1)
       for method, offset, ties in product(('naive', 'linear', 'gaussian'), (0, 1), (False, True))},
    **{f'nms_match {threshold}': partial(nms_match, threshold) for threshold in (0.2, 0.6)},
    **{f'roi_align {mode} {aligned} {ratio}': partial(roi_align, mode, aligned, ratio)
       for mode, aligned, ratio in product(('avg', 'max'), (True, False), (0, 2))},
    **{f'deform_conv {geometry}': partial(deform_conv, *geometry) for geometry in GEOMETRIES},
    **{f'modulated_deform_conv {geometry}': partial(deform_conv, *geometry, modulated=True, bias=bool(index % 2))
       for index, geometry in enumerate(GEOMETRIES)},
    'deform_conv without offsets': partial(deform_conv, 1, 1, 1, 1, 1, reach=0),
    'modulated_deform_conv of a larger map': partial(deform_conv, 1, 1, 1, 1, 1, modulated=True, larger=2),
    'modulated_deform_conv without offsets': partial(deform_conv, 2, 1, 1, 1, 2, reach=0, modulated=True, bias=True),
    **{f'bbox_overlaps {mode} {aligned} {offset}': partial(bbox_overlaps, mode, aligned, offset)
       for mode, aligned, offset in product(('iou', 'iof'), (True, False), (0, 1))},
}
# Which of equal scores comes first, torch decides, on each machine in its way.
TIES: dict[str, Case] = {
    f'nms of ties {threshold}': partial(nms_of_ties, threshold) for threshold in (0.5, 0.6, 0.8)
} | {f'nms_match of ties {threshold}': partial(nms_match, threshold, ties=True) for threshold in (0.2, 0.6)}


def main() -> None:
    library = compiled_library()
    if library is None:
        sys.exit('this mmcv has no compiled operators, whose answers are to be written')
    with operators_of(library):
        arrays = {f'{name}: {key}': value.numpy() for name, case in CASES.items() for key, value in case().items()}
    np.savez_compressed(FILE, **arrays)
    print(f'{len(CASES)} cases, {FILE.stat().st_size // 1000} kB')


if __name__ == '__main__':
    main()
