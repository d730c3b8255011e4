"""Models that find something although they are not trained, and images of all sorts."""
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from PIL import Image

CONFIG = 'configs/yolov9/yolov9t_shapes.py'
CLASSES = tuple(f'class {i}' for i in range(80))


def smooth(height: int, width: int) -> np.ndarray:
    """Blobs of colour, since noise survives no resizing."""
    blobs = np.random.randint(0, 256, (6, 7, 3), dtype=np.uint8)
    return cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)


def write_images(folder: Path) -> list[str]:
    """Odd sizes, grey, turned by EXIF, wide, and an ordinary one twice."""
    cv2.imwrite(str(folder / 'odd.jpg'), smooth(91, 117))
    cv2.imwrite(str(folder / 'grey.png'), smooth(80, 64)[..., 0])
    cv2.imwrite(str(folder / 'wide.jpg'), smooth(20, 640))
    cv2.imwrite(str(folder / 'tiny.png'), smooth(5, 9))
    turned = Image.fromarray(smooth(60, 100))
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn
    turned.save(folder / 'turned.jpg', exif=exif)
    for name in 'ab':
        cv2.imwrite(str(folder / f'{name}.jpg'), smooth(90, 120))
    names = 'odd.jpg', 'grey.png', 'wide.jpg', 'tiny.png', 'turned.jpg', 'a.jpg', 'b.jpg'
    return [str(folder / name) for name in names]


def sure_config(path: str = CONFIG) -> Config:
    cfg = Config.fromfile(path)
    cfg.model.test_cfg.score_thr = 0.25
    return cfg


@torch.no_grad()
def write_sure_weights(cfg: Config, file: Path) -> Path:
    """Random weights whose classes' logits vary from -2.5 by about 1."""
    model = MODELS.build(cfg.model).eval()
    image = torch.from_numpy(smooth(160, 160)).permute(2, 0, 1)[None] / 255
    for tower in model.bbox_head.class_towers:
        tower[-1].weight.normal_()
        tower[-1].bias.zero_()
    for tower, logits in zip(model.bbox_head.class_towers, model(image, mode='tensor')[0], strict=True):
        mean, std = logits.mean((0, 2, 3)), logits.std((0, 2, 3))
        tower[-1].weight.div_(std[:, None, None, None])
        tower[-1].bias.copy_(-2.5 - mean / std)
    for tower in model.bbox_head.box_towers:
        tower[-1].weight.normal_(std=2)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=CLASSES))), file)
    return file
