"""CSV: a row per box, with or without a header, as Roboflow, TensorFlow, RetinaNet, makesense and Open Images have it.
"""
import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from .listing import IMAGE_SUFFIXES, Listing, split_word
from .records import BAD_FILE, BAD_ROW, NO_IMAGE, NO_NUMBER, LabelledBox, LabelledImage, Labels, Problems
from .texts import number_of, read_text, size_from

# Columns by the names that they have in files, in lower case without other signs than letters and digits.
_NAMES = dict(
    image=('filename', 'imagename', 'imagepath', 'filepath', 'imagefilename', 'imageid', 'imagefile', 'image', 'file',
           'path', 'img', 'imgpath', 'frame', 'imgname', 'fname', 'id'),
    label=('class', 'label', 'labelname', 'classname', 'category', 'categoryname', 'name', 'object', 'classid',
           'labels', 'categoryid', 'tag'),
    x1=('xmin', 'x1', 'x0', 'left', 'minx', 'bboxxmin', 'bboxx1', 'topleftx', 'xtl', 'startx', 'bboxleft'),
    y1=('ymin', 'y1', 'y0', 'top', 'miny', 'bboxymin', 'bboxy1', 'toplefty', 'ytl', 'starty', 'bboxtop'),
    x2=('xmax', 'x2', 'right', 'maxx', 'bboxxmax', 'bboxx2', 'bottomrightx', 'xbr', 'endx', 'bboxright'),
    y2=('ymax', 'y2', 'bottom', 'maxy', 'bboxymax', 'bboxy2', 'bottomrighty', 'ybr', 'endy', 'bboxbottom'),
    x=('bboxx', 'x', 'boxx'), y=('bboxy', 'y', 'boxy'),
    w=('bboxwidth', 'bboxw', 'w', 'boxwidth', 'boxw'), h=('bboxheight', 'bboxh', 'h', 'boxheight', 'boxh'),
    width=('imagewidth', 'imgwidth', 'imwidth', 'width'), height=('imageheight', 'imgheight', 'imheight', 'height'),
    bbox=('bbox', 'box', 'boundingbox'), split=('split', 'set', 'subset', 'usage', 'dataset'),
    caption=('caption', 'text', 'sentence', 'description', 'comment', 'prompt'),
    phrase=('phrase', 'words', 'expression', 'entity'))
# Columns of texts that are no classes where none of them is.
_NO_CLASSES = {'source', 'url', 'imageurl', 'license', 'date', 'author', 'annotator', 'userid', 'coordinates', 'rater',
               'timestamp', 'datecaptured', 'comment', 'id', 'bboxid', 'uuid'}
ONE_CLASS = 'object'  # of boxes in a file without a column of classes
_CORNERS, _SIZED = ('x1', 'y1', 'x2', 'y2'), ('x', 'y', 'w', 'h')


class Table(NamedTuple):
    """A CSV file with columns of our names, all texts, the line of its first row, and names of other columns of texts.
    """
    rows: pd.DataFrame
    first_line: int
    others: list[str]

    @property
    def has_classes(self) -> bool:
        return bool({'label', 'phrase'} & set(self.rows))


def read_csv_files(listing: Listing, files: list[Path], source: Path, problems: Problems) -> Labels:
    """Read CSV files of boxes; those that have none are left out.

    Raises:
        ValueError: No file has the columns that are needed; says which were seen.
    """
    images: dict[Path, LabelledImage] = {}
    used, refused = [], []
    for path in files:
        try:
            table = read_table(path)
            missing = missing_columns(table)
        except ValueError as error:
            refused.append(f'{path}: {error}')
            continue
        if missing:
            refused.append(f'{path}: {missing}')
            continue
        used.append(path)
        if not table.has_classes:
            problems.note(f'{problems.name(path)} has no column of classes: all boxes are of one class, '
                          f'{ONE_CLASS!r}.')
        _read_rows(table, path, listing, images, problems)
    if not used:
        raise ValueError(f'{"; ".join(refused[:3])}. A CSV needs one row per box with the columns filename, class, '
                         'xmin, ymin, xmax, ymax')
    for text in refused:
        problems.add(Path(text.partition(': ')[0]), '', text.partition(': ')[2], BAD_FILE)
    return Labels('CSV', ', '.join(map(problems.name, used[:3])), None, list(images.values()))


def read_table(path: Path) -> Table:
    """Read a CSV as texts; the separator and whether there is a header are guessed.

    Raises:
        ValueError: The file is empty, or its columns are not known.
    """
    text = read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), None)
    if first is None:
        raise ValueError('the file is empty')
    separator = max(',;\t|', key=first.count)
    lines = list(csv.reader(io.StringIO(text, newline=''), delimiter=separator, skipinitialspace=True))
    width = max(map(len, lines))
    rows = pd.DataFrame([line + [''] * (width - len(line)) for line in lines]).map(str.strip)
    begin = next(number for number, row in enumerate(rows.itertuples(index=False)) if any(row))
    names, others = [re.sub('[^a-z0-9]', '', name.lower()) for name in rows.iloc[begin]], []
    columns = _columns(names)
    if 'image' in columns and len(columns) > 1:
        head, rows = rows.iloc[begin], rows.iloc[begin + 1:]
        first_line = begin + 2
        others = [head[number] for number, name in enumerate(names) if number not in columns.values()
                  and name not in _NO_CLASSES and _has_texts(rows[number])]
    else:
        columns, first_line = _without_header(rows.iloc[begin:]), begin + 1
        rows = rows.iloc[begin:]
    if not columns:
        raise ValueError(f'the columns {list(rows.iloc[0]) if len(rows) else []} are not known')
    table = rows[list(columns.values())].set_axis(list(columns), axis=1).reset_index(drop=True)
    return Table(table, first_line, others)


def missing_columns(table: Table) -> str:
    """Why a table is none of boxes, or ''."""
    columns = set(table.rows.columns)
    if 'image' not in columns:
        return f'no column names the image, there are {sorted(columns)}'
    if not table.has_classes and table.others:
        return (f'no column is called class. Is it {" or ".join(map(repr, table.others))}? Call it class, or take it '
                'out if all boxes are of one class')
    if not (columns.issuperset(_CORNERS) or columns.issuperset(_SIZED) or 'bbox' in columns):
        return f'there are no columns of boxes, only {sorted(columns)}'
    return ''


def has_boxes(table: Table) -> bool:
    """Whether a table has boxes, and what they show."""
    return table.has_classes and not missing_columns(table)


def has_captions_only(path: Path) -> bool:
    """Whether a CSV is a table of images and captions without boxes."""
    try:
        table = read_table(path)
    except ValueError:
        return False
    return 'caption' in table.rows and not has_boxes(table)


def _has_texts(column: pd.Series) -> bool:
    return any(value and number_of(value) is None for value in column.head(50))


def _columns(names: list[str]) -> dict[str, int]:
    """The number of each column that is known, by our name."""
    columns = {}
    for column, known in _NAMES.items():
        name = next((name for name in known if name in names), None)
        if name is not None and names.index(name) not in columns.values():
            columns[column] = names.index(name)
    if 'bbox' not in columns and 'x1' not in columns and 'w' not in columns and {'x', 'y', 'width'} <= columns.keys():
        columns['w'], columns['h'] = columns.pop('width'), columns.pop('height')
    if {'x1', 'w'} <= columns.keys() and 'x2' not in columns:
        columns['x'], columns['y'] = columns.pop('x1'), columns.pop('y1')
    return columns


def _without_header(rows: pd.DataFrame) -> dict[str, int]:
    """The columns of RetinaNet's (path, x1, y1, x2, y2, class), of makesense's (class, x, y, w, h, name, width, height)
    or of pairs of image and caption."""

    def is_number(column: int) -> bool:
        values = rows[column][rows[column] != ''].head(50)
        return bool(len(values)) and sum(number_of(value) is not None for value in values) * 2 > len(values)

    kinds = ''.join('n' if is_number(column) else 't' for column in range(rows.shape[1]))
    if re.fullmatch('tnnnn[tn]', kinds):
        return dict(image=0, x1=1, y1=2, x2=3, y2=4, label=5)
    if re.fullmatch('[tn]nnnntnn', kinds):
        return dict(label=0, x=1, y=2, w=3, h=4, image=5, width=6, height=7)
    if kinds == 'tt' and Path(rows.iloc[0, 0]).suffix.lower() in IMAGE_SUFFIXES:
        return dict(image=0, caption=1)
    return {}


def _read_rows(table: Table, path: Path, listing: Listing, images: dict[Path, LabelledImage],
               problems: Problems) -> None:
    relative = _is_relative(table.rows)
    paths_of: dict[str, list[Path]] = {}
    for number, row in enumerate(table.rows.to_dict('records'), table.first_line):
        if not any(row.values()):
            continue
        name, place = row['image'], f'line {number}'
        if name not in paths_of:
            paths_of[name] = listing.find_image(name, path)
        if not paths_of[name]:
            problems.add(path, place, name or 'no name of an image', NO_IMAGE)
            continue
        image_path = paths_of[name][0]
        if image_path not in images:
            split = split_word(row.get('split', '')) or listing.split_of(path, image_path, by_name=True)
            size = None if relative else size_from(row.get('width'), row.get('height'))
            images[image_path] = LabelledImage(image_path, path, split, size, relative=relative)
        box = read_box(row, place, path, problems)
        if box is not None:
            images[image_path].boxes.append(box)


def read_box(row: dict[str, str], place: str, file: Path, problems: Problems) -> LabelledBox | None:
    """The box of a row; None if it has none, or a broken one, which is noted."""
    if 'bbox' in row:
        texts = re.findall(r'[^\s,;\[\]()]+', row['bbox'])
    else:
        texts = [row[column] for column in (_CORNERS if 'x1' in row else _SIZED)]
    label = (row.get('label') or row.get('phrase') or '').strip() if {'label', 'phrase'} & row.keys() else ONE_CLASS
    if not any(texts):
        return None  # an image without boxes
    value = ','.join([*texts, label])
    sides = [number_of(text) for text in texts]
    if len(sides) != 4 or not label:
        problems.add(file, place, value, BAD_ROW)
        return None
    if None in sides:
        problems.add(file, place, value, NO_NUMBER)
        return None
    x, y, right, bottom = sides
    if 'x1' not in row:
        right, bottom = x + right, y + bottom
    return LabelledBox(label, (x, y, right, bottom), place, value, phrase=row.get('phrase') or None)


def _is_relative(rows: pd.DataFrame) -> bool:
    """Whether all boxes are fractions of the image's size: none is above 1, and not all are 0 or 1."""
    if 'x1' not in rows and 'x' not in rows:
        return False
    columns = _CORNERS if 'x1' in rows else _SIZED
    values = pd.to_numeric(rows[list(columns)].stack(), errors='coerce').dropna()
    return bool(len(values)) and values.quantile(0.98) <= 1 and bool((values % 1 != 0).any())
