"""Json of label tools: LabelMe (one file per image), CreateML (one per folder) and VGG's VIA.

They are not read by supervision's `from_labelme` and `from_createml`, which end at the first bad file.
"""
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from .listing import Listing
from .records import (BAD_ROW, KEPT, NO_BOX, NO_IMAGE, NO_NUMBER, SAME_NAME, LabelledBox, LabelledImage, Labels,
                      Problems)
from .texts import number_of, size_from
from .voc_xml import extent


def read_labelme_files(listing: Listing, files: list[Path], source: Path, problems: Problems) -> Labels:
    """Read LabelMe's files: rectangles, polygons and circles."""
    images = []
    for path in tqdm(files, desc='labels', unit='file', leave=False, disable=None):
        content = listing.take_json(path)
        name = content.get('imagePath') if isinstance(content.get('imagePath'), str) else ''
        hint = ' (only inside the json: write it out with labelme_export_json)' if content.get('imageData') else ''
        paths = listing.find_image(name, path) or listing.with_stem(path.stem, path)
        image = _image(paths, name + hint * (not paths), path, '', listing, problems, by_name=False)
        if image is not None:
            image.size = size_from(content.get('imageWidth'), content.get('imageHeight'))
            image.boxes = _boxes(content['shapes'], 'shape', _labelme_box, path, problems)
            images.append(image)
    return Labels('LabelMe json', f'{len(files)} files', None, images)


def read_createml_files(listing: Listing, files: list[Path], source: Path, problems: Problems) -> Labels:
    """Read CreateML's files, whose boxes have their centre, width and height in pixels."""
    images = []
    for path in files:
        for number, row in enumerate(listing.take_json(path)):
            place = f'row {number}'
            name = isinstance(row, dict) and (row.get('image') or row.get('imagefilename'))
            if not isinstance(name, str):
                problems.add(path, place, row, BAD_ROW)
                continue
            image = _image(listing.find_image(name, path), name, path, place, listing, problems)
            if image is not None:
                boxes = row.get('annotations', row.get('annotation')) or []
                image.boxes = _boxes(boxes, f'{place}, annotation', _createml_box, path, problems)
                images.append(image)
    return Labels('CreateML json', ', '.join(map(problems.name, files[:3])), None, images)


def read_via_files(listing: Listing, files: list[Path], source: Path, problems: Problems) -> Labels:
    """Read the projects and exports of VGG's VIA 2, json or CSV: rectangles, circles, ellipses and polygons."""
    images = []
    for path in files:
        for place, row in _via_rows(listing, path, problems):
            name, regions = row['filename'], row['regions']
            image = _image(listing.find_image(name, path), name, path, place, listing, problems)
            if image is not None:
                regions = regions.values() if isinstance(regions, dict) else regions
                image.boxes = _boxes(regions, f'{place}, region', _via_box, path, problems)
                images.append(image)
    return Labels('VIA json', ', '.join(map(problems.name, files[:3])), None, images)


def _via_rows(listing: Listing, path: Path, problems: Problems) -> Iterator[tuple[str, dict]]:
    """Name and content of each image's entry."""
    if path.suffix.lower() == '.json':
        content = listing.take_json(path)
        for key, row in content.get('_via_img_metadata', content).items():
            if isinstance(row, dict) and isinstance(row.get('filename'), str) and 'regions' in row:
                yield f'entry {key!r}', row
        return
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding='utf-8-sig')
    for name, rows in table.groupby('filename', sort=False):
        regions = []
        for index, row in rows.iterrows():
            try:
                regions.append({key: json.loads(row[f'region_{key}'] or '{}')
                                for key in ('shape_attributes', 'region_attributes')})
            except ValueError:
                problems.add(path, f'line {index + 2}', row['region_shape_attributes'], BAD_ROW)
        yield f'{name}', dict(filename=name, regions=[row for row in regions if row['shape_attributes']])


def _image(paths: list[Path], name: str, file: Path, place: str, listing: Listing, problems: Problems, *,
           by_name: bool = True) -> LabelledImage | None:
    if not paths:
        problems.add(file, place, name, NO_IMAGE)
        return None
    if len(paths) > 1:
        problems.add(file, place, f'{name}: {", ".join(map(problems.name, paths[:3]))}; the first is taken', SAME_NAME,
                     KEPT)
    return LabelledImage(paths[0], file, listing.split_of(file, paths[0], by_name=by_name))


def _boxes(rows: Any, place: str, read: Callable[[dict], tuple], file: Path, problems: Problems) -> list[LabelledBox]:
    """The boxes of rows; `read` gives the class, the corners (x1, y1, x2, y2) and the polygon, or raises a ValueError
    of the kind of the problem."""
    boxes = []
    for number, row in enumerate(rows):
        try:
            label, corners, polygon = read(row)
        except ValueError as error:
            problems.add(file, f'{place} {number}', row, str(error))
            continue
        except (TypeError, KeyError, AttributeError, IndexError):
            problems.add(file, f'{place} {number}', row, BAD_ROW)
            continue
        boxes.append(LabelledBox(label, corners, f'{place} {number}', json.dumps(row)[:200], polygon))
    return boxes


def _label(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)) or not str(value).strip():
        raise ValueError(BAD_ROW)
    return str(value).strip()


def _numbers(*values: object) -> tuple[float, ...]:
    parsed = tuple(map(number_of, values))
    if None in parsed:
        raise ValueError(NO_NUMBER)
    return parsed


def _labelme_box(shape: dict) -> tuple[str, tuple, list | None]:
    label, kind = _label(shape['label']), shape.get('shape_type') or 'polygon'
    points = [_numbers(*point[:2]) for point in shape['points']]
    if kind == 'circle' and len(points) == 2:
        (x, y), (edge_x, edge_y) = points
        return label, _around(x, y, *[math.hypot(edge_x - x, edge_y - y)] * 2), None
    if kind in ('rectangle', 'mask', 'rotation', 'oriented_rectangle') and len(points) >= 2:
        return label, extent(points), None
    if kind == 'polygon' and len(points) >= 3:
        return label, extent(points), [[value for point in points for value in point]]
    raise ValueError(NO_BOX)


def _createml_box(row: dict) -> tuple[str, tuple, None]:
    box = row['coordinates']
    x, y, w, h = _numbers(*(box[key] for key in ('x', 'y', 'width', 'height')))
    return _label(row['label']), _around(x, y, w / 2, h / 2), None


def _via_box(region: dict) -> tuple[str, tuple, list | None]:
    shape, label = region['shape_attributes'], _via_label(region['region_attributes'])
    kind = shape['name']
    if kind == 'rect':
        x, y, w, h = _numbers(*(shape[key] for key in ('x', 'y', 'width', 'height')))
        return label, (x, y, x + w, y + h), None
    if kind in ('circle', 'ellipse'):
        radii = (shape['r'], shape['r']) if kind == 'circle' else (shape['rx'], shape['ry'])
        x, y, rx, ry, angle = _numbers(shape['cx'], shape['cy'], *radii, shape.get('theta', 0))
        cos, sin = math.cos(angle), math.sin(angle)
        return label, _around(x, y, math.hypot(rx * cos, ry * sin), math.hypot(rx * sin, ry * cos)), None
    if kind == 'polygon' and len(shape['all_points_x']) >= 3:
        points = [_numbers(*point) for point in zip(shape['all_points_x'], shape['all_points_y'], strict=True)]
        return label, extent(points), [[value for point in points for value in point]]
    raise ValueError(NO_BOX)


def _via_label(attributes: dict) -> str:
    """The class: the attribute of a usual name, or the only one; of a checkbox the option that is ticked."""
    usual = [key for key in attributes if key.lower() in ('class', 'name', 'label', 'type', 'object', 'category')]
    keys = usual or list(attributes)
    if not usual and len(keys) != 1:
        raise ValueError(BAD_ROW)
    value = attributes[keys[0]]
    if isinstance(value, dict):
        ticked = [option for option, is_ticked in value.items() if is_ticked]
        value = ticked[0] if len(ticked) == 1 else ''
    return _label(value)


def _around(x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
    return x - rx, y - ry, x + rx, y + ry
