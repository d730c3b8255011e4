"""What reading annotations, making training images and counting COCO's figures cost, each in a process of its own."""
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from .combination import add_caption
from .measure import Measurement, Row

CLASSES = 80
SIZE = (480, 640)


def coco_figures(images: int = 500, detections: int = 100) -> Iterator[Row]:
    """mmdet's `CocoMetric` with pycocotools against ours with the evaluator that is installed, on generated images."""
    name = f'COCO figures of {images:,} images with {detections} detections each'
    with TemporaryDirectory() as folder:
        ann_file = str(Path(folder, 'truth.json'))
        write_truth(Path(ann_file), images)
        for kind in ('CocoMetric', 'FastCocoMetric'):
            yield f'{name}: {kind}', alone(evaluate, kind, ann_file, detections)


def captions(count: int = 50_000) -> Iterator[Row]:
    """json.load against our data set, which checks all and makes items, on a file of generated captions."""
    with TemporaryDirectory() as folder:
        ann_file = str(Path(folder, 'captions.json'))
        write_caption_file(Path(ann_file), count)
        for reader in (read_json, read_captions):
            yield f'{count:,} captions: {reader.__name__}', alone(reader, ann_file)


def training_images(config: Path, ann_file: Path | None = None, images: Path | None = None, count: int = 64,
                    repeats: int = 3) -> Iterator[Row]:
    """Seconds of one training image of a YOLO config in one thread, without and with the cache in memory.

    Args:
        config: Whose training data is taken.
        ann_file: COCO's annotations of `images`. None: both are generated.
        images: Their folder.
        count: Images of a round, as many as are generated.
        repeats: Rounds, of which the median counts, after one that fills the cache.
    """
    with TemporaryDirectory() as folder:
        if ann_file is None:
            ann_file, images = Path(folder, 'truth.json'), Path(folder)
            write_truth(ann_file, count)
            write_images(images, count)
        for cache in (None, 'ram'):
            yield (f'a training image of {config.stem}, cache={cache!r}',
                   alone(train, str(config), str(ann_file), str(images), cache, count, repeats))


def alone(work: Callable[..., Measurement], *args: object) -> Measurement:
    """What `work` returns in a new process, which holds nothing from before."""
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        return pool.submit(work, *args).result()


def timed(work: Callable[[], object], calls: int = 1) -> Measurement:
    """Median seconds of a call, and by how many bytes the process grew at most."""
    Path('/proc/self/clear_refs').write_text('5')  # the greatest size begins anew
    before, seconds = memory('VmRSS'), []
    for _ in range(calls):
        start = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - start)
        del result
    return Measurement(float(np.median(seconds)), max(memory('VmHWM') - before, 1))


def memory(field: str) -> int:
    """Bytes of this process: resident now (VmRSS) or at most (VmHWM)."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f'{field}:'))


def read_json(ann_file: str) -> Measurement:
    def work() -> object:
        with open(ann_file) as file:
            return json.load(file)

    return timed(work)


def read_captions(ann_file: str) -> Measurement:
    from ..datasets import MDETRDataset

    return timed(lambda: MDETRDataset(ann_file=ann_file, data_prefix=dict(img='images'), pipeline=[]))


def evaluate(kind: str, ann_file: str, detections: int) -> Measurement:
    import mmdet.evaluation
    import torch

    from .. import evaluation

    metric = getattr(evaluation, kind, None) or getattr(mmdet.evaluation, kind)
    metric = metric(ann_file)
    metric.dataset_meta = dict(classes=tuple(f'class {i}' for i in range(CLASSES)))
    samples = generated_detections(ann_file, detections)

    def work() -> object:
        for key, boxes, scores, labels in samples:
            prediction = dict(bboxes=torch.from_numpy(boxes), scores=torch.from_numpy(scores),
                              labels=torch.from_numpy(labels))
            metric.process({}, [dict(img_id=key, ori_shape=SIZE, pred_instances=prediction)])
        return metric.evaluate(len(samples))

    return timed(work)


def train(config: str, ann_file: str, images: str, cache: str | None, count: int, repeats: int) -> Measurement:
    from mmdet.registry import DATASETS
    from mmdet.utils import register_all_modules
    from mmengine.config import Config

    from ..datasets.seeded import SeededIndex

    register_all_modules(init_default_scope=True)
    cv2.setNumThreads(0)
    cfg = Config.fromfile(config).train_dataloader.dataset
    content = json.loads(Path(ann_file).read_text())
    cfg.dataset.update(data_root='', ann_file=ann_file, data_prefix=dict(img=images), cache=cache,
                       metainfo=dict(classes=[row['name'] for row in content['categories']]))
    dataset, seeds = DATASETS.build(cfg), itertools.count()

    def work() -> None:
        for i in range(count):
            dataset[SeededIndex(i % len(dataset), next(seeds))]

    for i in range(len(dataset.dataset)):
        dataset.dataset[i]
    found = timed(work, repeats)
    return Measurement(found.seconds / count, found.peak_bytes)


def write_truth(path: Path, count: int) -> None:
    """COCO annotations of `count` images 0.jpg, 1.jpg, ... with up to 14 objects each, boxes and outlines."""
    rng, rows = np.random.default_rng(0), []
    for i in range(count):
        for _ in range(rng.integers(15)):
            width, height = (SIZE[::-1] * (0.02 + 0.5 * rng.random(2)**2)).tolist()
            x, y = (rng.random(2) * (SIZE[1] - width, SIZE[0] - height)).tolist()
            rows.append(dict(id=len(rows) + 1, image_id=i, category_id=int(rng.integers(CLASSES)), iscrowd=0,
                             bbox=[x, y, width, height], area=width * height,
                             segmentation=[[x, y, x + width, y, x + width, y + height, x, y + height]]))
    images = [dict(id=i, file_name=f'{i}.jpg', height=SIZE[0], width=SIZE[1]) for i in range(count)]
    categories = [dict(id=i, name=f'class {i}') for i in range(CLASSES)]
    path.write_text(json.dumps(dict(images=images, annotations=rows, categories=categories)))


def write_images(folder: Path, count: int) -> None:
    """Soft noise, which takes as long to decode as photographs do."""
    rng = np.random.default_rng(1)
    for i in range(count):
        noise = rng.integers(0, 255, (60, 80, 3), np.uint8)
        img = cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f'{i}.jpg'), cv2.add(img, rng.integers(0, 12, img.shape, np.uint8)))


def write_caption_file(path: Path, count: int) -> None:
    """Captions in MDETR's format, 20 of each picture."""
    draw, content, objects = random.Random(0), dict(images=[], annotations=[]), []
    for i in range(count):
        if i % 20 == 0:
            objects = [(350 * draw.random(), 250 * draw.random(), 20 + 130 * draw.random(), 20 + 100 * draw.random())
                       for _ in range(12)]
        add_caption(content, f'{i // 20}.jpg', objects, draw)
    path.write_text(json.dumps(content))


def generated_detections(ann_file: str, count: int) -> list[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """For each image its id, boxes (count, 4) near the objects or anywhere, scores and labels."""
    rng, content = np.random.default_rng(2), json.loads(Path(ann_file).read_text())
    truth = {image['id']: [] for image in content['images']}
    for row in content['annotations']:
        truth[row['image_id']].append((*row['bbox'], row['category_id']))
    samples = []
    for key, rows in truth.items():
        near = np.array(rows).reshape(-1, 5)
        far = np.concatenate([rng.random((count - len(near), 4)) * (320, 240, 320, 240),
                              rng.integers(0, CLASSES, (count - len(near), 1))], axis=1)
        boxes = np.concatenate([near, far])
        boxes[:, 2:4] = (boxes[:, :2] + boxes[:, 2:4]).clip(1)
        boxes[:, :4] += rng.normal(0, 6, (count, 4))
        scores = np.concatenate([0.3 + 0.7 * rng.random(len(near)), 0.6 * rng.random(count - len(near))**3])
        samples.append((key, boxes[:, :4].astype(np.float32), scores.astype(np.float32),
                        boxes[:, 4].astype(np.int64)))
    return samples
