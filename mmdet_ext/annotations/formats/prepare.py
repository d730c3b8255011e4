"""From a folder of labelled images in any usual format to checked COCO files for training, validation and test."""
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ...files import check_writable, replace_file
from .image_check import check_images
from .listing import Listing
from .page import write_page
from .read import read_labels
from .records import SPLITS, Labels, Problems
from .recognise import check_source
from .select import check_labels, classes_of, common_folder, refuse_broken
from .splits import assign_splits
from .write import coco_content, grounding_content, tie_to_captions, write_split

# To be raised by whatever changes what is written, so that older results are not taken for new ones.
VERSION = 1
_MANIFEST = 'prepared.json'


@dataclass(frozen=True)
class Split:
    """One set of images, in COCO's form on disk.

    Attributes:
        ann_file: COCO json, or for captions the json of `MDETRDataset`.
        image_folder: What the `file_name` of its images is relative to.
        num_images: Images; with captions pairs of image and caption.
        num_boxes: Boxes.
    """
    ann_file: Path
    image_folder: Path
    num_images: int
    num_boxes: int


@dataclass(frozen=True)
class PreparedData:
    """What `prepare_data` made.

    Attributes:
        kind: 'boxes' or 'captions'.
        format: Of the source, such as 'COCO json' or 'YOLO txt'.
        classes: Names, in the order of the files' categories.
        train: The training set.
        val: The validation set.
        test: The test set, or None.
        page: The check on one page, as in check.txt.
        num_problems: Rows of problems.csv.
    """
    kind: str
    format: str
    classes: tuple[str, ...]
    train: Split
    val: Split
    test: Split | None
    page: str
    num_problems: int


@dataclass(frozen=True)
class Prepared:
    """What an earlier `prepare_data` left in a folder.

    data: What it made.
    options: Its source, data_format, val_fraction and seed.
    out, digest, outside: The folder, and of which files it was made.
    """
    data: PreparedData
    options: dict
    out: Path
    digest: str
    outside: tuple[Path, ...]

    def is_complete(self) -> bool:
        """Whether the annotation files are there; a check alone writes none."""
        return all(split.ann_file.is_file() for split in (self.data.train, self.data.val, self.data.test) if split)

    def has_changed(self) -> bool:
        """Whether files of the source came, went or changed since."""
        source = Path(self.options['source'])
        return not source.exists() or self.digest != _listing(source, self.out).digest(_inside(self.outside))


def prepared_before(out: Path) -> Prepared | None:
    """What an earlier `prepare_data` left in a folder, or None."""
    out = Path(out).expanduser().absolute()
    try:
        content = json.loads((out / _MANIFEST).read_text(encoding='utf-8'))
        key, row = dict(content['key']), content['data']
        splits = {name: row[name] and Split(**row[name] | dict(
            ann_file=Path(row[name]['ann_file']), image_folder=Path(row[name]['image_folder']))) for name in SPLITS}
        data = PreparedData(**row | splits | dict(classes=tuple(row['classes'])))
        return Prepared(data, key, out, key.pop('digest'), tuple(map(Path, key.pop('outside'))))
    except (OSError, ValueError, KeyError, TypeError):  # not there, or of another version
        return None


def prepare_data(source: Path, out: Path, *, data_format: str | None = None, val_fraction: float = 0.2, seed: int = 0,
                 check_only: bool = False) -> PreparedData:
    """Find out the format of labelled images, check every image and box, split them, and write COCO files.

    `out` gets `annotations/train.json`, `val.json` and `test.json` if there is a test set, `check.txt` and
    `problems.csv`. Images stay where they are. If nothing changed since the last time, the files of `out` are kept.

    Args:
        source: Folder of images and labels, or a .json, .yaml or .csv file of labels.
        out: Folder that is written to; it is made.
        data_format: 'coco', 'yolo', 'voc', 'labelme', 'createml', 'via', 'csv' or 'captions'; None: the first of these
            of which there are files.
        val_fraction: Share of the validation set where the source has none, above 0 and below 1.
        seed: Of the division into sets.
        check_only: Write check.txt and problems.csv only; the `ann_file` of the result are then not there.

    Raises:
        ValueError: The format is not recognised, no image, no box, more than half of the rows or images are broken,
            one image is in two sets; with advice. What is broken stands in problems.csv then too.
        OSError: A folder or file is missing or cannot be written.
    """
    if not 0 < val_fraction < 1:
        raise ValueError(f'val_fraction should be above 0 and below 1, got {val_fraction}')
    source, out = Path(source).expanduser().absolute(), Path(out).expanduser().absolute()
    check_source(source)
    check_writable(out)
    options = dict(version=VERSION, source=str(source), data_format=data_format, val_fraction=val_fraction, seed=seed)
    before = prepared_before(out)
    if before and before.options == options and (check_only or before.is_complete()) and not before.has_changed():
        return before.data
    listing = _listing(source, out)
    problems = Problems(listing.root)
    try:
        labels = read_labels(listing, source, data_format, problems)
        prepared = _prepare(labels, listing, out, problems, val_fraction, seed, check_only)
    finally:
        problems.write(out / 'problems.csv')
    outside = sorted({path.parent for image in labels.images for path in (image.path, image.file)
                      if not path.is_relative_to(listing.root)})
    _save(out, prepared, options | dict(outside=list(map(str, outside)), digest=listing.digest(_inside(outside))))
    return prepared


def _prepare(labels: Labels, listing: Listing, out: Path, problems: Problems, val_fraction: float, seed: int,
             check_only: bool) -> PreparedData:
    with_captions = labels.format.startswith('captions')
    if not labels.images:
        refuse_broken(problems, 0, 0, out)
        raise ValueError(f'{listing.root}: no image has labels. Put the images beside their labels, or into the same '
                         'folder')
    files = check_images(list(dict.fromkeys(image.path for image in labels.images)), out / 'images.json')
    images = check_labels(labels, files, listing, problems)
    refuse_broken(problems, len(images), sum(len(image.boxes) for image in images), out)
    if with_captions:
        images = tie_to_captions(images, problems)
    if not any(image.boxes for image in images):
        raise ValueError(f'{listing.root}: none of {len(images)} images has a box that can be used; see '
                         f'{out / "problems.csv"}')
    classes = classes_of(labels, images, problems)
    sets, how = assign_splits(images, val_fraction, seed, problems)
    folder = common_folder([image.path for image in images])
    splits = {}
    for name, members in sets.items():
        content = (grounding_content if with_captions else coco_content)(members, classes, folder)
        ann_file = out / 'annotations' / f'{name}.json'
        splits[name] = Split(ann_file, folder, len(content['images']), len(content['annotations']))
        if not check_only:
            write_split(ann_file, content)
    page = write_page(out / 'check.txt', labels, listing.root, classes, sets, how, problems)
    return PreparedData('captions' if with_captions else 'boxes', labels.format, classes, splits['train'],
                        splits['val'], splits.get('test'), page, len(problems))


def _listing(source: Path, out: Path) -> Listing:
    """The files of the source; for a label file those of its folder, or of the folder above if images are only
    there."""
    if source.is_dir():
        return Listing(source, out)
    listing = Listing(source.parent, out)
    above = source.parent.parent
    if not listing.images and source.suffix.lower() not in ('.yaml', '.yml') and above not in (
            Path(above.anchor), Path.home()):
        return Listing(above, out)
    return listing


def _inside(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if path.is_file()]


def _save(out: Path, data: PreparedData, key: dict) -> None:
    row = asdict(data)
    for name in SPLITS:
        if row[name]:
            row[name] |= dict(ann_file=str(row[name]['ann_file']), image_folder=str(row[name]['image_folder']))
    with replace_file(out / _MANIFEST) as file:
        file.write(json.dumps(dict(key=key, data=row)).encode())
