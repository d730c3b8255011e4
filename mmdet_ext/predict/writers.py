"""What is written while a run goes on: an image or video with the detections drawn, and YOLO's labels."""
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..drawing import draw_objects, tracer
from ..files import replace_file
from ..image_files import WRITTEN, write_image
from .detections import Detections
from .frames import Frame
from .record import Entry
from .video_file import VideoFile

DrawCaption = Callable[[np.ndarray, Detections, str], np.ndarray]


class DrawnFiles:
    """OUT/drawn: images as images, videos as videos.

    Args:
        folder: The folder.
        score_thr: Score above which detections are drawn.
        draw_caption: Draws an image, its detections and the caption.
    """

    def __init__(self, folder: Path, score_thr: float, draw_caption: DrawCaption | None = None) -> None:
        self.folder, self.score_thr, self.draw_caption = folder, score_thr, draw_caption
        self.video: VideoFile | None = None
        self.trace = None

    def write(self, entry: Entry, frame: Frame, detections: Detections) -> None:
        """Draw the detections of an image or frame."""
        shown = detections if detections.ids is not None else detections.above(self.score_thr)
        if entry.caption is not None and self.draw_caption is not None:
            drawn = self.draw_caption(frame.image, shown, entry.caption)
        else:
            if shown.ids is not None and self.trace is None:
                self.trace = tracer(frame.image.shape)
            drawn = draw_objects(frame.image, shown.boxes, shown.labels, shown.names, shown.scores, shown.masks,
                                 shown.ids, trace=self.trace)
        if frame.source.kind == 'image':
            suffix = Path(entry.source).suffix.lower()
            path = self.folder / f'{entry.name}{suffix if suffix in WRITTEN else ".jpg"}'
            path.parent.mkdir(parents=True, exist_ok=True)
            write_image(path, drawn)
            return
        if self.video is None:
            self.video = VideoFile(self.folder / f'{entry.name}.mp4', frame.rate)
        self.video.write(drawn, frame.seconds)

    def end(self) -> None:
        """Finish the video of a unit, and forget its tracks."""
        video, self.video, self.trace = self.video, None, None
        if video is not None:
            video.close()


class LabelFiles:
    """OUT/labels: a file in YOLO's form for each image or frame, and classes.txt with the names.

    Args:
        folder: The folder.
        score_thr: Score above which detections are written.
        with_scores: Whether each line ends with the score.
        classes: The names.
    """

    def __init__(self, folder: Path, score_thr: float, with_scores: bool, classes: Sequence[str] | None) -> None:
        self.folder, self.score_thr, self.with_scores = folder, score_thr, with_scores
        folder.mkdir(parents=True, exist_ok=True)
        if classes is not None:
            self._write('classes', ''.join(f'{name}\n' for name in classes))

    def write(self, entry: Entry, frame: Frame, detections: Detections) -> None:
        """Write the labels of an image or frame; of one without detections an empty file."""
        shown = detections if detections.ids is not None else detections.above(self.score_thr)
        self._write(entry.label, shown.to_yolo(self.with_scores))

    def end(self) -> None:
        pass

    def _write(self, name: str, content: str) -> None:
        path = self.folder / f'{name}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(path) as file:
            file.write(content.encode())
