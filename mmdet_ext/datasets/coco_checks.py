"""What must hold of a COCO annotation file before it is trained on, with errors that name the file and the entry."""
from math import isfinite
from typing import NamedTuple
from collections.abc import Sequence

_PLAIN = {int, float}


class BadBox(NamedTuple):
    """An annotation that cannot be trained on."""
    annotation: int
    image: str
    box: object
    problem: str

    def __str__(self) -> str:
        return f'annotation {self.annotation} of {self.image}: bbox {self.box} {self.problem}'


class Instances(NamedTuple):
    """Annotations of one image, sorted out."""
    kept: list[dict]  # in mmdet's form: `bbox` (x1, y1, x2, y2) in pixels, `bbox_label`, `ignore_flag`, maybe `mask`
    bad: list[BadBox]
    num_duplicates: int


def check_file(dataset: dict, file: str) -> None:
    """Raise a ValueError if tables are missing, ids are not unique or an annotation names an unknown category."""
    for table in ('images', 'categories'):
        if not dataset.get(table):
            raise ValueError(f'{file}: {table!r} is missing or empty')
    for table in ('images', 'categories', 'annotations'):
        seen = set()
        for row in dataset.get(table, []):
            if row['id'] in seen:
                raise ValueError(f'{file}: {table} has the id {row["id"]} twice')
            seen.add(row['id'])
    for image in dataset['images']:
        width, height = image.get('width'), image.get('height')
        if not (width and height and width > 0 and height > 0):
            raise ValueError(f'{file}: image {image["id"]} has width {width} and height {height}')
    known = {category['id'] for category in dataset['categories']}
    for annotation in dataset.get('annotations', []):
        if annotation['category_id'] not in known:
            raise ValueError(f'{file}: annotation {annotation["id"]} has category_id {annotation["category_id"]}, '
                             f'which is not among the {len(known)} categories')


def match_categories(categories: Sequence[dict], classes: Sequence[str], file: str) -> list[int]:
    """Return the category id of each class.

    Their order must be the file's: mmdet's `CocoMetric` and its data sets number the classes in that order, whatever
    the order of `metainfo['classes']` is.

    Args:
        categories: The file's table, each with `id` and `name`.
        classes: `metainfo['classes']` of the data set.
        file: Annotation file, for the errors.
    """
    if isinstance(classes, str):
        raise ValueError(f"metainfo['classes'] is the string {classes!r}: one class is written ({classes!r},)")
    names = [category['name'] for category in categories]
    missing = [name for name in classes if name not in names]
    if missing:
        raise ValueError(f"{file}: metainfo['classes'] has {missing}, which are not among the file's {len(names)} "
                         f'categories {names}')
    chosen = [category for category in categories if category['name'] in classes]
    if len(chosen) != len(classes):
        raise ValueError(f"{file}: metainfo['classes'] has {len(classes)} classes and the file {len(chosen)} "
                         f'categories of these names: a name stands twice in {list(classes)} or in {names}')
    order = [category['name'] for category in chosen]
    if order != list(classes):
        raise ValueError(f"{file}: metainfo['classes'] must keep the order of the file's categories, {tuple(order)}, "
                         f'got {tuple(classes)}')
    return [category['id'] for category in chosen]


def read_instances(annotations: Sequence[dict], image: dict, cat2label: dict[int, int]) -> Instances:
    """Sort out the annotations of an image: boxes are clipped to it, and of equal (class, box) rows one is kept.

    Args:
        annotations: Rows of the file with `bbox` (x, y, w, h) in pixels. Those of other categories are left out.
        image: Row of the file with `width`, `height` and `file_name`.
        cat2label: Label of each category id.
    """
    kept, bad, seen = [], [], set()
    num_duplicates = 0
    for annotation in annotations:
        label = cat2label.get(annotation['category_id'])
        if label is None or annotation.get('ignore', False):
            continue
        box, problem = clip_box(annotation.get('bbox'), image['width'], image['height'])
        if problem:
            bad.append(BadBox(annotation['id'], image['file_name'], annotation.get('bbox'), problem))
            continue
        if (label, *box) in seen:
            num_duplicates += 1
            continue
        seen.add((label, *box))
        instance = dict(bbox=box, bbox_label=label, ignore_flag=int(annotation.get('iscrowd', 0)))
        if annotation.get('segmentation'):
            instance['mask'] = annotation['segmentation']
        kept.append(instance)
    return Instances(kept, bad, num_duplicates)


def clip_box(bbox: object, width: int, height: int) -> tuple[list[float], str]:
    """Return the part (x1, y1, x2, y2) of a box (x, y, w, h) inside the image, or what is wrong with it."""
    if not (isinstance(bbox, (list, tuple)) and len(bbox) == 4
            and ({*map(type, bbox)} <= _PLAIN or all(isinstance(v, (int, float)) for v in bbox))):
        return [], 'is not four numbers'
    x, y, w, h = bbox
    if not all(map(isfinite, bbox)):
        return [], 'is not finite'
    if w < 0 or h < 0:
        return [], 'has a negative size'
    if w == 0 or h == 0:
        return [], 'has no area'
    box = [max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)]
    if box[0] >= box[2] or box[1] >= box[3]:
        return [], f'lies outside the image of {width} x {height}'
    return box, ''
