"""The mixed pre-training data: captions of referring expressions, questions and regions, combined for each image.

A caption is shown with an image of COCO, of Visual Genome, or left out.
https://arxiv.org/abs/2104.12763, appendix on the pre-training data
"""
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from ..grounding_file import Pair, box_row, image_row
from ..image_lists import plain_id, read_ids
from ..json_rows import Box, Id, JsonRows, Number, Side, Text, row_type
from .captions import Caption, combine_captions

# COCO_train2014_000000000501 of 2014, 000000000501 of 2017.
_COCO_NAME = re.compile(r'(?:COCO_[a-z]+\d{4}_)?(\d{12})')

_CocoRow = row_type('_CocoRow', id=Id, file_name=Text, width=Side, height=Side)
_VgRow = row_type('_VgRow', image_id=Id, coco_id=Id | None, width=Side, height=Side)


class CaptionRow(Struct):
    """An image of an annotation file in MDETR's format with its caption; Flickr's files have sizes as texts."""
    id: Id
    file_name: Text
    caption: Text
    width: int | Annotated[str, Meta(pattern=r'^\d+$')] = 0
    height: int | Annotated[str, Meta(pattern=r'^\d+$')] = 0
    data_source: Literal['coco', 'vg'] | None = None
    tokens_negative: list[tuple[int, int]] = []


class BoxRow(Struct):
    """An annotation of a file in MDETR's format; spans may reach out of their caption, as some published ones do."""
    image_id: Id
    bbox: Box
    tokens_positive: list[tuple[int, int]] | None = None
    tokens: list[tuple[int, int]] | None = None  # in the place of `tokens_positive`, as CLEVR's files have it
    area: Number | None = None
    iscrowd: int = 0


class Image(NamedTuple):
    """An image of the mixed data; `id` and `source` ('coco' or 'vg') tell it from others."""
    source: str
    id: str
    file_name: str
    height: int
    width: int


class Placement(NamedTuple):
    """The image of a caption, the factors (x, y) that fit its boxes to it, and whether they were drawn on another."""
    image: Image
    scale: tuple[float, float] = (1., 1.)
    moved: bool = False


class ImageTable:
    """The images that captions may have: those of Visual Genome that COCO has too are COCO's.

    Args:
        coco: COCO's annotation file of the training images.
        vg_images: Visual Genome's image_data.json with their `coco_id`; None: no image is in both.
        exclude_coco, exclude_vg: Files with ids of images to leave out (see `read_ids`); GQA's are Visual Genome's.
        exclude_twins: Leave out COCO's image too, when its twin of Visual Genome is left out.
    """

    def __init__(self, coco: Path, vg_images: Path | None = None, *, exclude_coco: Sequence[Path] = (),
                 exclude_vg: Sequence[Path] = (), exclude_twins: bool = False) -> None:
        self._coco_file = coco
        self._coco = {plain_id(row.id): Image('coco', plain_id(row.id), row.file_name, row.height, row.width)
                      for _, _, row in JsonRows(coco, _CocoRow, 'images', 'row {} of images')}
        self._vg = {plain_id(row.image_id): row for _, _, row in JsonRows(vg_images, _VgRow)} if vg_images else {}
        # the reason is the first file that lists an id
        self._excluded = {source: {key: f'listed in {path.name}' for path in reversed(files) for key in read_ids(path)}
                          for source, files in (('coco', exclude_coco), ('vg', exclude_vg))}
        if exclude_twins:
            for key, reason in self._excluded['vg'].items():
                if key in self._vg and self._vg[key].coco_id is not None:
                    self._excluded['coco'].setdefault(plain_id(self._vg[key].coco_id), reason)

    def place(self, row: CaptionRow, location: str) -> Placement | str:
        """The image that a caption is shown with, or the reason why it is left out.

        A ValueError names the `location` of a row that does not tell the image, or its size.
        """
        stem = PurePosixPath(row.file_name).stem
        match = _COCO_NAME.fullmatch(stem)
        source = row.data_source or ('coco' if match else 'vg')
        if source == 'coco' and not match:
            raise ValueError(f'{location}: an image of COCO should have a number of 12 digits in its file_name, got '
                             f'{row.file_name!r}')
        key = plain_id(match[1] if source == 'coco' else stem)
        if reason := self._excluded[source].get(key):
            return reason
        vg_row = self._vg.get(key) if source == 'vg' else None
        if source == 'vg' and (vg_row is None or vg_row.coco_id is None):
            width, height = int((vg_row or row).width), int((vg_row or row).height)
            if min(width, height) < 1:
                raise ValueError(f'{location} has width {row.width!r} and height {row.height!r}')
            return Placement(Image('vg', key, f'{key}.jpg', height, width))
        coco_key = plain_id(vg_row.coco_id) if vg_row else key
        if reason := self._excluded['coco'].get(coco_key):
            return reason
        if coco_key not in self._coco:
            return f'not in {self._coco_file.name}'
        image = self._coco[coco_key]
        if vg_row is None:
            return Placement(image)
        return Placement(image, (image.width / vg_row.width, image.height / vg_row.height), moved=True)


class Mixture:
    """The captions of annotation files, sorted by image. It takes about 500 bytes of memory for each."""

    def __init__(self, images: ImageTable) -> None:
        self._images = images
        # for each source and image functions that read a caption
        self._captions: dict[str, dict[Image, list[Callable[[], Caption]]]] = dict(coco={}, vg={})

    def __len__(self) -> int:
        return sum(map(len, self._captions.values()))

    def add(self, path: Path) -> Counter:
        """Add the captions of an annotation file in MDETR's format; a ValueError names file, row and value.

        Returns how many captions there are, how many moved to a twin of their image in COCO, and how many were left out
        for which reason.
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
