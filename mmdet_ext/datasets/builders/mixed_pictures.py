"""Which picture a caption of the mixed pre-training data is shown with: of COCO, or of Visual Genome, or none.

https://arxiv.org/abs/2104.12763, appendix on the pre-training data
"""
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from ..annotation_file import size_of
from .id_lists import checked_id, read_ids
from .json_stream import stream_items

# COCO_train2014_000000000501 of 2014, 000000000501 of 2017.
_COCO_NAME = re.compile(r'(?:COCO_[a-z]+\d{4}_)?(\d{12})')


class Picture(NamedTuple):
    """A picture of the mixed data, `id` and `source` ('coco' or 'vg') tell it from others."""
    source: str
    id: str
    file_name: str
    height: int
    width: int


class Place(NamedTuple):
    """The picture of a caption, the factors (x, y) that fit its boxes to it, and whether they were drawn on another."""
    picture: Picture
    scale: tuple[float, float] = (1., 1.)
    moved: bool = False


class MixedPictures:
    """The pictures that captions may have: those of Visual Genome that COCO has too are COCO's.

    Args:
        coco: COCO's annotation file of the training pictures, read picture by picture.
        vg_images: Visual Genome's image_data.json with their `coco_id`; None: no picture is in both.
        exclude_coco: Files with the ids of COCO's pictures that are left out (see `read_ids`).
        exclude_vg: The same for ids of Visual Genome, of which GQA's are some.
        exclude_twins: Leave out COCO's picture too, when its twin of Visual Genome is left out.

    Raises:
        ValueError: If a file is damaged; naming it, and its row.
    """

    def __init__(self, coco: Path, vg_images: Path | None = None, *, exclude_coco: Sequence[Path] = (),
                 exclude_vg: Sequence[Path] = (), exclude_twins: bool = False) -> None:
        self._coco = {key: (row['file_name'], size) for key, row, size in _rows(coco, 'id', ('file_name', ))}
        self._coco_file = coco
        self._vg = {} if vg_images is None else {
            key: (row['coco_id'] if row['coco_id'] is None else checked_id(row['coco_id'], str(vg_images)), size)
            for key, row, size in _rows(vg_images, 'image_id', ('coco_id', ))
        }
        self._excluded = dict(coco=_reasons(exclude_coco), vg=_reasons(exclude_vg))
        if exclude_twins:
            for key, reason in self._excluded['vg'].items():
                if twin := self._vg.get(key, (None, ))[0]:
                    self._excluded['coco'].setdefault(twin, reason)

    def place(self, image: dict, where: str) -> Place | str:
        """Where a caption goes, or why it goes nowhere.

        Args:
            image: A row of an annotation file in MDETR's format.
            where: Names it in errors.

        Raises:
            ValueError: If it does not tell its picture, or the size of that.
        """
        source, key = _identity(image, where)
        if reason := self._excluded[source].get(key):
            return reason
        if source == 'coco':
            return self._coco_place(key)
        twin, size = self._vg.get(key, (None, size_of(image)))
        if size is None:
            raise ValueError(f'{where} has width {image.get("width")!r} and height {image.get("height")!r}')
        if twin is None:
            return Place(Picture('vg', key, f'{key}.jpg', size[1], size[0]))
        return self._excluded['coco'].get(twin) or self._coco_place(twin, size)

    def _coco_place(self, key: str, vg_size: tuple[int, int] | None = None) -> Place | str:
        if key not in self._coco:
            return f'not in {self._coco_file.name}'
        name, (width, height) = self._coco[key]
        picture = Picture('coco', key, name, height, width)
        return Place(picture, (width / vg_size[0], height / vg_size[1]), moved=True) if vg_size else Place(picture)


def _identity(image: dict, where: str) -> tuple[str, str]:
    """The source and the id of a picture, by its `data_source` if it has one, and its file name."""
    name = image.get('file_name')
    if not isinstance(name, str) or not name:
        raise ValueError(f'{where} has the file_name {name!r}')
    stem = PurePosixPath(name).stem
    match = _COCO_NAME.fullmatch(stem)
    source = image.get('data_source', 'coco' if match else 'vg')
    if source not in ('coco', 'vg'):
        raise ValueError(f"{where}: data_source should be 'coco' or 'vg', got {source!r}")
    if source == 'coco' and not match:
        raise ValueError(f'{where}: a picture of COCO should have a number of 12 digits in its file_name, got {name!r}')
    return source, checked_id(match[1] if source == 'coco' else stem, where)


def _rows(path: Path, id_key: str, keys: Iterable[str]) -> Iterable[tuple[str, dict[str, Any], tuple[int, int]]]:
    """(id, row, (width, height)) of each picture."""
    for place, row in enumerate(stream_items(path, 'images')):
        where = f'{path}: picture {place}'
        if not isinstance(row, dict):
            raise ValueError(f'{where} should be a table, got {row!r}')
        if missing := [key for key in (id_key, *keys) if key not in row]:
            raise ValueError(f'{where} has no {" and no ".join(missing)}')
        size = size_of(row)
        if size is None:
            raise ValueError(f'{where} has width {row.get("width")!r} and height {row.get("height")!r}')
        yield checked_id(row[id_key], where), row, size


def _reasons(files: Sequence[Path]) -> Mapping[str, str]:
    """Each id of the files with the name of the first file that has it."""
    reasons: dict[str, str] = {}
    for path in files:
        for key in read_ids(path):
            reasons.setdefault(key, f'listed in {path.name}')
    return reasons
