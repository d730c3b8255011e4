"""From a jpg to boxes: mmdet's two ways, ours, and ultralytics' where it is installed."""
import importlib.util
import subprocess
import sys
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import torch
import torch.nn as nn
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.deployment import deploy, deployed_config

from . import ultralytics_worker
from .inputs import write_images
from .measure import Row, Work, measure
from .ultralytics_worker import IOU_THR, MOST, SCORE_THR, make_sure


def prediction(config: Path, device: torch.device, repeats: int, *, shape: tuple[int, int] = (480, 640),
               ultralytics_python: str | Path | None = None) -> list[Row]:
    """One image at a time, at the thresholds of ultralytics' `predict`; all networks are folded and random.

    Args:
        config: Of a YOLOv9.
        device: Of ours; ultralytics is measured on the CPU only, with as many threads.
        repeats: Timed calls of each.
        shape: (height, width) of the jpg.
        ultralytics_python: An interpreter that has ultralytics; None for this one, if it has.

    Returns:
        ultralytics first, if it is there; its memory is not measured, 0.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory()))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter('ignore')
        write_images(folder, 1, shape)
        image, forms = str(folder / '0.jpg'), {}
        python = ultralytics_python or (sys.executable if importlib.util.find_spec('ultralytics') else None)
        if python is not None and device.type == 'cpu':
            forms['ultralytics, YOLOv9-T'] = ultralytics_work(str(python), image, stack)
        forms |= our_works(config, device, image, folder)
        return measure(f'jpg of {shape[0]} x {shape[1]} to boxes', forms, device, repeats)


def our_works(config: Path, device: torch.device, image: str, folder: Path) -> dict[str, Work]:
    """`DetInferencer`, `inference_detector`, `Predictor` and its network alone, all with the same weights."""
    from mmdet_ext.predict import Predictor  # only now: old checkouts do not have it

    cfg, model = detector(config, image)
    meta = dict(dataset_meta=dict(classes=tuple(map(str, range(model.bbox_head.num_classes)))))
    trained, folded = str(folder / 'trained.pth'), str(folder / 'folded.pth')
    torch.save(dict(state_dict=model.state_dict(), meta=meta), trained)
    torch.save(dict(state_dict=deploy(model).state_dict(), meta=meta), folded)
    inferencer = DetInferencer(deployed_config(cfg), folded, device=str(device), show_progress=False)
    initialised = init_detector(deployed_config(cfg), folded, device=str(device))
    predictor = Predictor(cfg, trained, device)
    inputs, _ = predictor.collate([predictor.prepare(image)])
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    network = torch.inference_mode()(lambda: (predictor.traced_network or predictor.model._forward)(inputs))
    return {'DetInferencer': lambda: inferencer(image),
            'inference_detector': lambda: inference_detector(initialised, image),
            'Predictor': lambda: predictor(image), 'network of Predictor alone': network}


def detector(config: Path, image: str) -> tuple[Config, nn.Module]:
    """A random YOLOv9 that finds some boxes in `image`, and its config with the thresholds."""
    cfg = Config.fromfile(config)
    cfg.model.test_cfg.update(score_thr=SCORE_THR, nms=dict(type='nms', iou_threshold=IOU_THR), max_per_img=MOST)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    pixels = torch.from_numpy(cv2.imread(image)).flip(2).permute(2, 0, 1)[None] / 255
    make_sure([tower[-1] for tower in model.bbox_head.class_towers], lambda x: model(x, mode='tensor'), pixels)
    return cfg, model


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
