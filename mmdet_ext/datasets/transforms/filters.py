"""Filters that are applied with a small probability: blur, median, grey, contrast."""
import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmdet.registry import TRANSFORMS


@TRANSFORMS.register_module()
class YOLOFilters(BaseTransform):
    """Box blur, median blur, loss of colour and local contrast (CLAHE), each with its own small probability.

    The published recipe takes these four from albumentations with their default ranges, which are kept here: kernels
    of 3, 5 or 7 pixels, clip limits from 1 to 4 on 8 x 8 tiles of the lightness.

    Args:
        prob: Probability of each filter, 0 to 1.
    """

    def __init__(self, prob: float = 0.01) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must be between 0 and 1, got {prob}')
        self.prob = prob

    def transform(self, results: dict) -> dict:
        drawn = np.random.random(4) < self.prob
        for apply, is_drawn in zip((_blur, _median, _grey, _clahe), drawn):
            if is_drawn:
                results['img'] = apply(results['img'])
        return results


def _blur(img: np.ndarray) -> np.ndarray:
    return cv2.blur(img, (np.random.choice((3, 5, 7)).item(), ) * 2)


def _median(img: np.ndarray) -> np.ndarray:
    return cv2.medianBlur(img, np.random.choice((3, 5, 7)).item())


def _grey(img: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(img, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def _clahe(img: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(img, cv2.COLOR_BGR2LAB)
    lab[..., 0] = cv2.createCLAHE(np.random.uniform(1, 4), (8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2BGR)
