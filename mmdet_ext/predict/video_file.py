"""Videos that browsers play: H.264 in MP4."""
import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np


class VideoFile:
    """An MP4 file, which is there under its name once it is closed.

    Frames of another size than the first are scaled to it.

    Args:
        path: The file, ending in .mp4.
        rate: Frames per second.

    Raises:
        OSError: The file cannot be written.
    """

    def __init__(self, path: Path, rate: float) -> None:
        import av  # only now: it takes a while

        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.unfinished = path, path.with_name(f'.{path.name}')
        self.container = av.open(str(self.unfinished), 'w', format='mp4', options=dict(movflags='faststart'))
        self.stream = self.container.add_stream('libx264', rate=Fraction(rate).limit_denominator(1001),
                                                options=dict(crf='20', preset='veryfast'))
        self.stream.pix_fmt = 'yuv420p'
        self.stream.codec_context.time_base = Fraction(1, 90000)
        self.size: tuple[int, int] | None = None
        self.last = -1

    def write(self, image: np.ndarray, seconds: float) -> None:
        """Add a frame (H, W, 3), uint8, BGR, that is shown from this second on."""
        import av

        if self.size is None:
            height, width = image.shape[:2]
            self.size = width + width % 2, height + height % 2  # H.264 wants even sides
            self.stream.width, self.stream.height = self.size
        width, height = self.size
        if image.shape[0] in (height, height - 1) and image.shape[1] in (width, width - 1):
            image = cv2.copyMakeBorder(image, 0, height - image.shape[0], 0, width - image.shape[1],
                                       cv2.BORDER_REPLICATE)
        else:
            image = cv2.resize(image, self.size)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format='bgr24')
        frame.time_base = Fraction(1, 90000)
        frame.pts = self.last = max(round(seconds * 90000), self.last + 1)
        self.container.mux(self.stream.encode(frame))

    def close(self) -> None:
        """Finish the file; without a frame, or if it cannot be written to its end, none is left."""
        try:
            if self.size is not None:
                self.container.mux(self.stream.encode())
            self.container.close()
            if self.size is not None:
                os.replace(self.unfinished, self.path)
        finally:
            self.unfinished.unlink(missing_ok=True)
