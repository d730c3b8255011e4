"""Pascal VOC xml: one file per image, in Annotations/ with JPEGImages/ and ImageSets/, or beside the images.

It is not read by supervision's `DetectionDataset.from_pascal_voc`, which ends at the first bad file, reads one split,
and exchanges a min and a max that are reversed without saying so.
"""
import math
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from tqdm import tqdm

from .listing import Listing, split_word
from .records import (BAD_FILE, BAD_ROW, KEPT, NO_BOX, NO_IMAGE_OF_LABELS, NO_NUMBER, SAME_NAME, LabelledBox,
                      LabelledImage, Labels, Problems)
from .texts import number_of, read_text, size_from

_SIDES = ('xmin', 'ymin', 'xmax', 'ymax')


def read_voc_files(listing: Listing, files: list[Path], source: Path, problems: Problems) -> Labels:
    """Read VOC files.

    The format counts pixels from 1, and xmax and ymax are the last pixel of the box: 1 is taken from xmin and ymin, as
    supervision does. If any of them is 0, the set counts from 0, and nothing is taken.
    """
    split_of_stem = _image_sets(listing, problems)
    images = []
    for path in tqdm(files, desc='labels', unit='file', leave=False, disable=None):
        if (image := _read_file(path, listing, problems)) is not None:
            listed = split_of_stem.get(path.stem.casefold())
            image.split = listed or listing.split_of(path, image.path)
            images.append(image)
    boxes = [box for image in images for box in image.boxes]
    if boxes and min(min(box.box[:2]) for box in boxes) >= 1:
        for box in boxes:
            x1, y1, x2, y2 = box.box
            box.box = (x1 - 1, y1 - 1, x2, y2)
    elif boxes:
        problems.note('Some xmin or ymin are below 1: pixels are counted from 0.')
    sets = ' by ImageSets' if split_of_stem else ''
    return Labels('Pascal VOC xml', f'{len(files)} files{sets}', None, images)


def parse_xml(path: Path) -> Element:
    """The root of an xml file; one that is not in the encoding that it says is read as Latin-1."""
    data = path.read_bytes()
    try:
        return ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        text = read_text(path)
        begin = text.find('<annotation')
        try:
            return ElementTree.fromstring(text[max(begin, 0):])
        except ElementTree.ParseError:
            raise ValueError('the file is empty' if not data.strip() else f'no valid xml: {error}') from error


def _image_sets(listing: Listing, problems: Problems) -> dict[str, str]:
    """The split of each stem by ImageSets/Main/train.txt, val.txt, test.txt; 'trainval' counts where these lack it."""
    lists = {path.stem.lower(): path for path in listing.of('.txt')
             if 'imagesets' in (part.lower() for part in path.parts)}
    splits: dict[str, str] = {}
    for name in ('train', 'val', 'valid', 'test', 'trainval'):
        if name in lists:
            for row in read_text(lists[name]).split('\n'):
                if row.strip():
                    stem = row.split()[0].replace('\\', '/').rsplit('/', 1)[-1]
                    splits.setdefault(stem.casefold(), split_word(name) or 'train')
    return splits


def _read_file(path: Path, listing: Listing, problems: Problems) -> LabelledImage | None:
    try:
        root = parse_xml(path)
    except (OSError, ValueError) as error:
        problems.add(path, '', str(error), BAD_FILE)
        return None
    name = (root.findtext('filename') or '').strip()
    paths = _image_of(path, name, listing)
    if not paths:
        problems.add(path, '', name, NO_IMAGE_OF_LABELS)
        return None
    if len(paths) > 1:
        problems.add(path, '', f'{", ".join(map(problems.name, paths[:3]))}; the first is taken', SAME_NAME, KEPT)
    size = size_from(root.findtext('size/width'), root.findtext('size/height'))
    image = LabelledImage(paths[0], path, None, size)
    for number, row in enumerate(root.iterfind('object'), 1):
        if box := _read_object(row, f'object {number}', path, problems):
            image.boxes.append(box)
    return image


def _image_of(path: Path, name: str, listing: Listing) -> list[Path]:
    """The image of an xml file: the one of its stem, which outlives renaming, or else the one that it names."""
    by_name = listing.find_image(name, path) if name else []
    by_stem = listing.with_stem(path.stem, path)
    both = [image for image in by_name if image in by_stem]
    return both or by_stem or by_name


def _read_object(row: Element, place: str, file: Path, problems: Problems) -> LabelledBox | None:
    label = (row.findtext('name') or '').strip()
    if not label:
        problems.add(file, place, 'there is no name', BAD_ROW)
        return None
    box, turned = row.find('bndbox'), row.find('robndbox')
    if box is None and turned is not None:
        texts = [turned.findtext(side) for side in ('cx', 'cy', 'w', 'h', 'angle')]
    elif box is not None:
        texts = [box.findtext(side) for side in _SIDES]
    else:
        problems.add(file, place, f'{label} has no bndbox', NO_BOX)
        return None
    value = f'{label} ' + ' '.join(f'{text}'.strip() for text in texts)
    parsed = [number_of(text) for text in texts]
    if None in parsed:
        problems.add(file, place, value, NO_NUMBER)
        return None
    corners = tuple(parsed) if box is not None else turned_extent(*parsed)
    return LabelledBox(label, corners, place, value)


def turned_extent(cx: float, cy: float, w: float, h: float, angle: float) -> tuple[float, float, float, float]:
    """The upright box (x1, y1, x2, y2) around a box that is turned by an angle in radians."""
    cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
    half_w, half_h = (w * cos + h * sin) / 2, (w * sin + h * cos) / 2
    return cx - half_w, cy - half_h, cx + half_w, cy + half_h


def extent(points: Sequence[Sequence[float]]) -> tuple[float, float, float, float]:
    """The box (x1, y1, x2, y2) around points (x, y)."""
    xs, ys = zip(*points, strict=True)
    return min(xs), min(ys), max(xs), max(ys)
