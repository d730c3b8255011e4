"""How the combination of captions grows with the number of pictures, and what that makes of MDETR's whole mixture."""
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from .measure import Measurement, Row

PUBLISHED_PAIRS = 1_300_000  # of text and picture, after the combination: https://arxiv.org/abs/2104.12763, section 4.1
WORDS = ['man', 'woman', 'dog', 'cat', 'tree', 'car', 'street', 'shirt', 'table', 'chair', 'window', 'wall', 'plate', 'building', 'sky', 'grass', 'white', 'black', 'old', 'small']
SHARES = dict(regions=0.7, gqa=0.2, refexp=0.1)  # of the captions of a picture


def combination(tool: Path, sizes: tuple[int, int] = (1_000, 10_000)) -> Iterator[Row]:
    """`build_mdetr_combined.py` as a process of its own on generated captions: two sizes, and by their difference more.

    Times are seconds of the CPU, memory is the greatest resident size of the process, the interpreter and all.

    Args:
        tool: The script.
        sizes: Numbers of pictures, the second the larger one.
    """
    measured, pairs = [], []
    for count in sizes:
        with TemporaryDirectory() as folder:
            # elsewhere, because Linux counts what a process held when it started another one as that one's
            with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
                captions = pool.submit(write_captions, Path(folder), count).result()
            found, combined = run(tool, Path(folder))
        measured.append(found)
        pairs.append(combined)
        yield f'{count:,} pictures, {captions:,} captions combined to {combined:,}', found
    slope = (measured[1].seconds - measured[0].seconds) / (pairs[1] - pairs[0])
    seconds = measured[1].seconds + slope * (PUBLISHED_PAIRS - pairs[1])
    yield f'{PUBLISHED_PAIRS:,} combined captions, by the difference', Measurement(seconds, measured[1].peak_bytes)


def run(tool: Path, folder: Path) -> tuple[Measurement, int]:
    """Returns with the number of combined captions."""
    out = folder / 'combined.json'
    command = [sys.executable, str(tool), *(str(folder / f'{name}.json') for name in ('refexp', 'gqa', 'regions')),
               '--coco', str(folder / 'coco.json'), '--vg-images', str(folder / 'vg.json'), '--out', str(out)]
    with open(folder / 'log', 'w+') as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        said = log.read()
    combined = re.search(r'(\d+) captions that combine', said)
    if process.returncode or not combined:
        raise RuntimeError(f'{tool} failed on generated captions:\n{said}')
    return Measurement(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024), int(combined[1])


def write_captions(folder: Path, count: int) -> int:
    """Write captions of `count` pictures, half of them COCO's too, 10 to 40 captions of 1 to 3 boxes each.

    Returns:
        How many captions.
    """
    draw = random.Random(0)
    coco = [dict(id=i, file_name=coco_name(i), width=640, height=480) for i in range(count // 2)]
    (folder / 'coco.json').write_text(json.dumps(dict(images=coco, annotations=[])))
    (folder / 'vg.json').write_text(json.dumps([
        dict(image_id=10**6 + i, coco_id=i if i < len(coco) else None, width=500, height=375) for i in range(count)]))
    files = {name: dict(images=[], annotations=[]) for name in SHARES}
    for i in range(count):
        objects = [(350 * draw.random(), 250 * draw.random(), 20 + 130 * draw.random(), 20 + 100 * draw.random())
                   for _ in range(12)]
        for source in draw.choices(list(SHARES), list(SHARES.values()), k=draw.randint(10, 40)):
            name = coco_name(i) if source == 'refexp' and i < len(coco) else f'{10**6 + i}.jpg'
            add_caption(files[source], name, objects, draw)
    for name, content in files.items():
        (folder / f'{name}.json').write_text(json.dumps(content))
    return sum(len(content['images']) for content in files.values())


def coco_name(number: int) -> str:
    return f'COCO_train2014_{number:012d}.jpg'


def add_caption(content: dict, file_name: str, objects: list[tuple[float, ...]], draw: random.Random) -> None:
    words, spans, end = draw.choices(WORDS, k=draw.randint(3, 10)), [], -1
    for word in words:
        spans.append([end + 1, end + 1 + len(word)])
        end = spans[-1][1]
    caption, images, rows = ' '.join(words), content['images'], content['annotations']
    images.append(dict(id=len(images), original_id=len(images), caption=caption, tokens_negative=[[0, len(caption)]],
                       dataset_name='generated', file_name=file_name, height=375, width=500))
    for _ in range(draw.choice([1, 1, 2, 3])):
        x, y, width, height = (round(value + 4 * draw.random(), 2) for value in draw.choice(objects))
        rows.append(dict(id=len(rows), image_id=images[-1]['id'], bbox=[x, y, width, height], area=width * height,
                         iscrowd=0, category_id=1, tokens_positive=[draw.choice(spans)]))
