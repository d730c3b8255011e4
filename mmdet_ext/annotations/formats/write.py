"""Write a split as COCO json, or as MDETR's json if its images have captions."""
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...files import replace_file
from ..coco_captions import coco_to_grounding
from .box_check import GoodBox
from .captions import name_spans
from .records import NO_NAMED_BOX, NOT_NAMED, Problems


class CheckedImage(NamedTuple):
    """An image that can be read, and its boxes that can be trained on."""
    path: Path
    file: Path
    split: str | None
    size: tuple[int, int]
    boxes: list[GoodBox]
    has_labels: bool
    caption: str | None
    fields: dict


def coco_content(images: Sequence[CheckedImage], classes: Sequence[str], folder: Path) -> dict:
    """The content of a COCO file; ids begin at 1, in the order of images and classes."""
    label_of = {name: label for label, name in enumerate(classes, 1)}
    rows, annotations = [], []
    for image_id, image in enumerate(images, 1):
        rows.append(_image_row(image, image_id, folder))
        for box in image.boxes:
            annotations.append(_box_row(box, len(annotations) + 1, image_id, label_of[box.label]))
    categories = [dict(id=label, name=name, supercategory='') for name, label in label_of.items()]
    return dict(images=rows, annotations=annotations, categories=categories)


def grounding_content(images: Sequence[CheckedImage], classes: Sequence[str], folder: Path) -> dict:
    """The content of a file in MDETR's format; images without captions get one that counts their objects."""
    if all(image.caption is None for image in images):
        return coco_to_grounding(coco_content(images, classes, folder), 'finetune').content
    rows, annotations = [], []
    for image_id, image in enumerate(images, 1):
        phrases = list(dict.fromkeys(json.dumps(box.spans) for box in image.boxes if box.spans))
        row = _image_row(image, image_id, folder) | dict(
            caption=image.caption, dataset_name='finetune', tokens_negative=[[0, len(image.caption)]],
            tokens_positive_eval=sorted(map(json.loads, phrases)))
        rows.append(row | image.fields)
        for box in image.boxes:
            annotations.append(_box_row(box, len(annotations) + 1, image_id, 1)
                               | dict(tokens_positive=box.spans))
    return dict(images=rows, annotations=annotations, categories=[dict(id=1, name='object', supercategory='object')])


def tie_to_captions(images: Sequence[CheckedImage], problems: Problems) -> list[CheckedImage]:
    """Give each box of an image with a caption the characters that name it; boxes that nothing names, and captions
    that then name no box, are left out."""
    tied = []
    for image in images:
        if image.caption is None:
            tied.append(image)
            continue
        boxes = []
        for box in (box for box in image.boxes if not box.crowd):
            spans = box.spans if box.spans is not None else name_spans(box.phrase or box.label, image.caption)
            if spans:
                boxes.append(box._replace(spans=spans))
            else:
                problems.add(image.file, f'{image.path.name}, {box.row}',
                             f'{box.phrase or box.label!r} in {image.caption!r}', NOT_NAMED)
        if boxes or 'tokens_positive_eval' in image.fields:
            tied.append(image._replace(boxes=boxes, fields=_with_boxes(image.fields, boxes)))
        else:
            problems.add(image.file, image.path.name, image.caption, NO_NAMED_BOX)
    return tied


def write_split(path: Path, content: dict) -> None:
    """Write a json whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as file:
        file.write(json.dumps(content, separators=(',', ':')).encode() + b'\n')


def _with_boxes(fields: dict, boxes: Sequence[GoodBox]) -> dict:
    """The fields of an image with the phrases that still have a box."""
    if 'tokens_positive_eval' not in fields:
        return fields
    spans = [span for box in boxes for span in box.spans]
    phrases = [phrase for phrase in fields['tokens_positive_eval'] if any(list(span) in spans for span in phrase)]
    return fields | dict(tokens_positive_eval=phrases)


def _image_row(image: CheckedImage, image_id: int, folder: Path) -> dict:
    return dict(id=image_id, file_name=image.path.relative_to(folder).as_posix(), width=image.size[0],
                height=image.size[1])


def _box_row(box: GoodBox, box_id: int, image_id: int, category_id: int) -> dict:
    x1, y1, x2, y2 = box.box
    row = dict(id=box_id, image_id=image_id, category_id=category_id,
               bbox=[round(x1, 3), round(y1, 3), round(x2 - x1, 3), round(y2 - y1, 3)], area=round(box.area, 3),
               iscrowd=int(box.crowd))
    if isinstance(box.segmentation, list):
        row['segmentation'] = [[round(value, 2) for value in polygon] for polygon in box.segmentation]
    elif box.segmentation is not None:
        row['segmentation'] = box.segmentation
    return row
