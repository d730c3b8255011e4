"""mmdet's `DetInferencer` with our configs, as a user calls it, in a new process.

It imports mmdet_ext only where mmcv has no compiled operators, so that `mmdet.apis` could not be imported without.
"""
import subprocess
import sys

import cv2
import numpy as np
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.logging import HistoryBuffer

from mmdet_ext import operators

PROGRAM = """
import sys
from mmdet.apis import DetInferencer
config, weights, image, out = sys.argv[1:]
result = DetInferencer(config, weights)(image, out_dir=out, no_save_pred=False, pred_score_thr=0.0)
prediction, = result['predictions']
print(len(prediction['bboxes']), max(map(max, prediction['bboxes'])))
"""


def infer(tmp_path, config: str, content: dict) -> tuple[int, float]:
    torch.save(content, tmp_path / 'weights.pth')
    image = np.random.randint(0, 256, (90, 120, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'image.png'), image)
    program = f'import mmdet_ext\n{PROGRAM}' if operators.in_use() else PROGRAM
    command = [sys.executable, '-W', 'ignore', '-c', program, config, *map(str, (
        tmp_path / 'weights.pth', tmp_path / 'image.png', tmp_path / 'out'))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    count, greatest = done.stdout.splitlines()[-1].split()
    drawn = cv2.imread(str(tmp_path / 'out/vis/image.png'))
    enlarged = cv2.resize(image, (640, 480), interpolation=cv2.INTER_CUBIC)
    assert drawn.shape == (29 + 480, 640, 3) and (drawn[29:] != enlarged).any()  # below a heading
    return int(count), float(greatest)


def test_an_image_with_a_checkpoint_of_a_training_run(tmp_path):
    config = 'configs/yolov9/yolov9t_coco.py'
    history = HistoryBuffer()
    history.update(np.float64(1.5))
    content = dict(
        state_dict=MODELS.build(Config.fromfile(config).model).state_dict(),
        message_hub=dict(log_scalars={'train/loss': history}, runtime_info=dict(iter=np.int64(3))),
        meta=dict(dataset_meta=dict(classes=tuple(f'class {i}' for i in range(80)))))
    for name, value in content['state_dict'].items():
        if name.startswith('bbox_head.class_towers') and name.endswith('2.bias'):
            value.fill_(0.0)  # scores of an untrained network are too low to be drawn
    count, greatest = infer(tmp_path, config, content)
    assert 0 < count <= 300
    assert 0 < greatest <= 120  # boxes are in pixels of the image
