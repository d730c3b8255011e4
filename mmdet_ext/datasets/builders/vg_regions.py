"""The annotation file of Visual Genome's regions, made part by part, so that interrupted work goes on.

https://arxiv.org/abs/2104.12763
"""
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from ...files import replace_file
from .grounding_file import OBJECT, box_row, compact_json, write_grounding
from .json_stream import stream_items
from .parsing import Parser
from .picture_sizes import Sizes, read_sizes
from .region_merging import merge_regions
from .visual_genome import Region, read_regions


def build_vg_regions(graphs: Path, image_data: Path, out: Path, parser: Parser, *, settings: dict,
                     part_size: int = 500, on_start: Callable[[int], object] = lambda count: None,
                     on_image: Callable[[], object] = lambda: None) -> Counter:
    """Write the file.

    Pictures are worked on in parts, which are kept in `parts_folder` until the file is there.

    Args:
        graphs: region_graphs.json, which is read picture by picture.
        image_data: image_data.json, which has the sizes; read whole.
        out: File to write.
        parser: Of captions.
        settings: What the parts depend on besides the files.
        part_size: Pictures of a part.
        on_start: Called with the number of pictures of `image_data`.
        on_image: Called after each picture.

    Returns:
        How many there are of what.

    Raises:
        ValueError: If a file is damaged, a picture has no size, or the parts were made from other files or settings.
    """
    sizes = read_sizes(image_data)
    on_start(len(sizes))
    work = parts_folder(out)
    _claim(work, dict(settings, part_size=part_size, inputs=[_identity(graphs), _identity(image_data)]))
    rows = stream_items(graphs, 'images')
    parts = []
    while images := list(islice(rows, part_size)):
        part = work / f'{len(parts):06d}.jsonl'
        if not part.exists():
            _write_part(part, images, sizes, parser, str(graphs), on_image)
        else:
            for _ in images:
                on_image()
        parts.append(part)
    counts = Counter()
    with write_grounding(out, OBJECT) as file:
        for part in parts:
            lines = map(json.loads, part.open())
            counts.update(next(lines))
            for image, boxes in lines:
                file.add(image, boxes)
        counts.update(captions=file.num_images, boxes=file.num_annotations)
    shutil.rmtree(work)
    return counts


def parts_folder(out: Path) -> Path:
    """Where interrupted work on a file is kept."""
    return out.with_name(f'{out.name}.parts')


def _identity(path: Path) -> list[str | int]:
    state = path.stat()
    return [str(path.resolve()), state.st_size, state.st_mtime_ns]


def _claim(work: Path, settings: dict) -> None:
    """Make the folder of parts, or see that it is of the same work."""
    work.mkdir(parents=True, exist_ok=True)
    state = work / 'settings.json'
    if not state.exists():
        with replace_file(state) as file:
            file.write(compact_json(settings))
    elif json.loads(state.read_text()) != settings:
        raise ValueError(f'{work} has parts of other files or settings, {state.read_text()}: drop them with --restart')


def _write_part(part: Path, images: list[dict], sizes: Sizes, parser: Parser, source: str,
                on_image: Callable[[], object]) -> None:
    """One line for what was left out, then one for each caption."""
    counts, lines = Counter(), []
    for row in images:
        if not (isinstance(row, dict) and isinstance(row.get('regions'), list) and 'image_id' in row):
            raise ValueError(f'{source} should have pictures with image_id and regions, as region_graphs.json has, got '
                             f'{str(row)[:100]}')
        where = f'{source}: picture {row["image_id"]}'
        if str(row['image_id']) not in sizes:
            raise ValueError(f'{where} is not in image_data.json, which has its size')
        regions = merge_regions(read_regions(row, parser, counts, where), counts)
        counts['pictures'] += bool(regions)
        lines += map(compact_json, _entries(row['image_id'], sizes[str(row['image_id'])], regions))
        on_image()
    with replace_file(part) as file:
        file.write(b'\n'.join([compact_json(counts), *lines]) + b'\n')


def _entries(image: int, size: tuple[int, int], regions: list[Region]) -> Iterator[tuple[dict, list[dict]]]:
    for region in regions:
        yield dict(
            file_name=f'{image}.jpg', height=size[0], width=size[1], original_id=region.id, original_img_id=image,
            caption=region.caption, tokens_negative=[[0, len(region.caption)]], data_source='vg', dataset_name='VG'
        ), [box_row(box, spans) for box, spans in zip(region.boxes, region.spans, strict=True)]
