"""Clip the boxes of an annotation file to their image, and find those that cannot be trained on."""
from collections.abc import Sequence
from typing import NamedTuple

from .annotation_file import is_box


class BadBox(NamedTuple):
    """An annotation that cannot be trained on."""
    annotation: int
    image: str
    box: object
    problem: str

    def __str__(self) -> str:
        return f'annotation {self.annotation} of {self.image}: bbox {self.box} {self.problem}'


class Instances(NamedTuple):
    """Annotations of one image: those to train on, and those with bad boxes."""
    kept: list[dict]  # in mmdet's form: `bbox` (x1, y1, x2, y2) in pixels, `bbox_label`, `ignore_flag`, maybe `mask`
    bad: list[BadBox]
    num_duplicates: int


def read_instances(annotations: Sequence[dict], image: dict, cat2label: dict[int, int]) -> Instances:
    """Clip the boxes of an image to it, and drop bad boxes and rows that repeat class and box of another row.

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
        instance = dict(bbox=box, bbox_label=label, ignore_flag=int(annotation.get('iscrowd') or 0))
        if annotation.get('segmentation'):
            instance['mask'] = annotation['segmentation']
        kept.append(instance)
    return Instances(kept, bad, num_duplicates)


def clip_box(bbox: object, width: int, height: int) -> tuple[list[float], str]:
    """The part (x1, y1, x2, y2) of a box (x, y, w, h) that is inside the image, and '' or what is wrong with the
    box."""
    if not is_box(bbox):
        return [], 'is not four finite numbers'
    x, y, w, h = bbox
    if w < 0 or h < 0:
        return [], 'has a negative size'
    if w == 0 or h == 0:
        return [], 'has no area'
    box = [max(x, 0), max(y, 0), min(x + w, width), min(y + h, height)]
    if box[0] >= box[2] or box[1] >= box[3]:
        return [], f'lies outside the image of {width} x {height}'
    return box, ''
