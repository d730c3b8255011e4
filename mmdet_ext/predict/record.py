"""The record of a run: a line of json for each finished image, from which a run goes on and all tables are made."""
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..files import append, replace_file
from ..unfinished import differences
from .detections import Detections
from .file_forms import decode_masks, encode_masks, json_text
from .file_names import FileNames
from .frames import Frame
from .pipeline import Unit


@dataclass(frozen=True)
class Entry:
    """A line of the record.

    Attributes:
        unit: Key of the unit.
        source: Path, address or number of a camera.
        name: Of the files that are written, without suffix; frames of a video share it.
        frame: As `Frame.index`.
        rate: Frames per second; None for images.
        caption: What was looked for; None without captions.
        detections: The detections.
    """
    unit: str
    source: str
    name: str
    frame: int | None
    rate: float | None
    caption: str | None
    detections: Detections

    @property
    def sequence(self) -> str:
        """The video, or the folder of an image."""
        return self.source if self.rate is not None else str(Path(self.source).parent)

    @property
    def label(self) -> str:
        """Name of this image alone: frames of a video have their number in it, images keep theirs."""
        return self.name if self.frame is None or self.rate is None else f'{self.name}_{self.frame:06d}'


class Record:
    """The file OUT/predictions.jsonl.

    Args:
        path: The file.
        settings: What the predictions depend on, as json. They are the first line.
        resume: Whether to go on with the file of an earlier run. Units that it did not finish are dropped from it.

    Attributes:
        finished: Keys of the units that an earlier run has finished.

    Raises:
        ValueError: The file is of a run with other settings, or damaged.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], *, resume: bool = False) -> None:
        self.path = path
        self.finished: set[str] = set()
        self.names: dict[str, str] = {}  # of files, by unit or, in a folder that is tracked, by source
        self.file_names = FileNames()
        settings = json.loads(json.dumps(settings))
        if resume and path.is_file():
            self._go_on(settings)
        else:
            with replace_file(path) as file:
                file.write(_line(dict(settings=settings)))

    def name_of(self, unit: Unit, frame: Frame) -> str:
        """The name of the files of an image or video, which nothing else in the run has."""
        key = unit.key if len(unit.sources) == 1 else frame.source.name
        if key not in self.names:
            name = '/'.join(part for part in (frame.source.folder, frame.source.stem) if part)
            self.names[key] = self.file_names.choose(name, frame.source.kind != 'image')
        return self.names[key]

    def entry(self, unit: Unit, frame: Frame, detections: Detections, caption: str | None) -> Entry:
        """The entry of an image, which is in the file once it was added."""
        return Entry(unit.key, frame.source.name, self.name_of(unit, frame), frame.index, frame.rate, caption,
                     detections)

    def add(self, unit: Unit, entry: Entry) -> None:
        """Write the line of an image, after all else that is written of it."""
        self._append(_plain(entry))
        if unit.is_single:
            self.finished.add(unit.key)

    def finish(self, unit: Unit) -> None:
        """Write that all of a unit is there."""
        self._append(dict(finished=unit.key))
        self.finished.add(unit.key)

    def entries(self) -> Iterator[Entry]:
        """The entries, read from the file one by one."""
        with open(self.path, 'rb') as file:
            for line in file:
                content = json.loads(line)
                if 'source' in content:
                    yield _entry(content)

    def _append(self, content: Mapping[str, Any]) -> None:
        append(self.path, _line(content))

    def _go_on(self, settings: dict) -> None:
        with open(self.path, 'rb') as file:
            lines = [line for line in file if line.endswith(b'\n')]  # the last one may be cut off
        try:
            contents = [json.loads(line) for line in lines]
            earlier = contents[0]['settings']
        except (ValueError, LookupError, TypeError) as error:
            raise ValueError(f'{self.path} is damaged: delete it to predict all again') from error
        if changed := differences(earlier, settings):
            raise ValueError(f'{self.path} is of a run with other settings: {"; ".join(changed)}. Give the same ones '
                             'with --resume, or another --out')
        self.finished = {content['finished'] for content in contents if 'finished' in content}
        self.finished |= {content['unit'] for content in contents if content.get('single')}
        kept = [content for content in contents[1:] if content.get('unit', content.get('finished')) in self.finished]
        for content in kept:
            if 'source' in content:
                in_folder = content['frame'] is not None and content['rate'] is None
                self.names[content['source' if in_folder else 'unit']] = content['name']
                self.file_names.take(content['name'], content['rate'] is not None)
        with replace_file(self.path) as file:
            file.writelines([lines[0], *map(_line, kept)])


def has_entries(path: Path) -> bool:
    """Whether there is a record at `path`, of at least one image."""
    if not path.is_file():
        return False
    with open(path, 'rb') as file:
        return len(file.readline()) > 0 and len(file.readline()) > 0


def _line(content: Mapping[str, Any]) -> bytes:
    return json_text(content) + b'\n'


def _plain(entry: Entry) -> dict:
    detections = entry.detections
    return dict(
        unit=entry.unit, source=entry.source, name=entry.name, frame=entry.frame, rate=entry.rate,
        single=entry.frame is None, caption=entry.caption, shape=[int(side) for side in detections.shape],
        boxes=np.round(detections.boxes.astype(float), 2).tolist(),
        scores=np.round(detections.scores.astype(float), 5).tolist(), labels=detections.labels.tolist(),
        names=detections.names, **({} if detections.ids is None else dict(ids=detections.ids.tolist())),
        **({} if detections.masks is None else dict(masks=encode_masks(detections.masks))))


def _entry(content: Mapping[str, Any]) -> Entry:
    shape = tuple(content['shape'])
    detections = Detections(
        np.float32(content['boxes']).reshape(-1, 4), np.float32(content['scores']), np.int64(content['labels']),
        content['names'], content['source'], shape,
        masks=decode_masks(content['masks'], shape) if 'masks' in content else None,
        ids=np.int64(content['ids']) if 'ids' in content else None)
    return Entry(content['unit'], content['source'], content['name'], content['frame'], content['rate'],
                 content['caption'], detections)
