"""What reading annotations, making training images and counting COCO's figures cost, each in a process of its own."""
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from mmengine.config import Config

from .inputs import CLASSES, SIZE, generated_detections, write_caption_file, write_images, write_truth
from .measure import Measurement, Row, Work, seconds_of
from .processes import alone


def compared(name: str, write: Callable[[Path, int], Path], count: int, kinds: Sequence[str],
             make: Callable[..., Work], *args: object) -> Iterator[Row]:
    """The works `make(kind, file, *args)` of several kinds on one generated file, `write(path, count)`."""
    with TemporaryDirectory() as folder:
        ann_file = write(Path(folder, 'annotations.json'), count)
        for kind in kinds:
            yield f'{name}: {kind}', alone(growth, 1, make, kind, ann_file, *args)


def coco_figures(images: int = 500, detections: int = 100) -> Iterator[Row]:
    """mmdet's `CocoMetric` with pycocotools against ours with the evaluator that is installed, on generated images."""
    return compared(f'COCO figures of {images:,} images with {detections} detections each', write_truth, images,
                    ('CocoMetric', 'FastCocoMetric'), figures, detections)


def captions(count: int = 50_000) -> Iterator[Row]:
    """json.load against our data set, which checks all and makes items, on a file of generated captions."""
    return compared(f'{count:,} captions', write_caption_file, count, ('json.load', 'MDETRDataset'), reading)


def annotations(count: int = 5_000) -> Iterator[Row]:
    """json.load and mmdet's data set against ours, which checks all, on COCO annotations of generated images."""
    return compared(f'annotations of {count:,} images', write_truth, count,
                    ('json.load', 'CocoDataset', 'YOLOCocoDataset'), reading)


def training_images(config: Path, count: int = 64, repeats: int = 3) -> Iterator[Row]:
    """Seconds of one of `count` generated training images of a YOLO config in one thread, without and with the cache.

    The median of `repeats` rounds counts, after one that fills the cache.
    """
    with TemporaryDirectory() as name:
        ann_file, folder = write_truth(Path(name, 'truth.json'), count), Path(name)
        write_images(folder, count)
        for cache in (None, 'ram'):
            seconds, peak = alone(growth, repeats, making_images, config, ann_file, folder, count, cache)
            yield f'a training image of {config.stem}, cache={cache!r}', Measurement(seconds / count, peak)


def growth(calls: int, make: Callable[..., Work], *args: object) -> Measurement:
    """Median seconds of a call of the work `make(*args)`, and by how many bytes the process grew at most."""
    work = make(*args)
    Path('/proc/self/clear_refs').write_text('5', encoding='utf-8')  # the greatest size begins anew
    before = _memory('VmRSS')
    seconds = float(np.median([seconds_of(work) for _ in range(calls)]))
    return Measurement(seconds, max(_memory('VmHWM') - before, 1))


def _memory(field: str) -> int:
    """Bytes of this process: resident now (VmRSS) or at most (VmHWM)."""
    lines = Path('/proc/self/status').read_text(encoding='utf-8').splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(f'{field}:'))


def reading(kind: str, ann_file: Path) -> Work:
    """Read an annotation file by `json.load` or by a data set of mmdet or of ours."""
    if kind == 'json.load':
        return lambda: json.loads(ann_file.read_text(encoding='utf-8'))
    import mmdet.datasets

    import mmdet_ext.datasets

    data_set = getattr(mmdet_ext.datasets, kind, None) or getattr(mmdet.datasets, kind)
    names = {} if kind == 'MDETRDataset' else dict(metainfo=dict(classes=[f'class {i}' for i in range(CLASSES)]))
    return lambda: data_set(ann_file=str(ann_file), data_prefix=dict(img='images'), pipeline=[], **names)


def figures(kind: str, ann_file: Path, detections: int) -> Work:
    """COCO's figures of generated detections, by a metric of mmdet or of ours."""
    import mmdet.evaluation

    import mmdet_ext.evaluation

    metric = (getattr(mmdet_ext.evaluation, kind, None) or getattr(mmdet.evaluation, kind))(str(ann_file))
    metric.dataset_meta = dict(classes=tuple(f'class {i}' for i in range(CLASSES)))
    samples = generated_detections(ann_file, detections)

    def work() -> None:
        for key, predictions in samples:
            metric.process({}, [dict(img_id=key, ori_shape=SIZE, pred_instances=dict(predictions))])
        metric.evaluate(len(samples))

    return work


def making_images(config: Path, ann_file: Path, images: Path, count: int, cache: str | None = None) -> Work:
    """Load and augment `count` training images of a YOLO config; the images have been read once before."""
    from mmdet.registry import DATASETS
    from mmdet.utils import register_all_modules

    from mmdet_ext.datasets.seeded import SeededIndex

    register_all_modules(init_default_scope=True)
    cv2.setNumThreads(0)
    cfg = Config.fromfile(config).train_dataloader.dataset
    cfg.dataset.update(data_root='', ann_file=str(ann_file), data_prefix=dict(img=str(images)),
                       metainfo=dict(classes=[f'class {i}' for i in range(CLASSES)]),
                       **(dict(cache=cache) if cache else {}))
    dataset, seeds = DATASETS.build(cfg), itertools.count()
    for i in range(len(dataset.dataset)):
        dataset.dataset[i]
    return lambda: [dataset[SeededIndex(i % len(dataset), next(seeds))] for i in range(count)]
