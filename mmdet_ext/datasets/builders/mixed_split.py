"""The captions of several annotation files sorted by picture into shards on disk, each small enough for memory."""
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ...files import replace_file
from ..grounding_checks import positive_spans
from .combine import Box, Caption
from .grounding_file import compact_json
from .json_stream import stream_items
from .mixed_pictures import MixedPictures, Picture

# Pictures of a shard; files are open for all shards at once, so of more pictures there are no more shards.
_SHARD_PICTURES, _MAX_SHARDS = 1000, 256


class MixedSplit:
    """A folder of shards: what is there and made of the same files with the same options is kept.

    Two passes read the files row by row: one finds the pictures, one sorts the captions. Memory is that of the pictures
    and of the ids of one file.

    Args:
        folder: It is made, and deleted by `remove`; what another command left there is deleted at once.
        inputs: Annotation files in MDETR's format.
        pictures: Tells where captions go; called once it is needed.
        key: What the shards depend on besides, as json.
        on_bytes: Called with the number of bytes of each piece that was read, or need not be read again; in the end
            twice the size of the inputs.

    Attributes:
        pictures: That have captions: COCO's first, each source in the order of the inputs.
        num_shards: How many shards there are.
        counts: Of each input what became of its captions: 'read', 'moved' from Visual Genome to COCO, and of those left
            out how many for which reason, 'left out: ...'.

    Raises:
        ValueError: If a file is damaged, or a row is not what it should be; naming file, row and value.
    """

    def __init__(self, folder: Path, inputs: Sequence[Path], pictures: Callable[[], MixedPictures], *, key: Any,
                 on_bytes: Callable[[int], object] = lambda count: None) -> None:
        self.folder = folder
        self._inputs = list(inputs)
        self._make_places = pictures
        self._places: MixedPictures | None = None
        self._on_bytes = on_bytes
        self.pictures = self._find_pictures(key)
        self._ordinals = {(picture.source, picture.id): place for place, picture in enumerate(self.pictures)}
        self._per_shard = max(_SHARD_PICTURES, math.ceil(len(self.pictures) / _MAX_SHARDS))
        self.num_shards = math.ceil(len(self.pictures) / self._per_shard)
        self.counts = [self._split(number, file) for number, file in enumerate(self._inputs)]

    def read(self, shard: int) -> Iterator[tuple[Picture, list[Caption]]]:
        """The pictures of a shard with their captions, in the order of the inputs."""
        found: dict[int, list[Caption]] = {}
        for number in range(len(self._inputs)):
            pairs = {}
            with (self.folder / str(number) / f'{shard}.jsonl').open('rb') as lines:
                for line in lines:
                    kind, key, *values = json.loads(line)
                    if kind == 'caption':
                        ordinal, text, negative, scale = values
                        pairs[key] = scale, Caption(text, [], negative)
                        found.setdefault(ordinal, []).append(pairs[key][1])
                    else:
                        scale, caption = pairs[key]
                        bbox, *rest = values
                        caption.boxes.append(Box([side * scale[place % 2] for place, side in enumerate(bbox)], *rest))
        for ordinal in sorted(found):
            yield self.pictures[ordinal], found[ordinal]

    def first_files(self) -> list[Path]:
        """One file of each shard, whose time tells when the shard was made."""
        return [self.folder / '0' / f'{shard}.jsonl' for shard in range(self.num_shards)]

    def shard_sizes(self) -> list[int]:
        """Pictures of each shard."""
        return [min(self._per_shard, len(self.pictures) - start)
                for start in range(0, len(self.pictures), self._per_shard)]

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def _find_pictures(self, key: Any) -> list[Picture]:
        """The pictures, from the last run if it had the same key."""
        file = self.folder / 'pictures.json'
        try:
            saved = json.loads(file.read_bytes())
        except (OSError, ValueError):
            saved = None
        if saved and saved['key'] == json.loads(compact_json(key)):
            for path in self._inputs:
                self._on_bytes(path.stat().st_size)
            return [Picture(*row) for row in saved['pictures']]
        if self.folder.exists():
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        found: dict[str, dict[str, Picture]] = dict(coco={}, vg={})
        for path in self._inputs:
            for image in stream_items(path, 'images', on_bytes=self._on_bytes):
                place = self._place(image, path)
                if not isinstance(place, str):
                    found[place.picture.source].setdefault(place.picture.id, place.picture)
        pictures = [*found['coco'].values(), *found['vg'].values()]
        if not pictures:
            raise ValueError(f'{", ".join(map(str, self._inputs))}: no caption has a picture that is kept')
        with replace_file(file) as out:
            out.write(compact_json(dict(key=key, pictures=pictures)))
        return pictures

    def _place(self, image: Any, path: Path) -> Any:
        if not isinstance(image, dict) or 'id' not in image:
            raise ValueError(f'{path}: a row of images has no id: {image!r}')
        if self._places is None:
            self._places = self._make_places()
        return self._places.place(image, f'{path}: image {image["id"]}')

    def _split(self, number: int, path: Path) -> Counter:
        """Sort the captions of a file, unless that was done."""
        done = self.folder / str(number)
        if done.is_dir():
            self._on_bytes(path.stat().st_size)
            return Counter(json.loads((done / 'counts.json').read_bytes()))
        partial = self.folder / f'{number}.partial'
        if partial.exists():
            shutil.rmtree(partial)
        partial.mkdir()
        counts = Counter()
        with ExitStack() as stack:
            shards = [stack.enter_context((partial / f'{shard}.jsonl').open('wb')) for shard in range(self.num_shards)]
            self._sort(path, shards, counts)
        (partial / 'counts.json').write_bytes(compact_json(counts))
        partial.rename(done)
        return counts

    def _sort(self, path: Path, shards: list, counts: Counter) -> None:
        owners: dict[Any, Any] = {}  # shard of each pair, None if it is left out
        for image in stream_items(path, 'images'):
            place = self._place(image, path)
            where = f'{path}: image {image["id"]}'
            if image['id'] in owners:
                raise ValueError(f'{where} is there twice')
            counts['read'] += 1
            if isinstance(place, str):
                owners[image['id']] = None
                counts[f'left out: {place}'] += 1
                continue
            counts['moved'] += place.moved
            text, negative = image.get('caption'), image.get('tokens_negative', [])
            if not isinstance(text, str) or not text.strip():
                raise ValueError(f'{where} has the caption {text!r}')
            ordinal = self._ordinals[place.picture.source, place.picture.id]
            owners[image['id']] = shard = shards[ordinal // self._per_shard]
            shard.write(compact_json(['caption', image['id'], ordinal, text, checked_spans(negative, where),
                                      place.scale]) + b'\n')
        for row in stream_items(path, 'annotations', on_bytes=self._on_bytes):
            where = f'{path}: annotation {row.get("id") if isinstance(row, dict) else row!r}'
            if not isinstance(row, dict) or row.get('image_id') not in owners:
                raise ValueError(f'{where} has no image_id of an image')
            if shard := owners[row['image_id']]:
                shard.write(compact_json(['box', row['image_id'], *checked_box(row, where)]) + b'\n')


def checked_box(row: dict, where: str) -> Box:
    """The box of an annotation.

    Raises:
        ValueError: If it is none, or has no spans; naming what stands there.
    """
    bbox = row.get('bbox')
    if not (isinstance(bbox, list) and len(bbox) == 4
            and all(type(side) in (int, float) and math.isfinite(side) for side in bbox)):
        raise ValueError(f'{where} has the bbox {bbox!r}, should be [x, y, width, height]')
    spans = positive_spans(row)
    if spans is None:
        raise ValueError(f'{where} has no tokens_positive')
    return Box(bbox, checked_spans(spans, where), row.get('area', bbox[2] * bbox[3]), row.get('iscrowd', 0))


def checked_spans(spans: Any, where: str) -> list[list[int]]:
    """Spans, which may reach out of their caption, as some published ones do."""
    if not isinstance(spans, list) or not all(
            isinstance(span, list) and len(span) == 2 and all(type(place) is int for place in span) for span in spans):
        raise ValueError(f'{where} has the spans {spans!r}, should be [[begin, end], ...]')
    return spans
