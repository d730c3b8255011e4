"""Recognise the format of a source and read it."""
from collections.abc import Callable
from pathlib import Path

from .captions import read_captions, read_grounding_files
from .coco_json import read_coco_files
from .csv_rows import read_csv_files
from .listing import LABEL_FOLDERS, Listing
from .recognise import CAPTION_KINDS, FORMATS, choose_format, kinds_of_files
from .records import Labels, Problems
from .tool_json import read_createml_files, read_labelme_files, read_via_files
from .voc_xml import read_voc_files
from .yolo_txt import read_yolo_files

_READERS: dict[str, Callable[[Listing, list[Path], Path, Problems], Labels]] = dict(
    coco=read_coco_files, voc=read_voc_files, labelme=read_labelme_files, createml=read_createml_files,
    via=read_via_files, csv=read_csv_files)


def read_labels(listing: Listing, source: Path, data_format: str | None, problems: Problems) -> Labels:
    """The labels of a source.

    Args:
        listing: Files of its folder.
        source: The folder, or one label file there, which is then the only one that is read.
        data_format: Key of FORMATS, or None: the first of which there are files.

    Raises:
        ValueError: The format is not recognised, or the labels as such cannot be read.
    """
    if not listing.files:
        raise ValueError(f'{listing.root} has no file: give the folder that has the images and their labels')
    kinds = kinds_of_files(listing, problems)
    if not kinds and listing.images and (labels := _labels_beside(listing.root)):
        raise ValueError(f'{listing.root} has images, but no labels. If these are in {labels}, give {labels.parent}')
    if not source.is_dir():
        chosen = {kind: [source] for kind, files in kinds.items() if source in files}
        if not chosen:
            reason = next((f': {problem.value}' for problem in problems if problem.file == problems.name(source)), '')
            raise ValueError(f'{source} is no file of labels that is known{reason}')
        others = {kind: files for kind, files in kinds.items() if kind not in chosen}
        kinds = {**others, **chosen} if data_format == 'captions' or set(chosen) <= set(CAPTION_KINDS) \
            else chosen
        data_format = data_format or next((kind for kind in FORMATS if kind in chosen), 'captions')
    chosen_format = choose_format(kinds, data_format, source)
    if not listing.images and 'yaml' not in kinds:
        raise ValueError(f'{listing.root}: there is no image in it. Put the images beside the labels, or give the '
                         'folder that has both')
    if chosen_format == 'captions':
        return _read_captions(listing, kinds, source, problems)
    others = [FORMATS[kind] for kind in FORMATS if kind in kinds and kind != chosen_format]
    if others:
        problems.note(f'There are also files that may be {", ".join(others)}: they are not read. Choose a format to '
                      'read these instead.')
    return _read_boxes(chosen_format, listing, kinds, source, problems)


def _labels_beside(folder: Path) -> Path | None:
    """The folder of labels beside that of images, or beside the one above it as in images/train, labels/train."""
    for parent in (folder.parent, folder.parent.parent):
        for path in sorted(parent.iterdir()):
            if path.is_dir() and path.name.lower() in LABEL_FOLDERS:
                return path
    return None


def _read_boxes(kind: str, listing: Listing, kinds: dict[str, list[Path]], source: Path, problems: Problems) -> Labels:
    if kind == 'yolo':
        return read_yolo_files(listing, kinds, problems)
    return _READERS[kind](listing, kinds[kind], source, problems)


def _read_captions(listing: Listing, kinds: dict[str, list[Path]], source: Path, problems: Problems) -> Labels:
    if 'grounding' in kinds:
        return read_grounding_files(listing, kinds['grounding'], problems)
    kind = next((kind for kind in FORMATS if kind in kinds and kind not in ('csv', 'captions')), None)
    boxes = None
    if kind is None and 'csv' in kinds and 'coco captions' not in kinds:
        try:
            boxes = read_csv_files(listing, kinds['csv'], source, Problems(listing.root))
        except ValueError:  # a CSV of captions only
            boxes = None
    elif kind is not None:
        boxes = _read_boxes(kind, listing, kinds, source, problems)
    return read_captions(listing, kinds, boxes, problems)
