"""The files of a folder, and the image that a name in a label file means."""
import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from ...fingerprints import digest
from ..annotation_json import load_json

IMAGE_SUFFIXES = {'.jpg', '.jpeg', '.jpe', '.jfif', '.png', '.bmp', '.dib', '.webp', '.tif', '.tiff', '.ppm', '.pgm',
                  '.pbm', '.jp2', '.gif', '.avif', '.heic', '.heif', '.mpo'}
LABEL_SUFFIXES = {'.json', '.txt', '.xml', '.csv', '.tsv', '.yaml', '.yml', '.names', '.labels', '.data'}
_SKIPPED = {'__MACOSX', '__pycache__', 'node_modules', '@eaDir'}
_SPLIT_WORDS = {'train': 'train', 'training': 'train', 'trn': 'train', 'val': 'val', 'valid': 'val',
                'validation': 'val', 'validate': 'val', 'dev': 'val', 'eval': 'val', 'test': 'test', 'testing': 'test',
                'tst': 'test'}


class Listing:
    """All files below a folder, without hidden ones.

    Args:
        root: The folder.
        without: A folder below it that is left out, such as the one that is written to.
    """

    def __init__(self, root: Path, without: Path | None = None) -> None:
        self.root = root
        self.files = sorted(_walk(root, without))
        self._contents: dict[Path, Any] = {}

    @cached_property
    def images(self) -> list[Path]:
        return [path for path in self.files if path.suffix.lower() in IMAGE_SUFFIXES]

    def of(self, *suffixes: str) -> list[Path]:
        """Files with one of these suffixes, in lower case."""
        return [path for path in self.files if path.suffix.lower() in suffixes]

    def json(self, path: Path) -> Any:
        """The content of a json file, which is read once; ValueError or OSError if it is none."""
        if path not in self._contents:
            self._contents[path] = load_json(str(path))
        return self._contents[path]

    def take_json(self, path: Path) -> Any:
        """As `json`, for a caller that changes it or wants no second copy."""
        content = self.json(path)
        self._contents.pop(path, None)
        return content

    def digest(self, seen: Iterable[Path] = ()) -> str:
        """A hash of the paths, sizes and times of change of the images and labels, and of other files `seen`."""
        suffixes = IMAGE_SUFFIXES | LABEL_SUFFIXES
        stats = ((path, path.stat()) for path in [*self.files, *seen] if path.suffix.lower() in suffixes)
        return digest(f'{path}:{stat.st_size}:{stat.st_mtime_ns}' for path, stat in stats)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _grouped((_key(path.name), path) for path in self.images)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        return _grouped((_key(path.stem), path) for path in self.images)

    def split_of(self, file: Path, image: Path, *, by_name: bool = False) -> str | None:
        """The split of an image: by the folders of its label file, with `by_name` by the name of that, or by its own
        folders."""
        return _split_of(file, self.root, by_name) or _split_of(image, self.root, False)

    def find_image(self, name: str, near: Path) -> list[Path]:
        """The images that a label file means by a name, the likeliest first; [] if there is none.

        The name may be a path of another machine, with slashes or backslashes, or lack its suffix; upper and lower
        case, and the ways to write accents, are one. Of several images the one whose path ends as the name does is
        meant, and then the one nearest to the label file.

        Args:
            name: As the label file has it.
            near: The label file.

        Returns:
            Several paths if they fit equally well.
        """
        parts = name_parts(name)
        if not parts:
            return []
        last = _key(parts[-1])
        candidates = self._by_name.get(last)
        if not candidates:
            if PurePosixPath(parts[-1]).suffix.lower() in IMAGE_SUFFIXES:
                last = _key(PurePosixPath(parts[-1]).stem)
            candidates = self._by_stem.get(last) or (self._by_name.get(_key(unquote(parts[-1])))
                                                     if '%' in parts[-1] else None)
        if not candidates or len(candidates) == 1:
            return candidates or []
        scores = [(_common_end(path.parts[:-1], parts[:-1]), _nearness(path, near)) for path in candidates]
        return [path for path, score in zip(candidates, scores, strict=True) if score == max(scores)]

    def with_stem(self, stem: str, near: Path) -> list[Path]:
        """The images with a stem that are nearest to a label file."""
        candidates = self._by_stem.get(_key(stem), [])
        nearness = [_nearness(path, near) for path in candidates]
        return [path for path, score in zip(candidates, nearness, strict=True) if score == max(nearness)]


def name_parts(name: str) -> list[str]:
    """'C:\\data\\.\\a.jpg' -> ['C:', 'data', 'a.jpg']."""
    return [part for part in re.split(r'[\\/]+', name.strip()) if part not in ('', '.', '..')]


def _split_of(path: Path, root: Path, by_name: bool) -> str | None:
    """The split that a path below the root belongs to, by its name or by its folders, the last first."""
    folders = path.relative_to(root).parts[:-1] if path.is_relative_to(root) else ()
    splits = (split_word(part) for part in (*([path.stem] if by_name else []), *reversed(folders)))
    return next(filter(None, splits), None)


def split_word(name: str) -> str | None:
    """'instances_val2017' -> 'val'; None if no word of a name is one of a split, or two of different ones are."""
    words = [word.lower() for word in re.findall('[A-Z]?[a-z]+|[A-Z]+', name)]
    splits = {_SPLIT_WORDS[word] for word in words if word in _SPLIT_WORDS}
    return splits.pop() if len(splits) == 1 else None


def _walk(root: Path, without: Path | None) -> Iterable[Path]:
    seen = set()
    for folder, folders, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:  # a link back to a folder above
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith('.') and name not in _SKIPPED
                      and (without is None or Path(folder, name) != without)]
        for name in names:
            if not name.startswith('.') and os.path.isfile(path := os.path.join(folder, name)):
                yield Path(path)


def _grouped(pairs: Iterable[tuple[str, Path]]) -> dict[str, list[Path]]:
    groups = defaultdict(list)
    for key, path in pairs:
        groups[key].append(path)
    return groups


def _key(name: str) -> str:
    return unicodedata.normalize('NFC', name).casefold()


def _common_end(first: tuple[str, ...], second: list[str]) -> int:
    count = 0
    for one, other in zip(reversed(first), reversed(second)):
        if _key(one) != _key(other):
            break
        count += 1
    return count


LABEL_FOLDERS = {'annotations', 'labels', 'xml', 'xmls', 'json', 'jsons', 'ann', 'annotation', 'label', 'labels_xml'}
_IMAGE_FOLDERS = {'images', 'jpegimages', 'image', 'img', 'imgs', 'photos'}


def _nearness(path: Path, near: Path) -> tuple[int, bool, int]:
    """How near an image is to a label file: by the folders that both paths share, also below images/ and labels/."""
    image_folders = [_key(part) for part in path.parts[:-1]]
    label_folders = [_key(part) for part in near.parts[:-1]]
    common = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(image_folders, label_folders)))
    shared = len(set(image_folders[common:]) & set(label_folders[common:]) - LABEL_FOLDERS)
    split = split_word(near.stem)
    if split and any(split_word(part) == split for part in path.parts[common:-1]):
        shared += 1
    return common + shared, bool(_IMAGE_FOLDERS & set(image_folders[common:])), -len(image_folders)
