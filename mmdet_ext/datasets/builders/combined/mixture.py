"""The mixed pre-training data: captions of referring expressions, questions and regions, combined for each image.

https://arxiv.org/abs/2104.12763, appendix on the pre-training data
"""
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from ..grounding_file import Pair, box_row, image_row
from ..json_rows import Box, Id, JsonRows, Number
from .captions import Caption, combine_captions
from .images import CaptionRow, Image, ImageTable

Span = tuple[int, int]


class BoxRow(Struct):
    """An annotation of a file in MDETR's format; spans may reach out of their caption, as some published ones do."""
    image_id: Id
    bbox: Box
    tokens_positive: list[Span] | None = None
    tokens: list[Span] | None = None  # in the place of `tokens_positive`, as CLEVR's files have it
    area: Number | None = None
    iscrowd: int = 0


class _Entry(NamedTuple):
    """A caption in the tables of a file: its row, the rows of its boxes, and the factors (x, y) of these."""
    captions: JsonRows[CaptionRow]
    boxes: JsonRows[BoxRow]
    caption_row: int
    box_rows: list[int]
    scale: tuple[float, float]

    def read(self) -> Caption:
        row = self.captions[self.caption_row].value
        boxes = []
        for number in self.box_rows:
            location, _, box = self.boxes[number]
            spans = box.tokens_positive if box.tokens_positive is not None else box.tokens
            if spans is None:
                raise ValueError(f'{location} has no tokens_positive')
            bbox = [side * self.scale[axis % 2] for axis, side in enumerate(box.bbox)]
            area = box.bbox[2] * box.bbox[3] if box.area is None else box.area
            boxes.append(box_row(bbox, spans, area=area, iscrowd=box.iscrowd))
        return Caption(row.caption, boxes, row.tokens_negative)


class Mixture:
    """The captions of annotation files, sorted by image. It takes about 500 bytes of memory for each.

    Args:
        images: Tells which image a caption goes to.
    """

    def __init__(self, images: ImageTable) -> None:
        self._images = images
        self._entries: dict[str, dict[Image, list[_Entry]]] = dict(coco={}, vg={})

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def add(self, path: Path) -> Counter:
        """Add the captions of an annotation file in MDETR's format.

        Returns:
            What became of its captions: how many there are, how many moved to a twin of their image in COCO, and how
            many were left out for which reason.

        Raises:
            ValueError: If the file is damaged, or a row is not what it should be; naming file, row and value.
        """
        captions = JsonRows(path, CaptionRow, 'images', 'row {} of images')
        boxes = JsonRows(path, BoxRow, 'annotations', 'row {} of annotations')
        counts = Counter()
        rows_of: dict[Id, list[int] | None] = {}  # rows of the boxes of each caption, None if it is left out
        for location, number, row in captions:
            if row.id in rows_of:
                raise ValueError(f'{location}: the id {row.id!r} is there twice')
            counts['captions'] += 1
            placement = self._images.place(row, location)
            if isinstance(placement, str):
                rows_of[row.id] = None
                counts[f'left out: {placement}'] += 1
                continue
            counts['moved to the same image of COCO'] += placement.moved
            rows_of[row.id] = []
            entry = _Entry(captions, boxes, number, rows_of[row.id], placement.scale)
            self._entries[placement.image.source].setdefault(placement.image, []).append(entry)
        for location, number, row in boxes:
            if row.image_id not in rows_of:
                raise ValueError(f'{location}: image_id {row.image_id!r} is the id of no image')
            if (box_rows := rows_of[row.image_id]) is not None:
                box_rows.append(number)
        return counts

    def __iter__(self) -> Iterator[tuple[Image, list[Caption]]]:
        """Images with their captions: COCO's first, each source in the order of the files.

        Raises:
            ValueError: If there is none.
        """
        if not len(self):
            raise ValueError('no caption has an image that is kept')
        for of_source in self._entries.values():
            for image, entries in of_source.items():
                yield image, [entry.read() for entry in entries]


def mixed_pairs(images: Iterable[tuple[Image, list[Caption]]], counts: Counter, *, max_chars: int = 250,
                generalized: bool = False) -> Iterator[Pair]:
    """Images with combined captions, and boxes; a box that no word names is left out.

    Args:
        images: With the captions of each.
        counts: Gets how many images and captions there are, and what was left out.
        max_chars: See `combine_captions`.
        generalized: See `combine_captions`.
    """
    for image, captions in images:
        counts['images'] += 1
        counts['captions before they were combined'] += len(captions)
        counts[f'captions of more than {max_chars} characters, which stay alone'] += sum(
            len(caption.text) > max_chars for caption in captions)
        for caption in combine_captions(captions, max_chars=max_chars, generalized=generalized):
            boxes = [box for box in caption.boxes if box['tokens_positive']]
            counts['left out: boxes without words'] += len(caption.boxes) - len(boxes)
            yield image_row(image.file_name, (image.height, image.width), caption.text, 'mixed', original_id=image.id,
                            tokens_negative=caption.negative, data_source=image.source), boxes
