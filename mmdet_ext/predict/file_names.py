"""Names for the files that a run writes of its images and videos."""
import re
from itertools import chain, count

_FRAME = re.compile(r'(.*)_\d{6,}', re.DOTALL)  # the labels of a video's frames are NAME_000000.txt, ...


class FileNames:
    """Names that nothing else in a run has, also when labels of frames and the file `classes` lie beside them."""

    def __init__(self) -> None:
        self.taken = {'classes'}
        self.videos: set[str] = set()
        self.like_frames: set[str] = set()

    def choose(self, name: str, is_video: bool) -> str:
        """`name`, with a number from 2 behind it where it is taken; it is taken from then on."""
        numbered = chain([name], (f'{name}-{number}' for number in count(2)))
        chosen = next(free for free in numbered if not self._is_taken(free, is_video))
        self.take(chosen, is_video)
        return chosen

    def take(self, name: str, is_video: bool) -> None:
        """Mark a name as taken."""
        self.taken.add(name)
        if is_video:
            self.videos.add(name)
        elif match := _FRAME.fullmatch(name):
            self.like_frames.add(match[1])

    def _is_taken(self, name: str, is_video: bool) -> bool:
        match = _FRAME.fullmatch(name)
        return name in self.taken or (match and match[1] in self.videos) or (is_video and name in self.like_frames)
