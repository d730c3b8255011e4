"""Which format the labels of a folder are in."""
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from .csv_rows import has_captions_only
from .listing import IMAGE_SUFFIXES, Listing
from .records import BAD_FILE, Problems

# In the order in which they are looked for: a format that names its images comes before one of bare rows.
FORMATS = dict(coco='COCO json', yolo='YOLO txt', voc='Pascal VOC xml', labelme='LabelMe json',
               createml='CreateML json', via='VIA json', csv='CSV', captions='captions')
CAPTION_KINDS = ('grounding', 'coco captions', 'csv captions')  # kinds of files that have captions
_ARCHIVES = {'.zip': 'unzip', '.tar': 'tar xf', '.gz': 'tar xf', '.tgz': 'tar xf', '.bz2': 'tar xf', '.xz': 'tar xf',
             '.rar': 'unrar x', '.7z': '7z x'}
_HINT = ('Formats that are read: COCO json, YOLO txt, Pascal VOC xml, LabelMe json, CreateML json, VIA json and CSV; '
         'export the labels again in one of these, with the images beside them')
_NUMBER_ROW = re.compile(rb'\s*\d+(\.0*)?([ \t]+[-+.\deEnNaAiIfF]+){4,}\s*$')


def json_kind(content: Any) -> str | None:
    """The format of the content of a json file, or None if it has no labels that can be read."""
    if isinstance(content, dict):
        return _object_kind(content)
    if not (isinstance(content, list) and content and isinstance(content[0], dict)):
        return None
    row = content[0]
    if ('image' in row or 'imagefilename' in row) and ('annotations' in row or 'annotation' in row):
        return 'createml'
    if 'data' in row and ('annotations' in row or 'completions' in row or 'predictions' in row):
        return 'label studio'
    return None


def _object_kind(content: dict) -> str | None:
    images, annotations = content.get('images'), content.get('annotations')
    if isinstance(images, list) and (isinstance(annotations, list) or 'categories' in content):
        if any(isinstance(image, dict) and 'caption' in image for image in images[:100]):
            return 'grounding'
        rows = [row for row in (annotations or [])[:100] if isinstance(row, dict)]
        if rows and all('caption' in row and 'bbox' not in row for row in rows):
            return 'coco captions'
        if rows and all('segments_info' in row for row in rows):
            return 'panoptic'
        return 'coco'
    if isinstance(content.get('shapes'), list):
        return 'labelme'
    values = content.get('_via_img_metadata', content)
    rows = list(values.values())[:3] if isinstance(values, dict) else []
    if rows and all(isinstance(row, dict) and 'regions' in row and 'filename' in row for row in rows):
        return 'via'
    return None


def kinds_of_files(listing: Listing, problems: Problems) -> dict[str, list[Path]]:
    """The label files of a folder by their format; a format may also be one that is only known by name."""
    kinds = defaultdict(list)
    for path in listing.of('.json'):
        try:
            kind = json_kind(listing.json(path))
        except (OSError, ValueError) as error:
            problems.add(path, '', str(error).removeprefix(f'{path}: '), BAD_FILE)
            continue
        if kind:
            kinds[kind].append(path)
    for path in listing.of('.xml'):
        if kind := _xml_kind(path):
            kinds[kind].append(path)
    kinds['yaml'] = [path for path in listing.of('.yaml', '.yml') if _is_data_yaml(path)]
    for path in listing.of('.csv', '.tsv'):
        kinds['via' if _is_via_csv(path) else 'csv captions' if has_captions_only(path) else 'csv'].append(path)
    stems = {path.stem.casefold() for path in listing.images}
    kinds['txt'] = [path for path in listing.of('.txt') if _has_boxes(path, path.stem.casefold() in stems)]
    if kinds['yaml'] or kinds['txt']:
        kinds['yolo'] = kinds['yaml'] or kinds['txt']
    return {kind: files for kind, files in kinds.items() if files}


def choose_format(kinds: dict[str, list[Path]], data_format: str | None, source: Path) -> str:
    """The key of FORMATS to read: the one that is asked for, or the first one there are files of.

    Raises:
        ValueError: There is none; says what was seen instead and what to do.
    """
    if data_format is not None and data_format not in FORMATS:
        raise ValueError(f'data_format should be one of {", ".join(FORMATS)}, got {data_format!r}')
    if data_format == 'captions':
        return 'captions'
    if data_format is not None:
        if data_format not in kinds:
            seen = ', '.join(FORMATS[kind] for kind in FORMATS if kind in kinds) or 'none that is known'
            raise ValueError(f'{source}: no labels in the format {FORMATS[data_format]}; there are: {seen}')
        return data_format
    for kind in FORMATS:
        if kind in kinds:
            return kind
    if any(kind in kinds for kind in CAPTION_KINDS):
        return 'captions'
    raise ValueError(f'{source}: {_what_else(kinds)}. {_HINT}')


def check_source(source: Path) -> None:
    """Raise a ValueError or OSError that says what to give instead, unless a path is a folder or a label file."""
    if not source.exists():
        parent = next((path for path in source.parents if path.is_dir()), None)
        inside = sorted(path.name for path in parent.iterdir() if not path.name.startswith('.'))[:8] if parent else []
        names = f'; {parent} has {", ".join(inside)}' if inside else ''
        raise FileNotFoundError(f'there is no {source}{names}')
    if source.is_dir():
        return
    suffix = source.suffix.lower()
    if suffix in _ARCHIVES:
        raise ValueError(f'{source} is an archive: unpack it ({_ARCHIVES[suffix]} {source.name}) and give the folder')
    if suffix in IMAGE_SUFFIXES:
        raise ValueError(f'{source} is one image: give the folder that has the images and their labels')
    if suffix not in ('.json', '.yaml', '.yml', '.csv', '.tsv'):
        raise ValueError(f'{source} is no .json, .yaml or .csv file: give one of these, or the folder that has the '
                         'images and their labels')


def _what_else(kinds: dict[str, list[Path]]) -> str:
    exports = {'label studio': "is in Label Studio's own json", 'cvat': "is in CVAT's own xml",
               'panoptic': 'holds panoptic segments, not boxes'}
    for kind, words in exports.items():
        if kind in kinds:
            return f'{kinds[kind][0].name} {words}, which is not read here'
    return 'no labels were recognised'


def _xml_kind(path: Path) -> str | None:
    with open(path, 'rb') as file:
        start = file.read(4096)
    if start.startswith((b'\xff\xfe', b'\xfe\xff')):
        start = start.decode('utf-16', 'replace').encode()
    root = re.search(rb'<([A-Za-z_]\w*)', re.sub(rb'<\?.*?\?>|<!--.*?-->', b'', start, flags=re.DOTALL))
    names = {b'annotation': 'voc', b'annotations': 'cvat'}
    return names.get(root[1]) if root else 'voc' if not start.strip() else None


def _is_data_yaml(path: Path) -> bool:
    """Whether a yaml names classes or splits; one that cannot be parsed counts, so that its error is said."""
    text = path.read_bytes()[:1 << 20]
    return bool(re.search(rb'^\s*["\']?(names|train)["\']?\s*:', text, re.MULTILINE))


def _is_via_csv(path: Path) -> bool:
    with open(path, 'rb') as file:
        return b'region_shape_attributes' in file.readline(1 << 16)


def _has_boxes(path: Path, names_image: bool) -> bool:
    """Whether the first row of a .txt is one of YOLO's; beside an image of its name it may also be broken, or empty."""
    with open(path, 'rb') as file:
        row = file.readline(1 << 16).removeprefix(b'\xef\xbb\xbf')
    if names_image:
        return not row.strip() or re.match(rb'\s*-?\d+(\.\d*)?\s', row) is not None
    return _NUMBER_ROW.match(row) is not None
