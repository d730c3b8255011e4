"""Random hue, saturation and brightness."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class YOLOHSV(BaseTransform):
    """Multiply hue, saturation and value of a BGR image, each by a factor uniform in [1 - gain, 1 + gain].

    `YOLOXHSVRandomAug` of mmdet adds to them instead.

    Args:
        hue: Gain of the hue, 0 to 1; hues beyond the largest begin again at 0.
        saturation: Gain of the saturation, 0 to 1.
        value: Gain of the value, 0 to 1.
    """

    def __init__(self, hue: float = 0.015, saturation: float = 0.7, value: float = 0.4) -> None:
        self.gains = np.array([hue, saturation, value])

    def transform(self, results: dict) -> dict:
        factors = 1 + np.random.uniform(-1, 1, 3) * self.gains
        levels = np.arange(256)[:, None] * factors  # (256, 3)
        levels[:, 0] %= 180  # OpenCV's hue of 8 bits counts in 2 degrees
        table = levels.clip(0, 255).astype(np.uint8)[None]
        hsv = cv2.LUT(cv2.cvtColor(results['img'], cv2.COLOR_BGR2HSV), table)
        results['img'] = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)
        return results
