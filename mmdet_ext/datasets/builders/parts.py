"""A large annotation file, made part by part, so that an interrupted run goes on with the part that it was at."""
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...files import replace_file
from .grounding_file import GroundingFile, compact_json

Pair = tuple[dict, list[dict]]  # an image and its boxes, all without ids


class Part(NamedTuple):
    """What becomes one part of the file.

    Attributes:
        source: Its file.
        pairs: Gives its pairs of picture and caption, and counts into the table that it is given what it met.
    """
    source: Path
    pairs: Callable[[Counter], Iterable[Pair]]


def write_parts(out: Path, parts: Sequence[Part], *, options: dict[str, Any], inputs: Sequence[Path] = (),
                categories: Sequence[dict] = (), on_kept: Callable[[Part], object] = lambda part: None) -> Counter:
    """Write an annotation file in MDETR's format; ids count from 0 through all parts.

    The parts lie in `.NAME.parts` beside `out` until all are there. A later run keeps those that are whole and were
    made of the same files (name, size and time of change) with the same options.

    Args:
        out: The file.
        parts: In their order.
        options: What the pairs depend on besides the files, as json.
        inputs: Further files that they depend on.
        categories: Written at the end.
        on_kept: Called for each part that an earlier run has made.

    Returns:
        What the parts counted, with `captions` and `boxes`.
    """
    folder = out.with_name(f'.{out.name}.parts')
    folder.mkdir(parents=True, exist_ok=True)
    total = Counter()
    for place, part in enumerate(parts):
        state_file = folder / f'{place:03d}.json'
        key = dict(options=options, files=[_stamp(path) for path in (part.source, *inputs)],
                   first_image=total['captions'], first_annotation=total['boxes'])
        counts = _finished(state_file, key)
        if counts is None:
            counts = _write_part(part, state_file, key)
        else:
            on_kept(part)
        total.update(counts)
    with replace_file(out) as file:
        file.write(b'{"info":[],"licenses":[],"images":[')
        _append(file, folder, len(parts), 'images')
        file.write(b'],"annotations":[')
        _append(file, folder, len(parts), 'annotations')
        file.write(b'],"categories":' + compact_json(list(categories)) + b'}\n')
    shutil.rmtree(folder)
    return total


def _stamp(path: Path) -> list:
    stat = path.stat()
    return [str(path), stat.st_size, stat.st_mtime_ns]


def _finished(state_file: Path, key: dict) -> dict[str, int] | None:
    """The counts of a part that is there and whole."""
    try:
        state = json.loads(state_file.read_bytes())
    except (OSError, ValueError):
        return None
    whole = state['key'] == key and all(
        path.is_file() and path.stat().st_size == size for path, size in
        ((state_file.with_suffix(f'.{name}'), size) for name, size in state['sizes'].items()))
    return state['counts'] if whole else None


def _write_part(part: Part, state_file: Path, key: dict) -> dict[str, int]:
    state_file.unlink(missing_ok=True)
    names = ('images', 'annotations')
    counts = Counter()
    images, annotations = (state_file.with_suffix(f'.{name}') for name in names)
    with replace_file(images) as image_file, replace_file(annotations) as annotation_file:
        file = GroundingFile(image_file, annotation_file)
        file.num_images, file.num_annotations = key['first_image'], key['first_annotation']
        for image, rows in part.pairs(counts):
            file.add(image, rows)
    counts['captions'] = file.num_images - key['first_image']
    counts['boxes'] = file.num_annotations - key['first_annotation']
    sizes = {name: state_file.with_suffix(f'.{name}').stat().st_size for name in names}
    with replace_file(state_file) as state:
        state.write(compact_json(dict(key=key, counts=dict(counts), sizes=sizes)))
    return counts


def _append(file: Any, folder: Path, count: int, name: str) -> None:
    for place in range(count):
        with (folder / f'{place:03d}.{name}').open('rb') as part:
            shutil.copyfileobj(part, file)
