"""How the combination of captions grows with the number of images, and what that makes of MDETR's whole mixture."""
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from .inputs import add_caption, random_boxes
from .measure import Measurement, Row
from .processes import run

PUBLISHED_PAIRS = 1_300_000  # of text and image, after the combination: https://arxiv.org/abs/2104.12763, section 4.1
SHARES = dict(regions=0.7, gqa=0.2, refexp=0.1)  # of the captions of an image


def combination(tool: Path, sizes: tuple[int, int] = (1_000, 10_000)) -> Iterator[Row]:
    """The script `build_mdetr_combined.py` on generated captions of two numbers of images, the second the larger one.

    Times are seconds of the CPU, memory is the greatest resident size of the process, with the interpreter. The last
    row follows from the difference of the two.
    """
    measured, pairs = [], []
    for count in sizes:
        with TemporaryDirectory() as name:
            folder = Path(name)
            captions = write_captions(folder, count)
            finished = run([sys.executable, tool, *(folder / f'{part}.json' for part in ('refexp', 'gqa', 'regions')),
                            '--coco', folder / 'coco.json', '--vg-images', folder / 'vg.json',
                            '--out', folder / 'combined.json'])
            pairs.append(len(json.loads((folder / 'combined.json').read_text(encoding='utf-8'))['images']))
        measured.append(Measurement(finished.cpu_seconds, finished.peak_bytes))
        yield f'{count:,} images, {captions:,} captions combined to {pairs[-1]:,}', measured[-1]
    share = (PUBLISHED_PAIRS - pairs[1]) / (pairs[1] - pairs[0])
    yield f'{PUBLISHED_PAIRS:,} combined captions, by the difference', Measurement(
        *(large + share * (large - small) for small, large in zip(*measured, strict=True)))


def write_captions(folder: Path, count: int) -> int:
    """Write 10 to 40 captions of each of `count` images, half of them COCO's too; returns how many captions."""
    draw = random.Random(0)
    coco = [dict(id=i, file_name=f'COCO_train2014_{i:012d}.jpg', width=640, height=480) for i in range(count // 2)]
    (folder / 'coco.json').write_text(json.dumps(dict(images=coco, annotations=[])))
    (folder / 'vg.json').write_text(json.dumps([
        dict(image_id=10**6 + i, coco_id=i if i < len(coco) else None, width=500, height=375) for i in range(count)]))
    files = {name: dict(images=[], annotations=[]) for name in SHARES}
    for i in range(count):
        boxes = random_boxes(draw)
        for source in draw.choices(list(SHARES), list(SHARES.values()), k=draw.randint(10, 40)):
            in_coco = source == 'refexp' and i < len(coco)
            add_caption(files[source], coco[i]['file_name'] if in_coco else f'{10**6 + i}.jpg', boxes, draw)
    for name, content in files.items():
        (folder / f'{name}.json').write_text(json.dumps(content))
    return sum(len(content['images']) for content in files.values())
