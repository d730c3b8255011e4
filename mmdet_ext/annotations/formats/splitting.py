"""Divide images into a training and a validation set, so that images that belong together stay together."""
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit

_TRIALS = 64
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
    images. Of 64 seeded divisions by scikit-learn's `GroupShuffleSplit` the one is taken whose classes are divided most
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
    order = np.random.default_rng(seed).permutation(indices)
    best, least = None, np.inf
    for _, chosen in splitter.split(indices, groups=indices):
        sides = _Sides(per_group, chosen)
        sides.cover_classes(order)
        sides.restore_size(round(fraction * total[-1]), order)
        share = per_group[sides.is_val].sum(0) / total
        error = np.abs(share - fraction).mean() + abs(share[-1] - fraction)
        if error < least:
            best, least = sides.is_val, error
    return best[groups]


class _Sides:
    """Which groups are in the validation set, and how many groups of each set have a class.

    Args:
        per_group: (groups, classes + 1) boxes of each class, and images in the last column.
        chosen: Groups of the validation set.
    """

    def __init__(self, per_group: np.ndarray, chosen: np.ndarray) -> None:
        self.has, self.num_images = per_group > 0, per_group[:, -1]
        self.is_val = np.zeros(len(per_group), bool)
        self.is_val[chosen] = True
        self.groups_with = np.stack([self.has[~self.is_val].sum(0), self.has[self.is_val].sum(0)])

    def may_leave(self, group: int) -> bool:
        """Whether its set keeps every class, and some image, without a group."""
        return bool((self.groups_with[int(self.is_val[group]), self.has[group]] > 1).all())

    def move(self, group: int) -> None:
        side = int(self.is_val[group])
        self.groups_with[side] -= self.has[group]
        self.groups_with[1 - side] += self.has[group]
        self.is_val[group] = not side

    def cover_classes(self, order: np.ndarray) -> None:
        """Move groups of classes that a set lacks, the rarest first, the smallest groups first."""
        for label in np.argsort(self.groups_with.sum(0), kind='stable'):
            for side in (0, 1):
                if self.groups_with[side, label]:
                    continue
                candidates = [group for group in order[self.has[order, label]] if self.may_leave(group)]
                if candidates:
                    self.move(min(candidates, key=lambda group: self.num_images[group]))

    def restore_size(self, num_images: int, order: np.ndarray) -> None:
        """Move groups back until the validation set has about this many images again; both keep their classes."""
        surplus = self.num_images[self.is_val].sum() - num_images
        for group in order:
            if surplus == 0:
                return
            size = self.num_images[group]
            if self.is_val[group] == (surplus > 0) and size <= abs(surplus) and self.may_leave(group):
                self.move(group)
                surplus += size if self.is_val[group] else -size


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
