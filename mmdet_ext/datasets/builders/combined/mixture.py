"""The mixed pre-training data: captions of referring expressions, questions and regions, combined for each image.

https://arxiv.org/abs/2104.12763, appendix on the pre-training data
"""
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

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


class Mixture:
    """The captions of annotation files, sorted by image. It takes about 500 bytes of memory for each."""

    def __init__(self, images: ImageTable) -> None:
        self._images = images
        # for each source and image functions that read a caption
        self._captions: dict[str, dict[Image, list[Callable[[], Caption]]]] = dict(coco={}, vg={})

    def __len__(self) -> int:
        return sum(map(len, self._captions.values()))

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
        rows_of: dict[Id, list[int]] = {}  # numbers of the boxes of each caption
        for location, number, row in captions:
            if row.id in rows_of:
                raise ValueError(f'{location}: the id {row.id!r} is there twice')
            rows_of[row.id] = []
            counts['captions'] += 1
            placement = self._images.place(row, location)
            if isinstance(placement, str):
                counts[f'left out: {placement}'] += 1
                continue
            counts['moved to the same image of COCO'] += placement.moved
            read = partial(_read_caption, captions, number, boxes, rows_of[row.id], placement.scale)
            self._captions[placement.image.source].setdefault(placement.image, []).append(read)
        for location, number, row in boxes:
            if row.image_id not in rows_of:
                raise ValueError(f'{location}: image_id {row.image_id!r} is the id of no image')
            rows_of[row.image_id].append(number)
        return counts

    def __iter__(self) -> Iterator[tuple[Image, list[Caption]]]:
        """Images, at least one, with their captions: COCO's first, each source in the order of the files."""
        if not len(self):
            raise ValueError('no caption has an image that is kept')
        for of_source in self._captions.values():
            for image, readers in of_source.items():
                yield image, [read() for read in readers]


def _read_caption(captions: JsonRows[CaptionRow], number: int, boxes: JsonRows[BoxRow], box_numbers: list[int],
                  scale: tuple[float, float]) -> Caption:
    """The caption of a row, and its boxes times the factors (x, y)."""
    _, _, caption = captions[number]
    rows = []
    for box_number in box_numbers:
        location, _, box = boxes[box_number]
        spans = box.tokens_positive if box.tokens_positive is not None else box.tokens
        if spans is None:
            raise ValueError(f'{location} has no tokens_positive')
        bbox = [side * scale[axis % 2] for axis, side in enumerate(box.bbox)]
        area = box.bbox[2] * box.bbox[3] if box.area is None else box.area
        rows.append(box_row(bbox, spans, area=area, iscrowd=box.iscrowd))
    return Caption(caption.caption, rows, caption.tokens_negative)


def mixed_pairs(images: Iterable[tuple[Image, list[Caption]]], counts: Counter, *, max_chars: int = 250,
                generalized: bool = False) -> Iterator[Pair]:
    """Images with combined captions (see `combine_captions`), and boxes; a box that no word names is left out.

    `counts` gets how many images and captions there are, and what was left out.
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
