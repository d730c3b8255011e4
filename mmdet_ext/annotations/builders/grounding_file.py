"""Writing of annotation files in MDETR's format, row by row, so that a large one needs no memory."""
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...files import replace_file

Pair = tuple[dict, list[dict]]  # an image with its caption, and its boxes, all without ids
OBJECT = (dict(supercategory='object', id=1, name='object'), )


def write_grounding(path: Path, pairs: Iterable[Pair], counts: Counter, categories: Sequence[dict] = OBJECT) -> None:
    """Write a file of images and boxes, which get ids from 0 on; if an exception is raised, there is none.

    `counts` gets the numbers of `captions`, `captions without boxes` and `boxes`.
    """
    num_images = num_boxes = num_empty = 0
    with replace_file(path) as out, tempfile.TemporaryFile(dir=path.parent) as annotations:
        out.write(b'{"info":[],"licenses":[],"images":[')
        for image, boxes in pairs:
            out.write(b',' * bool(num_images) + compact_json(image | dict(id=num_images)))
            for box in boxes:
                row = box | dict(image_id=num_images, id=num_boxes)
                annotations.write(b',' * bool(num_boxes) + compact_json(row))
                num_boxes += 1
            num_images += 1
            num_empty += not boxes
        out.write(b'],"annotations":[')
        annotations.seek(0)
        shutil.copyfileobj(annotations, out)
        out.write(b'],"categories":' + compact_json(list(categories)) + b'}\n')
    counts.update({'captions': num_images, 'captions without boxes': num_empty, 'boxes': num_boxes})


def image_row(file_name: str, size: tuple[int, int], caption: str, dataset_name: str, **fields: object) -> dict:
    """An image of (height, width) with its caption, and further fields."""
    return dict(file_name=file_name, height=size[0], width=size[1], caption=caption, dataset_name=dataset_name,
                tokens_negative=[[0, len(caption)]]) | fields


def box_row(bbox: Sequence[float], spans: Sequence[Sequence[int]], *, spans_key: str = 'tokens_positive',
            **fields: object) -> dict:
    """The box (x, y, width, height) in pixels, tied to characters [begin, end) of the caption, and further fields."""
    return {'area': bbox[2] * bbox[3], 'iscrowd': 0, 'category_id': 1, 'bbox': list(bbox), spans_key: spans} | fields


def write_json(path: Path, content: object) -> None:
    """Write a json file whole, and make its folder if it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_file(path) as file:
        file.write(compact_json(content) + b'\n')


def compact_json(value: object) -> bytes:
    """The value in json without white space."""
    return json.dumps(value, separators=(',', ':')).encode()
