"""What is made of a run's record at its end: COCO json, CSV, and the files of the MOT challenge."""
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from ..annotations.annotation_file import read_coco
from ..files import free_name, replace_file
from .detections import Detections
from .file_forms import COLUMNS, csv_rows, csv_text, encode_masks, json_text, mot_rows
from .record import Entry, Record


def write_csv(record: Record, path: Path, score_thr: float) -> None:
    """Write a row for each detection above a score, with the columns of `file_forms.COLUMNS`."""
    with replace_file(path) as file:
        file.write(csv_text(COLUMNS))
        for entry in record.entries():
            for row in csv_rows(_above(entry, score_thr), entry.source, entry.frame, entry.caption):
                file.write(csv_text(row))


def write_mot(record: Record, folder: Path) -> list[Path]:
    """Write a file for each video or folder with tracks, in the form of the MOT challenge."""
    lines_of: dict[str, list[bytes]] = {}
    names: dict[str, str] = {}
    for entry in record.entries():
        if entry.frame is not None and entry.detections.ids is not None:
            if entry.unit not in names:
                name = entry.name if entry.rate is not None else Path(entry.unit).name
                names[entry.unit] = free_name(name, names.values())
            lines_of.setdefault(entry.unit, []).extend(map(csv_text, mot_rows(entry.detections, entry.frame)))
    paths = []
    for unit, lines in lines_of.items():
        path = folder / f'{names[unit]}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as file:
            file.write(b''.join(lines))
        paths.append(path)
    return paths


class CocoFiles:
    """The record in COCO's form: a list of results, and a complete file with images and categories.

    Args:
        record: The record.
        classes: Names of the classes; None if the detections name phrases, which become the categories then.
        ann_file: An annotation file, of which images (by file name) and categories (by name) keep their ids.

    Raises:
        ValueError: The annotation file lacks an image or a class.
    """

    def __init__(self, record: Record, classes: Sequence[str] | None, ann_file: Path | None = None) -> None:
        self.record, self.ann_file = record, ann_file
        self.categories = {name: number for number, name in enumerate(classes or (), 1)}
        self.image_ids: dict[str, int] | None = None
        if ann_file is not None:
            content = read_coco(str(ann_file), check_boxes=False)
            known = {row['name']: row['id'] for row in content['categories']}
            if lacking := [name for name in self.categories if name not in known]:
                raise ValueError(f'{ann_file} has no category {lacking[0]!r}, which the model predicts')
            self.categories = known
            self.image_ids = {row['file_name']: row['id'] for row in content['images']}
        for entry in record.entries():
            for name in entry.detections.names:
                self.categories.setdefault(name, len(self.categories) + 1)

    def write_results(self, path: Path) -> None:
        """Write a list with image_id, category_id, bbox, score and, if there are masks, segmentation."""
        with replace_file(path) as file:
            _write_list(file, (row for image_id, entry in self._images() for row in self._results(image_id, entry)))

    def write_file(self, path: Path) -> None:
        """Write images, annotations with `score`, and categories; of videos also `videos`, and of tracks
        `instance_id`, as mmdet's video data sets have them."""
        videos: dict[str, int] = {}
        for entry in self.record.entries():
            if entry.frame is not None:
                videos.setdefault(entry.sequence, len(videos) + 1)
        categories = [dict(id=number, name=name) for name, number in self.categories.items()]
        with replace_file(path) as file:
            file.write(b'{"categories":' + json_text(categories) + b',\n')
            if videos:
                rows = [dict(id=number, name=name) for name, number in videos.items()]
                file.write(b'"videos":' + json_text(rows) + b',\n')
            file.write(b'"images":')
            _write_list(file, (_image(number, entry, videos) for number, entry in self._images()))
            file.write(b',\n"annotations":')
            _write_list(file, self._annotations())
            file.write(b'}\n')

    def _images(self) -> Iterator[tuple[int, Entry]]:
        for number, entry in enumerate(self.record.entries(), 1):
            if self.image_ids is None:
                yield number, entry
                continue
            yield self.known_id(entry.source), entry

    def known_id(self, source: str) -> int:
        """The id that the annotation file gives an image."""
        known = [name for name in (source, *_ends(source)) if name in self.image_ids]
        if not known:
            raise ValueError(f'{self.ann_file} has no image {Path(source).name}')
        return self.image_ids[known[0]]

    def _results(self, image_id: int, entry: Entry) -> Iterator[dict]:
        detections = entry.detections
        codes = None if detections.masks is None else encode_masks(detections.masks)
        for row, ((x1, y1, x2, y2), score, name) in enumerate(zip(
                detections.boxes.tolist(), detections.scores.tolist(), detections.names, strict=True)):
            yield dict(image_id=image_id, category_id=self.categories[name],
                       bbox=[round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)], score=round(score, 5),
                       **({} if codes is None else dict(segmentation=codes[row])),
                       **({} if detections.ids is None else dict(instance_id=int(detections.ids[row]))))

    def _annotations(self) -> Iterator[dict]:
        number = 0
        for image_id, entry in self._images():
            for row in self._results(image_id, entry):
                number += 1
                yield dict(id=number, iscrowd=0, area=round(row['bbox'][2] * row['bbox'][3], 2), **row)


def _image(number: int, entry: Entry, videos: dict[str, int]) -> dict:
    height, width = entry.detections.shape
    of_video = {} if entry.frame is None else dict(video_id=videos[entry.sequence], frame_id=entry.frame)
    name = entry.source if entry.rate is None else f'{entry.label}.jpg'
    return dict(id=number, file_name=name, width=width, height=height, **of_video,
                **({} if entry.caption is None else dict(caption=entry.caption)))


def _ends(path: str) -> Iterator[str]:
    """Shorter and shorter ends of a path: 'a/b/c.jpg', 'b/c.jpg', 'c.jpg'."""
    parts = Path(path).parts
    return ('/'.join(parts[start:]) for start in range(1, len(parts)))


def _write_list(file: BinaryIO, rows: Iterable[dict]) -> None:
    separator = b'[\n'
    for row in rows:
        file.write(separator + json_text(row))
        separator = b',\n'
    file.write(b'[]' if separator == b'[\n' else b'\n]')


def _above(entry: Entry, score_thr: float) -> Detections:
    detections = entry.detections
    return detections if detections.ids is not None else detections.above(score_thr)
