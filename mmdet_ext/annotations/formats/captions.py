"""Captions with boxes, for MDETR: its own json, COCO's captions, a CSV of images and captions, or boxes alone."""
import copy
import re
from collections import defaultdict
from pathlib import Path

from ...text.wording import plural
from ..annotation_file import is_box, size_of
from ..coco_captions import clean_name
from ..grounding_checks import positive_spans, span_problem
from .csv_rows import has_boxes, read_box, read_table
from .listing import Listing, split_word
from .records import BAD_ROW, NO_IMAGE, NO_NUMBER, LabelledBox, LabelledImage, Labels, Problems

NEEDS_BOXES = ('MDETR learns which words name which box, so that captions need boxes. Give them in one of these ways: '
               'a CSV with the columns image, caption, phrase, xmin, ymin, xmax, ymax, a row per box; or boxes in any '
               'of the formats (COCO json, YOLO, VOC, ...) in the same folder, whose class names are words of the '
               'captions')


def read_grounding_files(listing: Listing, files: list[Path], problems: Problems) -> Labels:
    """Read MDETR's json: one image per caption, `tokens_positive` for each box."""
    images, files = [], _one_per_split(files)
    for path in files:
        content = listing.take_json(path)
        rows = defaultdict(list)
        for number, row in enumerate(content.get('annotations') or ()):
            if isinstance(row, dict):
                rows[row.get('image_id')].append((number, row))
        for number, row in enumerate(content['images']):
            place = f'images row {number}'
            if not (isinstance(row, dict) and isinstance(row.get('file_name'), str)
                    and isinstance(row.get('caption'), str)):
                problems.add(path, place, row, BAD_ROW)
                continue
            paths = listing.find_image(row['file_name'], path)
            if not paths:
                problems.add(path, place, row['file_name'], NO_IMAGE)
                continue
            image = LabelledImage(paths[0], path, listing.split_of(path, paths[0], by_name=True),
                                  size_of(row), caption=row['caption'])
            image.fields = {key: value for key, value in row.items()
                            if key not in ('id', 'file_name', 'width', 'height', 'caption', 'data_source')}
            image.boxes = [box for part in rows.get(row.get('id'), ())
                           if (box := _grounded_box(*part, row['caption'], path, problems))]
            images.append(image)
    return Labels('captions with boxes (MDETR json)', ', '.join(map(problems.name, files[:3])), ['object'], images)


def read_captions(listing: Listing, kinds: dict[str, list[Path]], boxes: Labels | None, problems: Problems) -> Labels:
    """Read captions, and tie them to boxes of the same images; without captions, they are made from the boxes later.

    Args:
        boxes: What another reader gives, or None if there are no boxes in another format.

    Raises:
        ValueError: There are captions, but no boxes.
    """
    pairs, form = [], ''
    for path in kinds.get('coco captions', ()):
        form = 'COCO captions'
        pairs += _coco_pairs(listing, path, problems)
    complete: list[LabelledImage] = []
    if not pairs:
        form = 'CSV'
        for path in (*kinds.get('csv captions', ()), *kinds.get('csv', ())):
            few, whole_images = _csv_pairs(listing, path, problems)
            pairs += few
            complete += whole_images
    if complete:
        return Labels('captions with boxes (CSV)', ', '.join(map(problems.name, kinds['csv'][:3])), None, complete)
    if not pairs:
        if boxes is None:
            raise ValueError(f'{listing.root}: no captions and no boxes were recognised. {NEEDS_BOXES}')
        return boxes._replace(format=f'captions made from boxes ({boxes.format})')
    if boxes is None or not any(image.boxes for image in boxes.images):
        raise ValueError(f'{pairs[0].file} has captions, but there are no boxes. {NEEDS_BOXES}')
    by_path = {image.path: image for image in boxes.images}
    images = []
    for pair in pairs:
        if labelled := by_path.get(pair.path):
            image = copy.copy(labelled)
            image.caption, image.split = pair.caption, pair.split or labelled.split
            images.append(image)
        else:
            problems.add(pair.file, pair.path.name, pair.caption or '', 'caption without boxes')
    return boxes._replace(format=f'captions ({form}) and boxes ({boxes.format})', images=images)


def name_spans(label: str, caption: str) -> list[list[int]]:
    """The characters [begin, end) of a caption that name a class or are a phrase, in singular or plural, in any case.

    >>> name_spans('dog', 'A dog runs after two dogs.')
    [[2, 5], [21, 25]]
    """
    name = clean_name(label) or label
    words = sorted({name, plural(name), label}, key=len, reverse=True)
    pattern = '|'.join(re.escape(word).replace(r'\ ', r'[\s-]+') for word in words)
    return [list(match.span()) for match in re.finditer(rf'(?<!\w)(?:{pattern})(?!\w)', caption, re.IGNORECASE)]


def _one_per_split(files: list[Path]) -> list[Path]:
    """The files of captions, if there are others of expressions or questions; ValueError if that cannot be told."""
    by_split = defaultdict(list)
    for path in files:
        by_split[split_word(path.stem)].append(path)
    chosen = []
    for paths in by_split.values():
        usual = [path for path in paths if path.stem.lower().startswith(('grounding', 'caption'))] or paths
        if len(usual) > 1:
            raise ValueError(f"{usual[0]} and {usual[1]} are both in MDETR's format: give the path of one, or a folder "
                             'with one for each set, such as grounding_train.json and grounding_val.json')
        chosen += usual
    return chosen


def _grounded_box(number: int, row: dict, caption: str, file: Path, problems: Problems) -> LabelledBox | None:
    place, bbox, spans = f'annotations row {number}', row.get('bbox'), positive_spans(row)
    if not is_box(bbox):
        problems.add(file, place, f'bbox {bbox!r}', NO_NUMBER)
        return None
    wrong = [problem for span in spans or () if (problem := span_problem(span, caption))]
    if spans is None or wrong:
        problems.add(file, place, wrong[0] if wrong else 'there is no tokens_positive', BAD_ROW)
        return None
    x, y, w, h = bbox
    segmentation = row.get('segmentation') if isinstance(row.get('segmentation'), list) else None
    return LabelledBox('object', (x, y, x + w, y + h), place, f'bbox {bbox}', segmentation or None,
                       crowd=bool(row.get('iscrowd')), spans=[list(span) for span in spans])


def _coco_pairs(listing: Listing, path: Path, problems: Problems) -> list[LabelledImage]:
    content = listing.take_json(path)
    names = {row['id']: row['file_name'] for row in content['images']
             if isinstance(row, dict) and isinstance(row.get('file_name'), str) and 'id' in row}
    pairs = []
    for number, row in enumerate(content['annotations']):
        name, place = names.get(row.get('image_id')), f'annotations row {number}'
        if name is None or not isinstance(row.get('caption'), str) or not row['caption'].strip():
            problems.add(path, place, row, BAD_ROW)
        elif paths := listing.find_image(name, path):
            split = listing.split_of(path, paths[0], by_name=True)
            pairs.append(LabelledImage(paths[0], path, split, caption=row['caption'].strip()))
        else:
            problems.add(path, place, name, NO_IMAGE)
    return pairs


def _csv_pairs(listing: Listing, path: Path, problems: Problems) -> tuple[list[LabelledImage], list[LabelledImage]]:
    """Pairs of image and caption without boxes, and those with boxes."""
    try:
        table = read_table(path)
    except ValueError:
        return [], []
    if 'caption' not in table.rows:
        return [], []
    boxed = has_boxes(table)
    pairs: dict[tuple[Path, str], LabelledImage] = {}
    for number, row in enumerate(table.rows.to_dict('records'), table.first_line):
        if not any(row.values()):
            continue
        place, caption = f'line {number}', row['caption']
        paths = listing.find_image(row['image'], path)
        if not paths or not caption:
            problems.add(path, place, row['image'], BAD_ROW if paths else NO_IMAGE)
            continue
        split = split_word(row.get('split', '')) or listing.split_of(path, paths[0], by_name=True)
        pair = pairs.setdefault((paths[0], caption), LabelledImage(paths[0], path, split, caption=caption))
        if boxed and (box := read_box(row, place, path, problems)):
            pair.boxes.append(box)
    return ([], list(pairs.values())) if boxed else (list(pairs.values()), [])
