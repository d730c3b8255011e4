"""What a user names as the input of a prediction: images, folders, patterns, lists, videos, cameras and addresses."""
import csv
import glob
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlparse

import cv2

IMAGES = frozenset(('.jpg', '.jpeg', '.jpe', '.png', '.bmp', '.dib', '.webp', '.tif', '.tiff', '.ppm', '.pgm', '.pbm',
                    '.pnm', '.jp2', '.avif', '.hdr'))
VIDEOS = frozenset(('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.flv', '.ts', '.mts',
                    '.3gp', '.ogv', '.gif'))
LISTS = frozenset(('.txt', '.csv'))
WRONG = {'.py': 'a config', '.pth': 'a checkpoint', '.pt': 'a checkpoint', '.ckpt': 'a checkpoint',
         '.onnx': 'an exported model', '.json': 'an annotation file', '.pkl': 'a file of pickled objects'}
_SCHEMES = ('http', 'https', 'rtsp', 'rtsps', 'rtmp', 'udp', 'tcp', 'srt', 'mms')


@dataclass(frozen=True)
class Source:
    """An image, a video, or a stream without end.

    Attributes:
        name: Path, address, or number of a camera.
        kind: 'image', 'video' or 'stream'.
        folder: The part of the path below the folder that the user named, without the file's name: '' at its top.
        caption: What a list says to look for in it; None where it says nothing.
    """
    name: str
    kind: str
    folder: str = ''
    caption: str | None = None

    @property
    def stem(self) -> str:
        """The name without folder and suffix; 'camera-0' for a camera."""
        if self.name.isdecimal():
            return f'camera-{self.name}'
        address = urlparse(self.name)
        path = address.path if address.scheme in _SCHEMES else self.name
        return Path(path).stem or re.sub(r'\W+', '-', address.netloc)


def find_sources(names: Sequence[str], *, recursive: bool = False) -> tuple[list[Source], list[str]]:
    """The images and videos that a user's arguments stand for, in their order, each once.

    An argument is a file; a folder, of which images and videos are taken; a pattern with `*`, `?`, `[...]` or `**`; a
    list (.txt with a path in each line, .csv with columns `image` and, if there are captions, `caption`), whose paths
    start from its folder or else the current one; the number of a camera; or the address of a stream or image. Files of
    a folder or pattern are sorted as people count: 2 before 10.

    Args:
        names: The arguments.
        recursive: Whether folders below a folder are taken too.

    Returns:
        The sources, and a message for each line of a list that names nothing.

    Raises:
        FileNotFoundError: An argument names nothing.
        ValueError: It is neither image nor video, or an empty folder or list.
    """
    sources, problems = {}, []
    for name in names:
        listed = Path(name).suffix.lower() in LISTS and Path(name).is_file()
        inside, missing = _from_list(Path(name), recursive) if listed else (_expand(name, recursive), [])
        if not inside and not missing:
            raise ValueError(f'{name} is an empty list: it names no image and no video')
        problems += missing
        for source in inside:
            sources.setdefault((identity(source), source.caption), source)
    return list(sources.values()), problems


def identity(source: Source) -> str:
    """The absolute path of a file, the name of anything else."""
    path = Path(source.name)
    return str(path.resolve()) if path.exists() else source.name


def natural_key(path: str) -> list[tuple[int, int, str]]:
    """Sorts numbers in names by their value."""
    return [(0, int(part), '') if part.isdecimal() else (1, 0, part)
            for part in re.split(r'(\d+)', path.casefold()) if part]


def _expand(name: str, recursive: bool) -> list[Source]:
    if urlparse(name).scheme in _SCHEMES:
        suffix = Path(urlparse(name).path).suffix.lower()
        return [Source(name, 'image' if suffix in IMAGES else 'video' if suffix in VIDEOS else 'stream')]
    path = Path(name).expanduser()
    if path.is_dir():
        return _in_folder(path, recursive)
    if path.exists():
        return [_of_file(path)]
    if name.isdecimal():
        return [Source(name, 'stream')]
    if not glob.has_magic(name):
        raise FileNotFoundError(f'there is no image, video or folder {name} (seen from {Path.cwd()})')
    matches = sorted(glob.iglob(str(path), recursive=True), key=natural_key)
    files = [match for match in map(Path, matches) if match.is_file() and match.suffix.lower() in IMAGES | VIDEOS]
    if not files:
        raise FileNotFoundError(f'no image and no video matches {name} (seen from {Path.cwd()})'
                                + (f', but {matches[0]} does' if matches else ''))
    return [_of_file(file) for file in files]


def _in_folder(folder: Path, recursive: bool) -> list[Source]:
    files = [file for file in (folder.rglob('*') if recursive else folder.iterdir())
             if file.suffix.lower() in IMAGES | VIDEOS and not file.name.startswith('.') and file.is_file()]
    if not files:
        deeper = not recursive and any(file.suffix.lower() in IMAGES | VIDEOS for file in folder.rglob('*'))
        raise ValueError(f'the folder {folder} has no images and no videos'
                         + (', but folders below it do: --recursive' if deeper else ''))
    parts = {file: file.relative_to(folder).parent.as_posix() for file in files}
    return [replace(_of_file(file), folder='' if parts[file] == '.' else parts[file])
            for file in sorted(files, key=lambda file: natural_key(str(file)))]


def _of_file(path: Path) -> Source:
    """By suffix; a file of another suffix by its content."""
    suffix = path.suffix.lower()
    if suffix in IMAGES:
        return Source(str(path), 'image')
    if suffix in VIDEOS:
        return Source(str(path), 'video')
    if suffix in WRONG:
        raise ValueError(f'{path} is {WRONG[suffix]}, should be an image, a video or a folder of them')
    if cv2.haveImageReader(str(path)):
        return Source(str(path), 'image')
    if cv2.VideoCapture(str(path)).isOpened():
        return Source(str(path), 'video')
    raise ValueError(f'{path} is neither an image nor a video that OpenCV can read')


def _from_list(path: Path, recursive: bool) -> tuple[list[Source], list[str]]:
    sources, problems = [], []
    for number, name, caption in _rows(path):
        beside = path.parent / Path(name).expanduser()
        try:
            inside = _expand(str(beside) if beside.exists() or glob.glob(str(beside)) else name, recursive)
        except (OSError, ValueError) as error:
            problems.append(f'{path}, line {number}: {error}')
            continue
        sources += [replace(source, caption=caption) for source in inside]
    return sources, problems


def _rows(path: Path) -> Iterator[tuple[int, str, str | None]]:
    """Number of the line, path, and caption of each entry of a list."""
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'{path} should be a list in UTF-8: {error}') from error
    if path.suffix.lower() == '.txt':
        for number, line in enumerate(text.splitlines(), 1):
            if (name := line.strip()) and not name.startswith('#'):
                yield number, name, None
        return
    reader = csv.DictReader(io.StringIO(text, newline=''), skipinitialspace=True)
    if 'image' not in (reader.fieldnames or ()):
        raise ValueError(f'{path}: the first line should name the columns, image and caption, with a comma between '
                         f'them, got {", ".join(reader.fieldnames or ()) or "nothing"}')
    for row in reader:
        if row.get(None):
            raise ValueError(f'{path}, line {reader.line_num} has more cells than there are columns: put a text with a '
                             f'comma in quotes, "{row[reader.fieldnames[-1]]}, {", ".join(row[None])}"')
        if row['image']:
            yield reader.line_num, row['image'].strip(), (row.get('caption') or '').strip() or None
