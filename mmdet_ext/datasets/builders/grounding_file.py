"""Writing an annotation file in MDETR's format row by row, so that a large one needs no memory."""
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ...files import replace_file

OBJECT = (dict(supercategory='object', id=1, name='object'), )


class GroundingFile:
    """The tables of a file that grows by one pair of picture and caption at a time; ids count from 0.

    Attributes:
        num_images: Pairs so far.
        num_annotations: Boxes so far.
    """

    def __init__(self, images: BinaryIO, annotations: BinaryIO) -> None:
        self.num_images = 0
        self.num_annotations = 0
        self._images = images
        self._annotations = annotations

    def add(self, image: dict, annotations: Iterable[dict]) -> None:
        """Add a pair and its boxes, all without `id`, and boxes without `image_id`, which they get here."""
        for row in annotations:
            own = dict(image_id=self.num_images, id=self.num_annotations)
            self._annotations.write(b',' * bool(self.num_annotations) + compact_json(row | own))
            self.num_annotations += 1
        self._images.write(b',' * bool(self.num_images) + compact_json(image | dict(id=self.num_images)))
        self.num_images += 1


@contextmanager
def write_grounding(path: Path, categories: Sequence[dict] = OBJECT) -> Iterator[GroundingFile]:
    """A file to add to, which is there at the end, whole, or not at all if an exception ends the block."""
    with replace_file(path) as out, tempfile.TemporaryFile(dir=path.parent) as annotations:
        out.write(b'{"info":[],"licenses":[],"images":[')
        yield GroundingFile(out, annotations)
        out.write(b'],"annotations":[')
        annotations.seek(0)
        shutil.copyfileobj(annotations, out)
        out.write(b'],"categories":' + compact_json(list(categories)) + b'}\n')


def box_row(xyxy: Sequence[float], spans: Sequence[Sequence[int]]) -> dict:
    """An annotation of category 1 with the box (x1, y1, x2, y2) in pixels."""
    x1, y1, x2, y2 = map(float, xyxy)
    return dict(area=(x2 - x1) * (y2 - y1), iscrowd=0, category_id=1, bbox=[x1, y1, x2 - x1, y2 - y1],
                tokens_positive=[list(span) for span in spans])


def compact_json(value: object) -> bytes:
    return json.dumps(value, separators=(',', ':')).encode()
