"""Forms of one computation within this checkout, by the names that `tools/benchmark.py` takes."""
from collections.abc import Callable, Iterable

import torch
from mmengine.config import Config

from . import ROOT, combination, data, mdetr, prediction, smca, startup, yolo_rd, yolov9
from .measure import Row

CONFIGS = ROOT / 'configs'


def benchmarks(device: torch.device, repeats: int, dtype: torch.dtype,
               ultralytics: str | None) -> dict[str, Callable[[], Iterable[Row]]]:
    """All of them, to be called; MDETR's images have an ordinary size where that does not take an hour.

    `dtype` is that of modulated attention, `ultralytics` an interpreter that has it; None for this one, if it has.
    """
    few, shape = min(repeats, 3), (800, 1056) if device.type == 'cuda' else (192, 256)
    mdetr_r101, mdetr_r18 = (CONFIGS / name for name in ('_base_/mdetr_model.py', 'mdetr/mdetr_r18_coco128.py'))
    return {
        'deployment': lambda: yolov9.deployment(CONFIGS / 'yolov9/yolov9c_coco.py', device, repeats),
        'loss': lambda: yolov9.assignment_and_loss(device, repeats),
        'loss-100': lambda: yolov9.assignment_and_loss(device, few, boxes=100),
        'loss-1000': lambda: yolov9.assignment_and_loss(device, 1, boxes=1000),
        'dictionary': lambda: yolo_rd.network(CONFIGS / 'yolo_rd/yolov9c_rd_coco.py', device, repeats),
        'dictionary-module': lambda: yolo_rd.module(device, repeats),
        'modulation': lambda: smca.attention(device, repeats, (25, 34), dtype),
        'modulation-large': lambda: smca.attention(device, repeats, (100, 134), dtype),
        'prompts': lambda: mdetr.prompts(Config.fromfile(mdetr_r101), device, few, shape),
        'prompted-detection': lambda: mdetr.prompted_detection(Config.fromfile(mdetr_r101), device, few, shape),
        'text-cache': lambda: mdetr.text_cache(Config.fromfile(mdetr_r18), device, few, shape),
        'prediction': lambda: prediction.prediction(CONFIGS / 'yolov9/yolov9t_coco.py', device, repeats,
                                                    ultralytics_python=ultralytics),
        'figures': data.coco_figures,
        'captions': data.captions,
        'annotations': data.annotations,
        'training-images': lambda: data.training_images(CONFIGS / 'yolov9/yolov9c_coco.py'),
        'imports': lambda: startup.imports(min(repeats, 5)),
        'threads': lambda: startup.threads(ROOT),
        'threads-large': lambda: startup.threads(ROOT, size=320, batch=16),
        'threads-busy': lambda: startup.threads(ROOT, busy=True),
        'combination': lambda: combination.combination(ROOT / 'tools/data/build_mdetr_combined.py'),
    }
