"""Annotation files in COCO's and MDETR's formats: read and checked, with errors that name file, row, key and value.

Every data set and metric of this package reads its file here. A check tests the values of a key in all rows at once,
which is fast for a million rows. Only if it fails is the wrong row looked for.
"""
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from math import isfinite
from operator import itemgetter
from typing import Any, NamedTuple

from .annotation_json import load_json, paused_collector
from .mask_checks import outline_problem


class Field(NamedTuple):
    """A field of a row.

    key: Its name.
    types: Types that its value may have.
    meaning: The types in words, for errors.
    needed: Whether every row has it.
    """
    key: str
    types: tuple[type, ...]
    meaning: str
    needed: bool = True


ID = Field('id', (int, str), 'a whole number or a text')
FILE_NAME = Field('file_name', (str, ), 'a text')
SIZES = tuple(Field(key, (int, float), 'a number') for key in ('width', 'height'))
TEXT_SIZES = tuple(Field(key, (int, float, str), 'a number') for key in ('width', 'height'))  # as Flickr's files have
CATEGORY = (ID, Field('name', (str, ), 'a text'))
_NONE = type(None)
MAX_PIXELS = 2**31  # of a side
ANNOTATION = (
    ID, ID._replace(key='image_id'), Field('iscrowd', (int, float, bool, _NONE), '0 or 1', False),
    Field('area', (int, float, _NONE), 'a number', False), Field('ignore', (int, float, bool, _NONE), '0 or 1', False))
GROUNDING_IMAGE = (ID, FILE_NAME, Field('data_source', (str, ), 'a text', False),
                   Field('tokens_positive_eval', (list, ), 'a list', False))


def read_coco(file: str, backend_args: dict | None = None, *, check_boxes: bool = True) -> dict:
    """The content of a COCO annotation file, see `check_coco`."""
    content = load_json(file, backend_args)
    check_coco(content, file, check_boxes=check_boxes)
    return content


def read_grounding(file: str, backend_args: dict | None = None) -> dict:
    """The content of an annotation file in MDETR's format, see `check_grounding`."""
    content = load_json(file, backend_args)
    check_grounding(content, file)
    return content


def check_coco(content: object, file: str, *, check_boxes: bool = True, file_names: bool = True) -> None:
    """Check the content of a COCO annotation file, and complete it in place.

    A row without `area` (absent, null or 0) gets that of its box, one without `iscrowd` gets 0; sizes that are whole
    floats become ints. Without `annotations` the table is empty.

    Args:
        content: Of the file.
        file: Its name, for errors.
        check_boxes: Whether each `bbox` must be four finite numbers. Otherwise rows are not completed.
        file_names: Whether each image must have a `file_name`; LVIS's files have none.

    Raises:
        ValueError: For a missing or empty table, a field that is missing or of a wrong type, an id that comes twice, an
            `image_id` or `category_id` that belongs to no row; naming file, table, row, key and value.
    """
    with paused_collector():
        _check_object(content, file, ('images', 'categories'))
        check_rows(content, 'images', file, (ID, *SIZES, FILE_NAME._replace(needed=file_names)))
        check_rows(content, 'categories', file, CATEGORY)
        _check_annotations(content, file, ('images', 'categories'), check_boxes)


def check_grounding(content: object, file: str) -> None:
    """Check the content of an annotation file in MDETR's format, and complete it in place, as `check_coco` does.

    Sizes may be texts of digits. `categories` are not needed: annotations without `category_id` get 1.

    Raises:
        ValueError: As `check_coco`.
    """
    with paused_collector():
        check_grounding_fields(content, file)
        check_rows(content, 'images', file, TEXT_SIZES)
        _check_annotations(content, file, ('images', ), True)
        for row in content['annotations']:
            row.setdefault('category_id', 1)
        content.setdefault('categories', [dict(id=1, name='object')])


def check_grounding_fields(content: object, file: str) -> None:
    """Raise a ValueError if a file has no images, or rows that cannot be told apart or have fields of a wrong type."""
    _check_object(content, file, ('images', ))
    check_rows(content, 'images', file, GROUNDING_IMAGE)
    if 'annotations' in content:
        check_rows(content, 'annotations', file, ANNOTATION)


def check_rows(content: dict, table: str, file: str, fields: Sequence[Field]) -> None:
    """Raise a ValueError unless a table is a list of objects that have these fields, each of its type."""
    rows = content.get(table)
    if not isinstance(rows, list):
        raise ValueError(f'{file}: {table} should be a list, got {rows!r:.60}')
    if set(map(type, rows)) - {dict}:
        row_number, row = next((row_number, row) for row_number, row in enumerate(rows) if type(row) is not dict)
        raise ValueError(f'{file}: row {row_number} of {table} should be an object with fields, got {row!r:.60}')
    for field in fields:
        try:
            values = list(map(itemgetter(field.key), rows))
        except KeyError:
            if field.needed:
                row_number, row = next((row_number, row) for row_number, row in enumerate(rows) if field.key not in row)
                raise ValueError(f'{_row_name(file, table, row_number, row)} has no {field.key}') from None
            values = [row[field.key] for row in rows if field.key in row]
        if set(map(type, values)) - set(field.types):
            _refuse(rows, field.key, lambda value, types=field.types: type(value) in types, field.meaning, file, table)


def check_masks(content: dict, file: str, *, needed: bool) -> None:
    """Raise a ValueError if a `segmentation` is neither a list of polygons nor a run-length mask of its image.

    Polygons with fewer than three corners are accepted, as mmdet leaves them out.

    Args:
        content: Of a file that is checked already.
        file: Its name.
        needed: Whether each annotation must have one.
    """
    sizes = {image['id']: (image['width'], image['height']) for image in content['images']}
    for row_number, row in enumerate(content['annotations']):
        segmentation = row.get('segmentation')
        problem = outline_problem(segmentation, *sizes[row['image_id']])
        if problem or (needed and not segmentation):
            problem = problem or f'segmentation should be a mask, got {segmentation!r}'
            raise ValueError(f'{_row_name(file, "annotations", row_number, row)}: {problem}')


def match_categories(categories: Sequence[dict], classes: Sequence[str], file: str) -> list[int]:
    """The category id of each class.

    Their order must be the file's: mmdet's `CocoMetric` and its data sets number the classes in that order, whatever
    the order of `metainfo['classes']` is.

    Args:
        categories: The file's table, each with `id` and `name`.
        classes: `metainfo['classes']` of the data set.
        file: Annotation file, for the errors.
    """
    if isinstance(classes, str):
        raise ValueError(f"metainfo['classes'] is the string {classes!r}: one class is written ({classes!r},)")
    names = [category['name'] for category in categories]
    missing = [name for name in classes if name not in names]
    if missing:
        raise ValueError(f"{file}: metainfo['classes'] has {missing}, which are not among the file's {len(names)} "
                         f'categories {names}')
    chosen = [category for category in categories if category['name'] in classes]
    if len(chosen) != len(classes):
        raise ValueError(f"{file}: metainfo['classes'] has {len(classes)} classes and the file {len(chosen)} "
                         f'categories of these names: a name stands twice in {list(classes)} or in {names}')
    order = [category['name'] for category in chosen]
    if order != list(classes):
        raise ValueError(f"{file}: metainfo['classes'] must keep the order of the file's categories, {tuple(order)}, "
                         f'got {tuple(classes)}')
    return [category['id'] for category in chosen]


def size_of(image: dict) -> tuple[int, int] | None:
    """(width, height) of an image in pixels; the row may have them as texts of digits. None if they are no sizes."""
    sizes = _pixels(image.get('width')), _pixels(image.get('height'))
    return None if None in sizes else sizes


def size_problem(path: str, size: tuple[int, int], expected: tuple[int, int]) -> str:
    """How the (width, height) of an image differs from that of its annotation file, or '' if it does not."""
    if size == expected:
        return ''
    swapped = ': width and height are swapped (an EXIF orientation?)' if size == expected[::-1] else ''
    return (f'{path} has {size[0]} x {size[1]} pixels (width x height), the annotation file says {expected[0]} x '
            f'{expected[1]}{swapped}')


def is_box(bbox: object) -> bool:
    """Whether a value is a list of four finite numbers."""
    return (isinstance(bbox, (list, tuple)) and len(bbox) == 4 and {*map(type, bbox)} <= {int, float}
            and all(map(_is_finite, bbox)))


def _is_finite(number: int | float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:  # an int that no float holds
        return False


def _check_object(content: object, file: str, tables: Sequence[str]) -> None:
    if not isinstance(content, dict):
        raise ValueError(f'{file} is no annotation file: it should hold an object with {" and ".join(tables)}, got a '
                         f'{type(content).__name__}, {content!r:.60}')
    for table in tables:
        if content.get(table) in (None, []):
            raise ValueError(f'{file}: {table!r} is missing or empty')


def _check_annotations(content: dict, file: str, tables: Sequence[str], check_boxes: bool) -> None:
    """Check file names, sizes, ids, references and boxes, and complete the rows."""
    rows = content.setdefault('annotations', [])
    references = [(table, key) for table, key in (('images', 'image_id'), ('categories', 'category_id'))
                  if table in tables]
    check_rows(content, 'annotations', file, (*ANNOTATION, *(ID._replace(key=key) for _, key in references)))
    _check_images(content['images'], file)
    for table in (*tables, 'annotations'):
        _check_unique(content[table], file, table)
    for table, key in references:
        known = set(map(itemgetter('id'), content[table]))
        if not known.issuperset(map(itemgetter(key), rows)):
            _refuse(rows, key, known.__contains__, _known_id(table, known), file, 'annotations')
    _refuse_any(rows, 'iscrowd', lambda value: value in (None, 0, 1), '0 or 1', file, 'annotations')
    _refuse_any(rows, 'area', lambda value: value is None or (value >= 0 and _is_finite(value)),
                'a number of at least 0', file, 'annotations')
    if check_boxes:
        _check_boxes(rows, file)
        for row in rows:
            if not row.get('area'):
                row['area'] = row['bbox'][2] * row['bbox'][3]
            if row.get('iscrowd') is None:
                row['iscrowd'] = 0


def _check_images(images: Sequence[dict], file: str) -> None:
    _refuse_any(images, 'file_name', lambda name: name is None or (name and '\0' not in name), 'the name of a file',
                file, 'images')
    for key in ('width', 'height'):
        _refuse_any(images, key, _pixels, 'a positive whole number of pixels', file,
                    'images')
        for image in images:
            image[key] = _pixels(image[key])


def _check_unique(rows: Sequence[dict], file: str, table: str) -> None:
    if len(set(map(itemgetter('id'), rows))) < len(rows):
        ids = set()
        row_number, row = next((row_number, row) for row_number, row in enumerate(rows)
                               if row['id'] in ids or ids.add(row['id']))
        raise ValueError(f'{_row_name(file, table, row_number, row)}: {table} has this id twice')


def _check_boxes(rows: Sequence[dict], file: str) -> None:
    boxes = [row.get('bbox') for row in rows]
    try:
        if set(map(type, boxes)) <= {list} and set(map(len, boxes)) <= {4}:
            values = list(chain.from_iterable(boxes))
            if set(map(type, values)) <= {int, float} and all(map(isfinite, values)):
                return
    except OverflowError:
        pass
    _refuse(rows, 'bbox', is_box, 'four finite numbers (x, y, width, height)', file,
            'annotations')


def _refuse_any(rows: Sequence[dict], key: str, is_good: Callable[[Any], object], meaning: str, file: str,
                table: str) -> None:
    """`_refuse` if a value is not good; equal values are tested once."""
    if not all(map(is_good, {row.get(key) for row in rows})):
        _refuse(rows, key, is_good, meaning, file, table)


def _refuse(rows: Iterable[dict], key: str, is_good: Callable[[Any], object], meaning: str, file: str,
            table: str) -> None:
    """Raise a ValueError that names the first row whose value is not good."""
    row_number, row = next((row_number, row) for row_number, row in enumerate(rows) if not is_good(row.get(key)))
    raise ValueError(f'{_row_name(file, table, row_number, row)}: {key} should be {meaning}, got {row.get(key)!r:.60}')


def _row_name(file: str, table: str, row_number: int, row: dict) -> str:
    name = f' (id {row["id"]!r})' if 'id' in row else ''
    return f'{file}: row {row_number} of {table}{name}'


def _known_id(table: str, known: set) -> str:
    few = sorted(known, key=str)[:5]
    return f'one of the ids of {table}, {", ".join(map(repr, few))}{", ..." if len(known) > len(few) else ""}'


def _pixels(value: object) -> int | None:
    """A positive whole number of an int, a float or a text of digits, else None."""
    try:
        number = int(value) if isinstance(value, str) else value
        return int(number) if 0 < number < MAX_PIXELS and number % 1 == 0 else None
    except (TypeError, ValueError):
        return None
