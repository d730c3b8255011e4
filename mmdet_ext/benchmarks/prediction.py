"""From a jpg to boxes: mmdet's two ways, ours, and ultralytics' where it is installed."""
import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.registry import MODELS
from mmengine.config import Config

from ..deployment import deploy, deployed_config
from ..predict import Predictor
from . import ultralytics_worker
from .measure import Row, Work, measure
from .ultralytics_worker import IOU_THR, MOST, SCORE_THR, make_sure


def prediction(config: Path, device: torch.device, repeats: int, *, shape: tuple[int, int] = (480, 640),
               ultralytics_python: str | Path | None = None) -> Iterator[Row]:
    """One image at a time, at the thresholds of ultralytics' `predict`; all networks are folded and random.

    Args:
        config: Of a YOLOv9.
        device: Of ours; ultralytics is measured on the CPU only, with as many threads.
        repeats: Timed calls of each.
        shape: (height, width) of the jpg.
        ultralytics_python: An interpreter that has ultralytics; None for this one, if it has.

    Yields:
        ultralytics first, if it is there; its memory is not measured, 0.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter('ignore')
        image = str(write_jpg(folder / 'image.jpg', shape))
        works = {}
        python = ultralytics_python or (sys.executable if importlib.util.find_spec('ultralytics') else None)
        if python is not None and device.type == 'cpu':
            works['ultralytics, YOLOv9-T'] = ultralytics_work(str(python), image, stack)
        works |= our_works(config, device, image, folder)
        name = f'jpg of {shape[0]} x {shape[1]} to boxes'
        for label, found in zip(works, measure(list(works.values()), device, repeats, name), strict=True):
            yield f'{name}: {label}', found


def our_works(config: Path, device: torch.device, image: str, folder: Path) -> dict[str, Work]:
    """`DetInferencer`, `inference_detector`, `Predictor` and its network alone, all with the same weights."""
    cfg = Config.fromfile(config)
    cfg.model.test_cfg.update(score_thr=SCORE_THR, nms=dict(type='nms', iou_threshold=IOU_THR), max_per_img=MOST)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    array = cv2.cvtColor(cv2.imread(image), cv2.COLOR_BGR2RGB)
    make_sure([tower[-1] for tower in model.bbox_head.class_towers], lambda x: model(x, mode='tensor'),
              torch.from_numpy(array).permute(2, 0, 1)[None] / 255)
    meta = dict(dataset_meta=dict(classes=tuple(map(str, range(model.bbox_head.num_classes)))))
    trained, folded = str(folder / 'trained.pth'), str(folder / 'folded.pth')
    torch.save(dict(state_dict=model.state_dict(), meta=meta), trained)
    torch.save(dict(state_dict=deploy(model).state_dict(), meta=meta), folded)
    inferencer = DetInferencer(deployed_config(cfg), folded, device=str(device), show_progress=False)
    detector = init_detector(deployed_config(cfg), folded, device=str(device))
    predictor = Predictor(cfg, trained, device)
    inputs, _ = predictor.collate([predictor.prepare(image)])
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    network = torch.inference_mode()(lambda: (predictor.traced_network or predictor.model._forward)(inputs))
    return {'DetInferencer': lambda: inferencer(image),
            'inference_detector': lambda: inference_detector(detector, image),
            'Predictor': lambda: predictor(image), 'network of Predictor alone': network}


def ultralytics_work(python: str, image: str, stack: ExitStack) -> Callable[[], None]:
    """Asks a process of its own, which ends with `stack`."""
    command = [python, '-W', 'ignore', ultralytics_worker.__file__, str(torch.get_num_threads())]
    worker = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    for line in worker.stdout:  # what it prints about itself comes first
        if line.strip() == 'ready':
            break
    else:
        raise ValueError(f'{python} has no ultralytics that runs')

    def ask() -> None:
        worker.stdin.write(f'{image}\n')
        worker.stdin.flush()
        if not worker.stdout.readline():
            raise RuntimeError('the process of ultralytics has ended')

    return ask


def write_jpg(path: Path, shape: tuple[int, int]) -> Path:
    """Blobs of colour with some noise, about as large a file as a photograph."""
    random = np.random.default_rng(0)
    blobs = cv2.resize(random.integers(0, 256, (12, 16, 3), dtype=np.uint8), shape[::-1], interpolation=cv2.INTER_CUBIC)
    noise = random.normal(0, 6, (*shape, 1))
    cv2.imwrite(str(path), (blobs + noise).clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return path
