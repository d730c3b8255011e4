"""data.yaml and the other files that name the classes and splits of a YOLO set."""
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from .listing import IMAGE_SUFFIXES, Listing, name_parts, split_word
from .records import NO_IMAGE, Problems
from .texts import read_text

_KEYS = dict(train=('train', ), val=('val', 'valid', 'validation'), test=('test', ))
_CLASS_FILES = ('classes.txt', 'obj.names', '_darknet.labels', 'labels.txt', 'class_names.txt', 'class.names',
                'predefined_classes.txt', 'names.txt', 'coco.names', 'voc.names')


class DataYaml(NamedTuple):
    """names: None if it has none. splits: images of each split that it names. keypoints: numbers behind each box."""
    names: list[str] | None
    splits: dict[str, list[Path]]
    keypoints: int


def choose_yaml(files: list[Path]) -> Path:
    """The file to read of several; ValueError if more than one may be meant."""
    usual = [path for path in files if path.stem.lower() in ('data', 'dataset')]
    shallow = usual or files
    depth = min(len(path.parts) for path in shallow)
    shallow = [path for path in shallow if len(path.parts) == depth]
    if len(shallow) > 1:
        raise ValueError(f'{shallow[0].parent} has {len(shallow)} yaml files that name a data set: give the path of '
                         f'one, such as {shallow[0]}')
    return shallow[0]


def read_yaml(path: Path, files_below: Callable[[Path], Listing], problems: Problems) -> DataYaml:
    """Read data.yaml as ultralytics and Roboflow write it.

    Raises:
        ValueError: It is no yaml, has names of a wrong type, or its training images are not there; with the key and
            the value.
    """
    try:
        content = yaml.safe_load(read_text(path).replace('\t', '  '))
    except yaml.YAMLError as error:
        raise ValueError(f'{path} is no valid yaml: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} should have keys such as train, val and names, got {content!r:.60}')
    names = _names(content, path)
    count = content.get('nc')
    if names is not None and isinstance(count, int) and count != len(names):
        problems.note(f'{problems.name(path)} says nc: {count}, but has {len(names)} names: the names count.')
    splits = {}
    for split, keys in _KEYS.items():
        key = next((key for key in keys if content.get(key)), None)
        if key is None:
            continue
        values = content[key] if isinstance(content[key], list) else [content[key]]
        images = []
        for value in values:
            images += _images_of(value, key, content.get('path'), path, files_below, problems, needed=split == 'train')
        if images:
            splits[split] = images
    return DataYaml(names, splits, _keypoints(content.get('kpt_shape')))


def class_names(listing: Listing) -> tuple[list[str], Path] | None:
    """The names of classes of a set without data.yaml, and the file that has them."""
    for path in listing.of('.json'):
        if path.name.lower() == 'notes.json':
            try:
                rows = json.loads(read_text(path))['categories']
                return [str(row['name']) for row in sorted(rows, key=lambda row: int(row['id']))], path
            except (KeyError, TypeError, ValueError):
                continue
    files = {path.name.lower(): path for path in reversed(listing.of('.txt', '.names', '.labels'))}
    for path in [*(files[name] for name in _CLASS_FILES if name in files), *listing.of('.names')]:
        if names := [line.strip() for line in read_text(path).splitlines() if line.strip()]:
            return names, path
    return None


def read_list(path: Path) -> list[str]:
    """The rows of a list of images."""
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]


def _names(content: dict, path: Path) -> list[str] | None:
    names = content.get('names')
    if names is None:
        return None
    if isinstance(names, dict):
        try:
            by_number = {int(number): str(name) for number, name in names.items()}
        except (TypeError, ValueError):
            raise ValueError(f'{path}: names should have whole numbers as keys, got {list(names)[:5]}') from None
        if any(number < 0 for number in by_number):
            raise ValueError(f'{path}: names should have whole numbers of at least 0 as keys, got {min(by_number)}')
        return [by_number.get(number, f'class_{number}') for number in range(max(by_number, default=-1) + 1)]
    if isinstance(names, str):
        names = [name.strip() for name in names.split(',')]
    if not isinstance(names, list):
        raise ValueError(f'{path}: names should be a list, such as [cat, dog], got {names!r:.60}')
    return [str(name) for name in names]


def _keypoints(shape: Any) -> int:
    return shape[0] * shape[1] if isinstance(shape, list) and len(shape) == 2 and all(
        isinstance(value, int) for value in shape) else 0


def _images_of(value: object, key: str, base: object, path: Path, files_below: Callable[[Path], Listing],
               problems: Problems, *, needed: bool) -> list[Path]:
    """The images of one entry of a split: a folder, a list of images in a .txt, or one image."""
    target = _resolve(str(value), base, path) if isinstance(value, str) else None
    if target is None:
        base_path = f', below path: {base}' if base else ''
        message = f'{path}: {key}: {value!r} is not there{base_path}'
        if needed:
            raise ValueError(f'{message}. Correct the key, or give the folder of the data instead of the yaml')
        problems.note(f'{message}: this split is left out.')
        return []
    if target.is_dir():
        return files_below(target).images
    if target.suffix.lower() in IMAGE_SUFFIXES:
        return [target]
    images = []
    for number, row in enumerate(read_list(target), 1):
        image = _resolve(row, base, target) or _resolve(row, base, path)
        if image is None or image.suffix.lower() not in IMAGE_SUFFIXES:
            problems.add(target, f'line {number}', row, NO_IMAGE)
        else:
            images.append(image)
    return images


def _resolve(value: str, base: object, path: Path) -> Path | None:
    """The file or folder that an entry means: as written, or without '../' in front as Roboflow's need it, or by the
    end of a path that was written on another machine."""
    value = value.replace('\\', '/').strip()
    folders = [path.parent]
    if isinstance(base, str) and base.strip():
        named = Path(base.replace('\\', '/').strip()).expanduser()
        folders = [path.parent / named, Path.cwd() / named, path.parent / named.name, path.parent]
    candidates = [folder / value for folder in folders]
    parts = name_parts(re.sub('^[A-Za-z]:', '', value))
    # a single name has to be that of a set: 'images' alone may be any folder
    last = len(parts) if parts and split_word(parts[-1]) else max(len(parts) - 1, 1)
    ends = [parts[begin:] for begin in range(last)]
    candidates += [path.parent.joinpath(*end) for end in ends]
    return next((Path(candidate).absolute() for candidate in map(_normal, candidates) if candidate.exists()), None)


def _normal(path: Path) -> Path:
    return Path(os.path.normpath(path))
