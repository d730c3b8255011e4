"""What must hold of an annotation file in MDETR's format, and a list of what does not."""
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import NamedTuple

from ..text.positive_map import NUM_COLUMNS, span_tokens
from .coco_checks import clip_box

Spans = Sequence[Sequence[int]]
_ID = int | str
_KINDS = {int: 'a whole number', str: 'a text', list: 'a list', _ID: 'a number or a text', int | float: 'a number'}
# Boxes of published files stick out by rounding.
_TOLERANCE = 1.0


class Problem(NamedTuple):
    """One thing that is wrong: what kind of thing, at which image and annotation, in words."""
    kind: str
    where: str
    detail: str

    def __str__(self) -> str:
        return f'{self.where}: {self.detail}'


def check_tables(content: object, file: str) -> None:
    """Raise a ValueError if a file has no images, or rows that cannot be told apart or have fields of a wrong kind."""
    if not (isinstance(content, dict) and isinstance(content.get('images'), list) and content['images']):
        raise ValueError(f"{file}: 'images' is missing or empty: it is no annotation file of MDETR's format")
    check_rows(content, 'images', file, needed=dict(id=_ID, file_name=str),
               optional=dict(data_source=str, tokens_positive_eval=list))
    if 'annotations' in content:
        check_rows(content, 'annotations', file, needed=dict(id=_ID, image_id=_ID), optional=dict(iscrowd=int))


def check_rows(content: dict, table: str, file: str, *, needed: Mapping[str, type | UnionType],
               optional: Mapping[str, type | UnionType] | None = None) -> None:
    """Raise a ValueError unless a table is a list of rows with these fields, each of its type.

    Args:
        content: Of the json file.
        table: Key of the table.
        file: Name of the file, for errors.
        needed: Type of each field that every row has.
        optional: Type of fields that a row may leave out.
    """
    rows = content.get(table)
    if not isinstance(rows, list):
        raise ValueError(f'{file}: {table} should be a list, got {rows!r:.60}')
    # a tuple of types is faster to check than their union
    kinds = [(key, kind, getattr(kind, '__args__', kind)) for key, kind in {**needed, **(optional or {})}.items()]
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise ValueError(f'{file}: row {place} of {table} should be an object with fields, got {row!r:.60}')
        if missing := [key for key in needed if key not in row]:
            raise ValueError(f'{file}: row {place} of {table} has no {" and no ".join(missing)}')
        for key, kind, types in kinds:
            if key in row and not isinstance(row[key], types):
                name = row.get('id', f'in row {place}')
                raise ValueError(f'{file}: {key} of {name} of {table} should be {_KINDS[kind]}, got {row[key]!r:.60}')


def span_problem(span: object, caption: str) -> str:
    """What keeps `span` from being characters [begin, end) of the caption, or ''."""
    if not (isinstance(span, (list, tuple)) and len(span) == 2 and all(type(place) is int for place in span)):
        return f'{span!r} is not a span [begin, end)'
    begin, end = span
    if begin >= end:
        return f'span [{begin}, {end}) is empty or reversed'
    if begin < 0 or end > len(caption):
        return f'span [{begin}, {end}) is outside the caption of {len(caption)} characters, {caption!r}'
    return ''


def positive_spans(annotation: dict) -> Spans | None:
    """The spans of an annotation: `tokens_positive`, or `tokens` as CLEVR's files have it."""
    spans = annotation.get('tokens_positive', annotation.get('tokens'))
    return spans if isinstance(spans, (list, tuple)) else None


def size_of(image: dict) -> tuple[int, int] | None:
    """(width, height) of an image, which Flickr's files have as strings; None if they are no sizes."""
    try:
        width, height = int(image['width']), int(image['height'])
    except (KeyError, TypeError, ValueError):
        return None
    return (width, height) if width > 0 and height > 0 else None


def picture_folder(image: dict, folders: Mapping[str, str]) -> str | None:
    """The folder of an image: that of its `data_source`, or else `img`."""
    return folders.get(image.get('data_source'), folders.get('img'))


def grounding_problems(content: dict, *, folders: Mapping[str, str] | None = None,
                       offsets: Callable[[str], Sequence[Sequence[int]]] | None = None,
                       on_image: Callable[[], object] = lambda: None) -> Iterator[Problem]:
    """Everything that is wrong with a file.

    Args:
        content: Of the json file, which `check_tables` finds nothing wrong with.
        folders: Of the pictures, by `data_source`, or as 'img'; None: files are not looked for.
        offsets: The tokenizer: characters [start, end) of each token of a caption; None: tokens are not looked at.
        on_image: Called after each image.
    """
    images = {}
    for image in content['images']:
        if image['id'] in images:
            yield Problem('id twice', f'image {image["id"]}', 'images has this id twice')
        images[image['id']] = image
    yield from _id_problems(content.get('annotations', ()), images)
    rows = {}
    for annotation in content.get('annotations', ()):
        if not annotation.get('iscrowd', 0):
            rows.setdefault(annotation['image_id'], []).append(annotation)
    for image in content['images']:
        yield from _image_problems(image, folders)
        tokens = offsets(image['caption']) if offsets and isinstance(image.get('caption'), str) else None
        if tokens is not None and len(tokens) > NUM_COLUMNS:
            yield Problem('caption too long', _name(image), f'{len(tokens)} tokens, more than {NUM_COLUMNS}')
        for place, spans in enumerate(image.get('tokens_positive_eval', ())):
            yield from _span_problems(spans, image, f'{_name(image)}, tokens_positive_eval {place}', tokens)
        for annotation in rows.get(image['id'], ()):
            where = f'{_name(image)}, annotation {annotation["id"]}'
            yield from _span_problems(positive_spans(annotation), image, where, tokens)
            yield from _box_problems(annotation.get('bbox'), size_of(image), where)
        on_image()


def _name(image: dict) -> str:
    return f'image {image["id"]} ({image["file_name"]})'


def _id_problems(annotations: Sequence[dict], images: dict) -> Iterator[Problem]:
    seen = set()
    for annotation in annotations:
        where = f'image {annotation["image_id"]}, annotation {annotation["id"]}'
        if annotation['id'] in seen:
            yield Problem('id twice', where, 'annotations has this id twice')
        seen.add(annotation['id'])
        if annotation['image_id'] not in images:
            yield Problem('unknown image', where, 'there is no such image')


def _image_problems(image: dict, folders: Mapping[str, str] | None) -> Iterator[Problem]:
    caption = image.get('caption')
    if not (isinstance(caption, str) and caption.strip()):
        yield Problem('caption missing', _name(image), f'the caption is {caption!r}')
    if size_of(image) is None:
        yield Problem('size missing', _name(image), f'width {image.get("width")!r}, height {image.get("height")!r}')
    if folders is None:
        return
    folder = picture_folder(image, folders)
    if folder is None:
        yield Problem('file missing', _name(image), f'no folder is given for the data_source '
                      f'{image.get("data_source")!r}')
    elif not Path(folder, image['file_name']).is_file():
        yield Problem('file missing', _name(image), f'there is no {Path(folder, image["file_name"])}')


def _span_problems(spans: Spans | None, image: dict, where: str,
                   tokens: Sequence[Sequence[int]] | None) -> Iterator[Problem]:
    caption = image.get('caption')
    if not isinstance(spans, (list, tuple)):
        yield Problem('spans missing', where, 'there is no tokens_positive, and no tokens')
        return
    if not spans:
        yield Problem('spans missing', where, 'the list of spans is empty')
    for span in spans if isinstance(caption, str) else ():
        if problem := span_problem(span, caption):
            yield Problem('bad span', where, problem)
            continue
        begin, end = span
        if not caption[begin:end].strip():
            yield Problem('span on spaces', where, f'span [{begin}, {end}) covers nothing but spaces of {caption!r}')
        elif tokens is not None and not span_tokens(tokens, begin, end):
            yield Problem('span without token', where,
                          f'span [{begin}, {end}), {caption[begin:end]!r} of {caption!r}, has no token')


def _box_problems(bbox: object, size: tuple[int, int] | None, where: str) -> Iterator[Problem]:
    if size is None:
        return
    clipped, problem = clip_box(bbox, *size)
    if problem:
        yield Problem('bad box', where, f'bbox {bbox} {problem}')
        return
    x, y, width, height = bbox
    if max(abs(after - before) for after, before in zip(clipped, (x, y, x + width, y + height))) > _TOLERANCE:
        yield Problem('box sticks out', where, f'bbox {bbox} sticks out of the picture of {size[0]} x {size[1]}')
