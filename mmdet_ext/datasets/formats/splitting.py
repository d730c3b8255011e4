"""Divide images into a training and a validation set, so that images that belong together stay together."""
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

_TRIALS = 32
_ROBOFLOW = re.compile(r'(?:_(?:jpe?g|png|bmp|webp|tiff?))?\.rf\.[0-9A-Za-z]{16,}$', re.IGNORECASE)
_NUMBER = re.compile(r'[-_ .(]*(?:frame|frm|img|image|f)?[-_ .(]*\d+\)?$', re.IGNORECASE)


class Division(NamedTuple):
    """Whether each image is of the validation set, and a sentence about how that was decided."""
    is_val: np.ndarray
    how: str


def divide(paths: Sequence[Path], labels: Sequence[Sequence[str]], fraction: float, seed: int,
           twins: Sequence[Sequence[int]] = ()) -> Division:
    """Choose the images of the validation set.

    The groups that stay together are the first of these that leaves every class in both sets: images of one folder,
    images whose names differ in their last number (frames of a video), copies that Roboflow made of one image, single
    images. Of 32 seeded divisions by scikit-learn's `GroupShuffleSplit` the one is taken whose classes are divided most
    evenly; images of classes that it leaves out of a set are exchanged.

    Args:
        paths: The images.
        labels: The classes of the boxes of each image.
        fraction: Share of the validation set.
        twins: Indices of images that are the same.

    Raises:
        ValueError: There are fewer than two different images.
    """
    counts = _class_counts(labels)
    single = _groups(paths, lambda path: str(path.parent / _source(path)), twins)
    if single.max() < 1:
        raise ValueError(f'a training and a validation set need at least two images, there is {len(paths)}'
                         if len(paths) < 2 else f'all {len(paths)} images are copies of one: a validation set needs '
                         'another one')
    possible = _in_several(counts, single)
    for describe, key in _KEYS.items():
        groups = _groups(paths, key, twins)
        num_groups = groups.max() + 1
        if num_groups < 3 or num_groups == single.max() + 1 or np.bincount(groups).max() > 0.6 * len(paths):
            continue
        is_val = _best(groups, counts, fraction, seed)
        covered = all((counts[chosen] > 0).any(0)[possible].all() for chosen in (is_val, ~is_val))
        if covered and 0.5 * fraction <= is_val.mean() <= 1.6 * fraction:
            return Division(is_val, describe.format(num_groups))
    is_val = _best(single, counts, fraction, seed)
    copies = len(paths) - single.max() - 1
    how = 'by single images' + (f'; {copies} copies of others stay with them' if copies else '')
    return Division(is_val, how)


def _source(path: Path) -> str:
    """The name of the image that Roboflow made copies of, or of the image itself."""
    return _ROBOFLOW.sub('', path.stem)


def _sequence(path: Path) -> str:
    """The folder and the name without its last number; a name without any other letter is one by itself."""
    stem = _source(path)
    name = _NUMBER.sub('', stem)
    return f'{path.parent}/{name if re.search("[^0-9_. -]", name) else stem}'


_KEYS: dict[str, Callable[[Path], str]] = {
    'by the {} folders of the images, each of which stays whole': lambda path: str(path.parent),
    'by {} sequences of names that differ in their last number, each of which stays whole': _sequence,
}


def _groups(paths: Sequence[Path], key: Callable[[Path], str], twins: Sequence[Sequence[int]]) -> np.ndarray:
    """The number of each image's group; groups that share twins are one."""
    names = [key(path) for path in paths]
    parent = {name: name for name in names}

    def top(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for same in twins:
        for index in same[1:]:
            parent[top(names[index])] = top(names[same[0]])
    tops = [top(name) for name in names]
    number_of = {name: number for number, name in enumerate(dict.fromkeys(tops))}
    return np.array([number_of[name] for name in tops])


def _class_counts(labels: Sequence[Sequence[str]]) -> np.ndarray:
    """(images, classes): boxes of each class; the last column counts each image once."""
    names = {name: number for number, name in enumerate(sorted({name for row in labels for name in row}))}
    counts = np.zeros((len(labels), len(names) + 1), np.int32)
    counts[:, -1] = 1
    for row, image_labels in zip(counts, labels):
        for name, count in Counter(image_labels).items():
            row[names[name]] = count
    return counts


def _in_several(counts: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Whether each class is in more than one group, and can be in both sets."""
    return np.array([len(np.unique(groups[column > 0])) > 1 for column in counts.T])


def _best(groups: np.ndarray, counts: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    per_group = np.zeros((groups.max() + 1, counts.shape[1]), np.int64)
    np.add.at(per_group, groups, counts)
    total = per_group.sum(0)
    num_val = min(max(round(fraction * len(per_group)), 1), len(per_group) - 1)
    splitter = GroupShuffleSplit(_TRIALS, test_size=num_val, random_state=seed)
    indices = np.arange(len(per_group))
    best, least = None, np.inf
    for _, chosen in splitter.split(indices, groups=indices):
        is_val = np.zeros(len(per_group), bool)
        is_val[chosen] = True
        _exchange(is_val, per_group, seed)
        share = per_group[is_val].sum(0) / total
        error = np.abs(share - fraction).mean() + abs(share[-1] - fraction)
        if error < least:
            best, least = is_val, error
    return best[groups]


def _exchange(is_val: np.ndarray, per_group: np.ndarray, seed: int) -> None:
    """Move groups of classes that a set lacks, the rarest first, unless another class would then be lost."""
    has = per_group > 0
    order = np.random.default_rng(seed).permutation(len(per_group))
    for label in np.argsort(has.sum(0), kind='stable'):
        if has[:, label].sum() < 2:
            continue
        for target in (True, False):
            if (has[:, label] & (is_val == target)).any():
                continue
            candidates = [group for group in order if has[group, label]]
            for group in sorted(candidates, key=lambda group: per_group[group, -1]):
                left = has[(is_val != target) & (np.arange(len(is_val)) != group)].any(0)
                if left[has[group]].all():
                    is_val[group] = target
                    break


def same_images(paths: Sequence[Path]) -> list[list[int]]:
    """The indices of images that have the same bytes; only files of equal size are read."""
    by_size, twins = defaultdict(list), []
    for index, path in enumerate(paths):
        by_size[path.stat().st_size].append(index)
    for indices in by_size.values():
        if len(indices) > 1:
            by_content = defaultdict(list)
            for index in indices:
                by_content[hashlib.blake2b(paths[index].read_bytes()).digest()].append(index)
            twins += [same for same in by_content.values() if len(same) > 1]
    return sorted(twins)
