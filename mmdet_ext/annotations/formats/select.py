"""The images and boxes of a data set that can be trained on."""
import os
from collections.abc import Sequence
from pathlib import Path

from .box_check import good_boxes
from .image_check import ImageFile
from .listing import Listing
from .records import (BAD_IMAGE, BROKEN_BOX, BROKEN_IMAGE, MERGED, NO_LABELS, SAME_IMAGE, LabelledImage, Labels,
                      Problems)
from .write import CheckedImage


def check_labels(labels: Labels, files: dict[Path, ImageFile], listing: Listing,
                 problems: Problems) -> list[CheckedImage]:
    """Images that can be read, with their boxes in pixels; images that no label file names are noted."""
    checked = []
    for image in _merged(labels.images, problems):
        file = files[image.path]
        if file.problem:
            problems.add(image.path, '', file.problem, BAD_IMAGE)
            continue
        boxes = good_boxes(image, file, problems)
        if boxes is not None:
            checked.append(CheckedImage(image.path, image.file, image.split, file.size, boxes, image.has_labels,
                                        image.caption, image.fields))
    labelled = {image.path for image in labels.images}
    for path in listing.images:
        if path not in labelled:
            problems.add(path, '', '', NO_LABELS)
    return checked


def classes_of(labels: Labels, images: Sequence[CheckedImage], problems: Problems) -> tuple[str, ...]:
    """The names of the classes: those of the file in its order, or else those of the boxes, sorted."""
    present = {box.label for image in images for box in image.boxes}
    names = sorted(present, key=_sorting) if labels.classes is None else list(labels.classes)
    classes = tuple(dict.fromkeys(names))
    if len(classes) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        problems.note(f'Class names that stand twice are one class: {", ".join(twice)}.')
    alike: dict[str, list[str]] = {}
    for name in classes:
        alike.setdefault(' '.join(name.replace('_', ' ').replace('-', ' ').casefold().split()), []).append(name)
    for same in alike.values():
        if len(same) > 1:
            problems.note(f'Are {" and ".join(map(repr, same))} one class? They are kept apart.')
    return classes


def common_folder(paths: Sequence[Path]) -> Path:
    """The folder that all images lie below."""
    return Path(os.path.commonpath([path.parent for path in paths]))


def refuse_broken(problems: Problems, num_images: int, num_boxes: int, out: Path) -> None:
    """Raise a ValueError if more images or more boxes are broken than good, and say what is wrong with them."""
    counts = problems.counts()
    for kinds, good, unit in ((BROKEN_IMAGE, num_images, 'images'), (BROKEN_BOX, num_boxes, 'boxes')):
        bad = {kind: counts[kind, 'left out'] for kind in kinds if counts[kind, 'left out']}
        if sum(bad.values()) > good:
            parts = ', '.join(f'{count} x {kind}' for kind, count in sorted(bad.items(), key=lambda item: -item[1]))
            first = problems.first(max(bad, key=bad.get), 'left out')
            raise ValueError(f'{problems.root}: {sum(bad.values())} of {sum(bad.values()) + good} {unit} cannot be '
                             f'used ({parts}). The first: {first}. {_ADVICE.get(first.kind, "")}All stand in '
                             f'{out / "problems.csv"}')


_ADVICE = {
    'box lies outside the image': 'Are the coordinates in another unit, pixels or fractions of the image? ',
    'class is not known': 'Do the names of the classes belong to these labels, and do the classes begin at 0? ',
    'image is missing': 'Give the folder that has both images and labels. ',
    'label file without image': 'Give the folder that has both images and labels. ',
    'size differs from the image': 'Were the images scaled or cropped after they were labelled? ',
}


def _merged(images: Sequence[LabelledImage], problems: Problems) -> list[LabelledImage]:
    """Images that come twice in one set get the boxes of both; those with captions stay, as pairs."""
    merged: dict[tuple, LabelledImage] = {}
    for image in images:
        first = merged.setdefault((image.path, image.split, image.caption), image)
        if first is not image:
            problems.add(image.file, '', f'{problems.name(image.path)}, also in {problems.name(first.file)}',
                         SAME_IMAGE, MERGED)
            if first.relative == image.relative and first.size == image.size:
                first.boxes.extend(image.boxes)
    return list(merged.values())


def _sorting(name: str) -> tuple:
    return (0, int(name), '') if name.isdecimal() else (1, 0, name.casefold())
