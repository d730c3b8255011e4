"""Which image a caption of the mixed pre-training data is shown with: one of COCO, of Visual Genome, or none.

https://arxiv.org/abs/2104.12763, appendix on the pre-training data
"""
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

from ..image_lists import plain_id, read_ids
from ..json_rows import Id, JsonRows, Side, Text

# COCO_train2014_000000000501 of 2014, 000000000501 of 2017.
_COCO_NAME = re.compile(r'(?:COCO_[a-z]+\d{4}_)?(\d{12})')


class _CocoRow(Struct):
    id: Id
    file_name: Text
    width: Side
    height: Side


class _VgRow(Struct):
    image_id: Id
    coco_id: Id | None
    width: Side
    height: Side


class CaptionRow(Struct):
    """An image of an annotation file in MDETR's format with its caption; Flickr's files have sizes as texts."""
    id: Id
    file_name: Text
    caption: Text
    width: int | Annotated[str, Meta(pattern=r'^\d+$')] = 0
    height: int | Annotated[str, Meta(pattern=r'^\d+$')] = 0
    data_source: Literal['coco', 'vg'] | None = None
    tokens_negative: list[tuple[int, int]] = []


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
        exclude_coco: Files with the ids of COCO's images that are left out (see `read_ids`).
        exclude_vg: The same for ids of Visual Genome, of which GQA's are some.
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
        """The image that a caption is shown with, or the reason why it is left out; `location` names it in errors.

        Raises:
            ValueError: If its row does not tell the image, or its size.
        """
        source, key = _identity(row, location)
        if reason := self._excluded[source].get(key):
            return reason
        vg_row = self._vg.get(key) if source == 'vg' else None
        if source == 'vg' and (vg_row is None or vg_row.coco_id is None):
            width, height = (int(vg_row.width), int(vg_row.height)) if vg_row else (int(row.width), int(row.height))
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


def _identity(row: CaptionRow, location: str) -> tuple[str, str]:
    """The source and the id of an image, by its `data_source` if it has one, and its file name."""
    stem = PurePosixPath(row.file_name).stem
    match = _COCO_NAME.fullmatch(stem)
    source = row.data_source or ('coco' if match else 'vg')
    if source == 'coco' and not match:
        raise ValueError(f'{location}: an image of COCO should have a number of 12 digits in its file_name, got '
                         f'{row.file_name!r}')
    return source, plain_id(match[1] if source == 'coco' else stem)
