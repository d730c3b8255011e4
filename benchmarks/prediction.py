"""From a jpg to boxes: mmdet's two ways, ours, and ultralytics' where it is installed."""
import importlib.util
import sys
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import mmdet_ext  # noqa: F401  first: mmdet needs operators, which it has from here if not from mmcv

import cv2
import torch
from mmdet.apis import DetInferencer, inference_detector, init_detector
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.deployment import deploy, deployed_config

from . import ultralytics_worker
from .inputs import write_images
from .measure import Row, Work, measure
from .processes import Worker
from .ultralytics_worker import IOU_THR, MOST, SCORE_THR, make_sure


def prediction(config: Path, device: torch.device, repeats: int, *, shape: tuple[int, int] = (480, 640),
               ultralytics_python: str | Path | None = None) -> list[Row]:
    """One image (height, width) at a time through random networks of a YOLOv9's config, which are folded.

    Thresholds are those of ultralytics' `predict`, which comes first if `ultralytics_python` or this interpreter has
    it: on the CPU only, with as many threads. Its memory is not measured, 0.
    """
    with TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter('ignore')
        write_images(Path(name), 1, shape)
        image, forms, worker = f'{name}/0.jpg', {}, None
        python = ultralytics_python or (sys.executable if importlib.util.find_spec('ultralytics') else None)
        if python is not None and device.type == 'cpu':
            command = [python, '-W', 'ignore', ultralytics_worker.__file__, torch.get_num_threads()]
            worker = Worker(f'the ultralytics of {python}', command)
            forms['ultralytics, YOLOv9-T'] = lambda: worker.request(image)
        try:
            forms |= our_works(config, device, image, Path(name))
            return measure(f'jpg of {shape[0]} x {shape[1]} to boxes', forms, device, repeats)
        finally:
            if worker:
                worker.close()


def our_works(config: Path, device: torch.device, image: str, folder: Path) -> dict[str, Work]:
    """`DetInferencer`, `inference_detector`, `Predictor` and its network alone, all with the same weights."""
    from mmdet_ext.predict import Predictor  # only now: old checkouts do not have it

    cfg, trained, folded = detector(config, image, folder)
    inferencer = DetInferencer(deployed_config(cfg), folded, device=str(device), show_progress=False)
    initialised = init_detector(deployed_config(cfg), folded, device=str(device))
    predictor = Predictor(cfg, trained, device)
    inputs, _ = predictor.collate([predictor.prepare(image)])
    inputs = inputs.contiguous(memory_format=torch.channels_last)
    network = torch.inference_mode()(lambda: (predictor.traced_network or predictor.model._forward)(inputs))
    return {'DetInferencer': lambda: inferencer(image),
            'inference_detector': lambda: inference_detector(initialised, image),
            'Predictor': lambda: predictor(image), 'network of Predictor alone': network}


def detector(config: Path, image: str, folder: Path) -> tuple[Config, str, str]:
    """The config of a random YOLOv9 that finds some boxes in `image`, and its checkpoints, as trained and folded."""
    cfg = Config.fromfile(config)
    cfg.model.test_cfg.update(score_thr=SCORE_THR, nms=dict(type='nms', iou_threshold=IOU_THR), max_per_img=MOST)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model).eval()
    pixels = torch.from_numpy(cv2.imread(image)).flip(2).permute(2, 0, 1)[None] / 255
    make_sure([tower[-1] for tower in model.bbox_head.class_towers], lambda x: model(x, mode='tensor'), pixels)
    meta = dict(dataset_meta=dict(classes=tuple(map(str, range(model.bbox_head.num_classes)))))
    paths = str(folder / 'trained.pth'), str(folder / 'folded.pth')
    for path, form in zip(paths, (model, deploy(model)), strict=True):
        torch.save(dict(state_dict=form.state_dict(), meta=meta), path)
    return cfg, *paths
