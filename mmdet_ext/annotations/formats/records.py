"""What the readers of the formats give: images with boxes as they stand in the files, and what is wrong with them."""
import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ...files import replace_file

SPLITS = ('train', 'val', 'test')
LEFT_OUT, KEPT, CLIPPED, SCALED, TURNED, MERGED = 'left out', 'kept', 'clipped', 'scaled', 'turned', 'merged'
# Kinds of problems. Those in BROKEN_BOX and BROKEN_IMAGE count as broken rows.
BROKEN_BOX = ('row cannot be read', 'coordinate is no number', 'min is above max', 'box has no area',
              'box lies outside the image', 'class is not known', 'shape is no box')
BROKEN_IMAGE = ('image is missing', 'image cannot be read', 'label file cannot be read', 'label file without image',
                'size differs from the image')
(BAD_ROW, NO_NUMBER, REVERSED, NO_AREA, OUTSIDE, UNKNOWN_CLASS, NO_BOX) = BROKEN_BOX
(NO_IMAGE, BAD_IMAGE, BAD_FILE, NO_IMAGE_OF_LABELS, OTHER_SIZE) = BROKEN_IMAGE
STICKS_OUT, SAME_BOX, NOT_NAMED = 'box sticks out of the image', 'box stands twice', 'box is not named in the caption'
NO_LABELS, SAME_NAME, SAME_IMAGE = 'image without labels', 'several images of this name', 'the same image again'
NO_NAMED_BOX = 'caption names no box'
NOTE = 'note'


class Problem(NamedTuple):
    """Something wrong in a label file, and what was done about it.

    file: Path of the file, as given or below the source.
    row: Where it stands there, such as 'line 3' or 'annotations row 5 (id 7)'; '' if it is the file as such.
    value: What stands there.
    kind: One of the kinds of this module.
    action: 'left out', 'kept', 'clipped', ...
    """
    file: str
    row: str
    value: str
    kind: str
    action: str = LEFT_OUT

    def __str__(self) -> str:
        row = f', {self.row}' if self.row else ''
        return f'{self.file}{row}: {self.kind}' + (f': {self.value}' if self.value else '')


class Problems:
    """All problems of a data set, in the order in which they were met.

    Args:
        root: Folder that the paths of files are relative to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rows: list[Problem] = []

    def __iter__(self) -> Iterator[Problem]:
        return iter(self.rows)

    def __len__(self) -> int:
        return sum(problem.kind != NOTE for problem in self.rows)

    def add(self, file: Path, row: str, value: object, kind: str, action: str = LEFT_OUT) -> None:
        text = value if isinstance(value, str) else repr(value)
        self.rows.append(Problem(self.name(file), row, text[:200], kind, action))

    def note(self, text: str) -> None:
        """A remark for the page about the data set as such."""
        self.rows.append(Problem('', '', text, NOTE, KEPT))

    def name(self, file: Path) -> str:
        """The path of a file below the root, or as it is."""
        return str(file.relative_to(self.root)) if file.is_relative_to(self.root) else str(file)

    def notes(self) -> list[str]:
        return [problem.value for problem in self.rows if problem.kind == NOTE]

    def counts(self) -> Counter[tuple[str, str]]:
        """Numbers of problems by kind and action, without notes."""
        return Counter((problem.kind, problem.action) for problem in self.rows if problem.kind != NOTE)

    def first(self, kind: str, action: str | None = None) -> Problem | None:
        return next((problem for problem in self.rows if problem.kind == kind and action in (None, problem.action)),
                    None)

    def write(self, path: Path) -> None:
        """Write a CSV of them; it opens in a spreadsheet, also with names in other scripts."""
        text = io.StringIO(newline='')
        writer = csv.writer(text)
        writer.writerow(Problem._fields)
        writer.writerows(problem for problem in self.rows if problem.kind != NOTE)
        with replace_file(path) as file:
            file.write(text.getvalue().encode('utf-8-sig', 'surrogateescape'))


@dataclass(slots=True)
class LabelledBox:
    """A box as a file gives it.

    label: Name of its class.
    box: (x1, y1, x2, y2), in pixels, or in fractions of the image's size if the image is `relative`.
    row, value: Where it stands and how, for problems.
    segmentation: Polygons [[x, y, ...], ...] in the same unit, or a run-length mask of COCO.
    area: In pixels; None: that of the polygons or of the box.
    phrase: What names it in the caption of its image; None: the name of its class.
    spans: Characters [begin, end) of the caption that name it; None: to be looked for.
    """
    label: str
    box: tuple[float, float, float, float]
    row: str
    value: object
    segmentation: list[list[float]] | dict | None = None
    area: float | None = None
    crowd: bool = False
    phrase: str | None = None
    spans: list[list[int]] | None = None


@dataclass(slots=True)
class LabelledImage:
    """An image with its boxes.

    path: The image.
    file: The file that labels it.
    split: 'train', 'val' or 'test', or None where the data do not say.
    size: (width, height) that the file says; None: it does not.
    relative: Whether boxes are fractions of the size.
    has_labels: False if there is no file of labels for it.
    caption: The text that it is paired with; an image with several ones comes several times.
    fields: Further fields of its row in MDETR's format.
    """
    path: Path
    file: Path
    split: str | None = None
    size: tuple[int, int] | None = None
    boxes: list[LabelledBox] = field(default_factory=list)
    relative: bool = False
    has_labels: bool = True
    caption: str | None = None
    fields: dict = field(default_factory=dict)


class Labels(NamedTuple):
    """What a reader gives.

    format: Name of the format, such as 'YOLO txt'.
    detail: Which files it was read from.
    classes: Names in their order; None: those that the boxes have, sorted.
    """
    format: str
    detail: str
    classes: list[str] | None
    images: list[LabelledImage]
