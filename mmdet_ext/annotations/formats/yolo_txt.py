"""YOLO txt: a row `class x y w h` per box, in fractions of the image's size; polygons and oriented boxes too.

It is not read by supervision's `DetectionDataset.from_yolo`, which reads one split, and ends at the first bad row
without naming its file.
"""
from collections import defaultdict
from pathlib import Path

from tqdm import tqdm

from .listing import Listing, split_word
from .records import (BAD_ROW, NO_IMAGE, NO_IMAGE_OF_LABELS, NO_NUMBER, UNKNOWN_CLASS, LabelledBox,
                      LabelledImage, Labels, Problems)
from .texts import number_of, read_text
from .yolo_yaml import DataYaml, choose_yaml, class_names, read_list, read_yaml


def read_yolo_files(listing: Listing, kinds: dict[str, list[Path]], problems: Problems) -> Labels:
    """Read a YOLO set: by its data.yaml, or by its folders."""
    listings = {listing.root: listing}

    def files_below(folder: Path) -> Listing:
        if folder not in listings:
            listings[folder] = Listing(folder)
        return listings[folder]

    data, detail = DataYaml(None, {}, 0), f'{len(kinds.get("txt", ()))} files'
    if 'yaml' in kinds:
        path = choose_yaml(kinds['yaml'])
        data, detail = read_yaml(path, files_below, problems), problems.name(path)
    names = data.names
    if names is None and (named := class_names(listing)):
        names, detail = named[0], f'{detail}, {problems.name(named[1])}'
    images = [(path, split) for split, paths in data.splits.items() for path in paths]
    images = images or _images_by_folder(listing, problems)
    labels = _LabelFiles([listing, *listings.values()])
    labelled = [_read_image(path, split, labels, names, data.keypoints, problems)
                for path, split in tqdm(images, desc='labels', unit='file', leave=False, disable=None)]
    for path in kinds.get('txt', ()):
        if path not in labels.used and not labels.is_list(path):
            problems.add(path, '', '', NO_IMAGE_OF_LABELS)
    if names is None:
        names = _numbered(labelled, problems)
    return Labels('YOLO txt', detail, names, labelled)


class _LabelFiles:
    """The label file of each image."""

    def __init__(self, listings: list[Listing]) -> None:
        self.used: set[Path] = set()
        self.by_stem: dict[str, list[Path]] = defaultdict(list)
        for path in dict.fromkeys(path for listing in listings for path in listing.of('.txt')):
            self.by_stem[path.stem.casefold()].append(path)

    def of(self, image: Path) -> Path | None:
        """labels/ in place of images/, or beside the image, or the nearest .txt of its name."""
        name, parts = f'{image.stem}.txt', list(image.parts[:-1])
        candidates = [image.with_name(name)]
        for index in reversed([index for index, part in enumerate(parts) if part.lower() == 'images']):
            candidates.insert(0, Path(*parts[:index], 'labels', *parts[index + 1:], name))
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            others = [path for path in self.by_stem.get(image.stem.casefold(), []) if not self.is_list(path)]
            same_split = [path for path in others if _folder_split(path) in (None, _folder_split(image))]
            path = max(same_split, key=lambda path: _shared(path, image), default=None)
        if path is not None:
            self.used.add(path)
        return path

    @staticmethod
    def is_list(path: Path) -> bool:
        return path.stem.lower() in ('classes', 'train', 'val', 'valid', 'test', 'labels', 'readme')


def _folder_split(path: Path) -> str | None:
    return next((split for part in reversed(path.parts[:-1]) if (split := split_word(part))), None)


def _shared(first: Path, second: Path) -> int:
    return len(set(first.parts) & set(second.parts))


def _images_by_folder(listing: Listing, problems: Problems) -> list[tuple[Path, str | None]]:
    """All images of a folder; splits by lists such as train.txt if these name more than one, else by folders."""
    lists = {split: path for path in listing.of('.txt') if (split := split_word(path.stem)) and _names_images(path)}
    if len(lists) < 2:
        return [(path, listing.split_of(path, path)) for path in listing.images]
    images = []
    for split, file in lists.items():
        for number, row in enumerate(read_list(file), 1):
            paths = listing.find_image(row, file)
            if paths:
                images.append((paths[0], split))
            else:
                problems.add(file, f'line {number}', row, NO_IMAGE)
    return images


def _names_images(path: Path) -> bool:
    rows = read_list(path)[:5]
    return bool(rows) and all(number_of(row.split()[0]) is None and '.' in row for row in rows)


def _read_image(path: Path, split: str | None, labels: _LabelFiles, names: list[str] | None, keypoints: int,
                problems: Problems) -> LabelledImage:
    file = labels.of(path)
    if file is None:
        return LabelledImage(path, path, split, relative=True, has_labels=False)
    image = LabelledImage(path, file, split, relative=True)
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if line.strip() and (box := _read_row(line, number, file, names, keypoints, problems)):
            image.boxes.append(box)
    return image


def _read_row(line: str, number: int, file: Path, names: list[str] | None, keypoints: int,
              problems: Problems) -> LabelledBox | None:
    """One row: 5 values are a box, 6 a box with its confidence, more are the corners of a polygon."""
    values, place = line.replace(';', ' ').replace('\t', ' ').split(), f'line {number}'
    if len(values) == 1 and line.count(',') >= 4:
        values = line.split(',')
    if keypoints and len(values) == 5 + keypoints:
        values = values[:5]
    if len(values) < 5:
        problems.add(file, place, line.strip(), BAD_ROW)
        return None
    fields = [number_of(value) for value in values]
    if None in fields:
        problems.add(file, place, line.strip(), NO_NUMBER)
        return None
    label, *fields = fields
    if label % 1 or label < 0 or (names is not None and label >= len(names)):
        known = f'; there are {len(names)} classes, 0 to {len(names) - 1}' if names else ''
        problems.add(file, place, f'class {values[0]} in {line.strip()!r}{known}', UNKNOWN_CLASS)
        return None
    name = names[int(label)] if names is not None else f'class_{int(label)}'
    if len(fields) <= 5:
        x, y, w, h = fields[:4]
        return LabelledBox(name, (x - w / 2, y - h / 2, x + w / 2, y + h / 2), place, line.strip())
    fields = fields[:len(fields) // 2 * 2]  # a confidence may stand behind the corners
    xs, ys = fields[::2], fields[1::2]
    polygon = None if len(fields) == 8 else [fields]  # four corners are an oriented box
    return LabelledBox(name, (min(xs), min(ys), max(xs), max(ys)), place, line.strip(), polygon)


def _numbered(images: list[LabelledImage], problems: Problems) -> list[str]:
    """Names for classes that have none."""
    last = max((int(box.label.removeprefix('class_')) for image in images for box in image.boxes), default=-1)
    problems.note('No file names the classes: they are called class_0, class_1, ... Put their names, one a line, into '
                  'classes.txt, or into names of data.yaml.')
    return [f'class_{label}' for label in range(last + 1)]
