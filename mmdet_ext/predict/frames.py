"""The images of sources, one after another, read ahead in a thread."""
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar
from urllib.error import URLError
from urllib.request import urlopen

import cv2
import numpy as np

from ..image_files import read_image
from .sources import Source

T = TypeVar('T')
_TIMEOUT = 30  # seconds
_LEAST_SHARE = 0.9  # of a video's frames; the number in its header is an estimate


@dataclass(frozen=True)
class Frame:
    """An image, or a frame of a video.

    Attributes:
        source: Where it comes from.
        index: Number from 0 of the frame in its video, or of the image in a folder that is tracked; else None.
        image: (H, W, 3) uint8, BGR.
        rate: Frames per second of the video; None for an image.
        seconds: Since the first frame; of a stream by the clock.
    """
    source: Source
    index: int | None
    image: np.ndarray
    rate: float | None = None
    seconds: float = 0.

    @property
    def path(self) -> str | None:
        """Path of the image, which `Detections` keep; None for a frame of a video or stream."""
        return self.source.name if self.source.kind == 'image' else None


def read_frames(source: Source, limit: int | None = None) -> Iterator[Frame]:
    """The image of a source, or the frames of a video or stream.

    Args:
        source: The source.
        limit: The most frames of a video or stream.

    Raises:
        OSError: It cannot be opened.
        ValueError: It cannot be decoded, or a video ends before its header says so; what came before was given.
    """
    if source.kind == 'image':
        yield Frame(source, None, _download(source.name) if '://' in source.name else read_image(source.name))
        return
    capture = cv2.VideoCapture(int(source.name) if source.name.isdecimal() else source.name)
    if not capture.isOpened():
        named = f'camera {source.name}' if source.name.isdecimal() else source.name
        raise OSError(f'{named} cannot be opened: OpenCV reads no video there')
    try:
        rate, count, start = capture.get(cv2.CAP_PROP_FPS), 0, time.monotonic()
        rate = rate if 0 < rate <= 1000 else 25.
        for image in islice(_images(capture), limit):
            seconds = time.monotonic() - start if source.kind == 'stream' else count / rate
            yield Frame(source, count, image, rate, seconds)
            count += 1
        expected = num_frames(source, capture) if source.kind == 'video' else None
        if count == 0 or (expected and count != limit and count < _LEAST_SHARE * expected):
            raise ValueError(f'{source.name} ends after {count} of {expected or "an unknown number of"} frames: the '
                             'file is damaged, or its codec is unknown to OpenCV')
    finally:
        capture.release()


def _images(capture: cv2.VideoCapture) -> Iterator[np.ndarray]:
    while True:
        is_read, image = capture.read()
        if not is_read:
            return
        yield image


def num_frames(source: Source, capture: cv2.VideoCapture | None = None) -> int | None:
    """How many images a source says that it has; None if that is unknown or without end."""
    if source.kind != 'video':
        return 1 if source.kind == 'image' else None
    capture = capture or cv2.VideoCapture(source.name)
    count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
    return int(count) if 0 < count < 1e9 else None


def read_ahead(items: Iterable[T], count: int, is_live: Callable[[T], bool] = lambda item: False) -> Iterator[T]:
    """The items of an iterable, which a thread takes from it up to `count` ahead; its exception is raised here.

    A live item gives way to the next one if nobody has taken it by then.
    """
    queue, stopped = Queue(max(count, 1)), Event()

    def put(item: tuple, live: bool = False) -> None:
        while not stopped.is_set():
            try:
                return queue.put(item, timeout=0 if live else 0.2)
            except Full:
                with suppress(Empty):
                    live and queue.get_nowait()

    def work() -> None:
        try:
            for item in items:
                put((item, None, False), is_live(item))
                if stopped.is_set():
                    return
        except BaseException as error:  # for the other thread
            put((None, error, True))
        else:
            put((None, None, True))

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error, is_last = queue.get()
            if error is not None:
                raise error
            if is_last:
                return
            yield item
    finally:
        stopped.set()
        thread.join(2)


def _download(address: str) -> np.ndarray:
    try:
        with urlopen(address, timeout=_TIMEOUT) as answer:
            content = answer.read()
    except URLError as error:
        raise OSError(f'{address} cannot be read: {error.reason}') from error
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if image is None:
        raise ValueError(f'{address} is no image that OpenCV can decode')
    return image
