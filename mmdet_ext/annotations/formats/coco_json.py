"""COCO json: one file, or one per split, as Roboflow, CVAT, Label Studio and cocodataset.org write it.

It is not read by supervision's `DetectionDataset.from_coco`, which ends at the first bad row without naming it.
"""
from collections import defaultdict
from pathlib import Path
from typing import Any

from pycocotools import mask as coco_mask

from ..annotation_file import is_box, size_of
from ..mask_checks import outline_problem
from .listing import Listing
from .records import (BAD_ROW, KEPT, NO_IMAGE, NO_IMAGE_OF_LABELS, NO_NUMBER, SAME_NAME, UNKNOWN_CLASS, LabelledBox,
                      LabelledImage, Labels, Problems)

_NO_CLASS = {'background', '__background__', '_background_', '__ignore__', '_ignore_'}


def read_coco_files(listing: Listing, files: list[Path], source: Path, problems: Problems) -> Labels:
    """Read COCO files; categories of one name are one class, whatever their ids."""
    files = _chosen(listing, files, problems)
    names: dict[str, None] = {}
    images, roots = [], set()
    for path in files:
        content = listing.take_json(path)
        categories = _categories(content, path, problems)
        rows = _rows_by_image(content, path, problems)
        roots |= _project_names(content)
        names.update(dict.fromkeys(categories.values()))
        images += _images(listing, path, content, categories, rows, problems)
    with_boxes = {box.label for image in images for box in image.boxes}
    for name in [name for name in names if name not in with_boxes and (name in roots or name.lower() in _NO_CLASS)]:
        del names[name]
        problems.note(f'The category {name!r} has no box and names no objects: it is left out of the classes.')
    listed = ', '.join(problems.name(path) for path in files[:3]) + (', ...' if len(files) > 3 else '')
    return Labels('COCO json', listed, list(names), images)


def _chosen(listing: Listing, files: list[Path], problems: Problems) -> list[Path]:
    """Of the files of cocodataset.org those with instances; key points and stuff repeat their images."""
    instances = [path for path in files if path.stem.startswith('instances')]
    chosen = instances or [path for path in files if listing.json(path).get('annotations')] or files
    if others := [problems.name(path) for path in files if path not in chosen]:
        problems.note(f'Not read, because other files have the boxes: {", ".join(others)}.')
    return chosen


def _categories(content: dict, file: Path, problems: Problems) -> dict[Any, str]:
    """Names of the classes by their ids."""
    names = {}
    categories = content.get('categories')
    for number, row in enumerate(categories if isinstance(categories, list) else ()):
        if not isinstance(row, dict) or not _hashable(row.get('id')) or row.get('id') is None:
            problems.add(file, f'categories row {number}', row, BAD_ROW)
            continue
        name = str(row.get('name') if row.get('name') not in (None, '') else f'class_{row["id"]}').strip()
        names[row['id']] = name
    if not names:
        raise ValueError(f'{file}: categories is missing or empty, so that the classes have no names: write '
                         '"categories": [{"id": 1, "name": "..."}, ...]')
    return names


def _project_names(content: dict) -> set[str]:
    """Roboflow's category 0, which is only the supercategory of the others."""
    rows = [row for row in content['categories'] if isinstance(row, dict)]
    parents = {row.get('supercategory') for row in rows if isinstance(row.get('supercategory'), str)}
    return {row['name'] for row in rows if row.get('supercategory') == 'none' and row.get('name') in parents}


def _rows_by_image(content: dict, file: Path, problems: Problems) -> dict[Any, list[tuple[int, dict]]]:
    """The annotations and their row numbers by the id of the image."""
    rows = defaultdict(list)
    annotations = content.get('annotations')
    for number, row in enumerate(annotations if isinstance(annotations, list) else ()):
        if isinstance(row, dict) and _hashable(row.get('image_id')):
            rows[row.get('image_id')].append((number, row))
        else:
            problems.add(file, f'annotations row {number}', row, BAD_ROW)
    return rows


def _images(listing: Listing, file: Path, content: dict, categories: dict[Any, str], rows: dict[Any, list],
            problems: Problems) -> list[LabelledImage]:
    images, seen = [], set()
    for number, row in enumerate(content['images']):
        place = f'images row {number}'
        if not (isinstance(row, dict) and _hashable(row.get('id')) and isinstance(row.get('file_name'), str)):
            problems.add(file, place, row, BAD_ROW)
            continue
        if row['id'] in seen:
            problems.add(file, place, f'id {row["id"]!r} stands twice', BAD_ROW)
            continue
        seen.add(row['id'])
        paths = listing.find_image(row['file_name'], file)
        parts = rows.pop(row['id'], [])
        if not paths:
            problems.add(file, f'{place} (id {row["id"]!r})', row['file_name'], NO_IMAGE)
            continue
        if len(paths) > 1:
            problems.add(file, place, f'{row["file_name"]}: {", ".join(map(problems.name, paths[:3]))}; the first is '
                         'taken', SAME_NAME, KEPT)
        image = LabelledImage(paths[0], file, listing.split_of(file, paths[0], by_name=True), size_of(row))
        image.boxes = [box for number, part in parts
                       if (box := _box(part, number, row, categories, file, problems)) is not None]
        images.append(image)
    for image_id, parts in rows.items():
        for number, row in parts:
            problems.add(file, _place(number, row), f'image_id {image_id!r} is no image of the file',
                         NO_IMAGE_OF_LABELS)
    return images


def _box(row: dict, number: int, image: dict, categories: dict[Any, str], file: Path,
         problems: Problems) -> LabelledBox | None:
    place, category = _place(number, row), row.get('category_id')
    if not _hashable(category) or category not in categories:
        problems.add(file, place, f'category_id {category!r}', UNKNOWN_CLASS)
        return None
    size = size_of(image)
    segmentation = row.get('segmentation') or None
    if segmentation is not None and outline_problem(segmentation, *(size or (0, 0))):
        segmentation = None  # the box is what counts
    bbox = row.get('bbox')
    if not bbox and segmentation is not None:
        bbox = _extent(segmentation)
    if not is_box(bbox):
        kind = NO_NUMBER if isinstance(bbox, list) and len(bbox) == 4 else BAD_ROW
        problems.add(file, place, f'bbox {bbox!r}', kind)
        return None
    x, y, w, h = bbox
    area = row.get('area')
    area = area if isinstance(area, (int, float)) and 0 < area < float('inf') else None
    return LabelledBox(categories[category], (x, y, x + w, y + h), place, f'bbox {bbox}', segmentation, area,
                       row.get('iscrowd') in (1, True))


def _extent(segmentation: list | dict) -> list[float]:
    """The box of a segmentation that has none."""
    if isinstance(segmentation, dict):
        code = segmentation
        if isinstance(code['counts'], list):
            code = coco_mask.frPyObjects(code, *code['size'])
        return coco_mask.toBbox(code).tolist()
    xs = [x for polygon in segmentation for x in polygon[::2]]
    ys = [y for polygon in segmentation for y in polygon[1::2]]
    return [min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)] if xs else []


def _place(number: int, row: dict) -> str:
    return f'annotations row {number}' + (f' (id {row["id"]!r})' if 'id' in row else '')


def _hashable(value: object) -> bool:
    return not isinstance(value, (list, dict))
