"""Set the size of images in the test pipelines of a config whose images are letterboxed."""
import copy

from mmengine.config import Config

from ..exported.evaluation import evaluated_data_sets


def use_image_size(cfg: Config, image_size: tuple[int, int] | None, dynamic: bool) -> Config:
    """The config with another size of evaluated images.

    Args:
        cfg: A config whose test pipelines have `YOLOResize` and `RectLetterbox`.
        image_size: (height, width) in pixels; None: a square with the config's long side.
        dynamic: Whether images keep their own ratio of sides, as in the config. Else they all get exactly this size.

    Raises:
        ValueError: The pipelines have other steps, or the size is no multiple of the stride.
    """
    cfg = copy.deepcopy(cfg)
    size = image_size
    for name, dataset in evaluated_data_sets(cfg).items():
        steps = {step['type']: step for step in dataset.pipeline}
        if 'YOLOResize' not in steps or 'RectLetterbox' not in steps:
            if dynamic and image_size is None:
                continue
            raise ValueError(f'{name}: the pipeline should have YOLOResize and RectLetterbox, got {", ".join(steps)}. '
                             'With --dynamic-size and without --image-size it stays as it is')
        resize, letterbox = steps['YOLOResize'], steps['RectLetterbox']
        size = size or ((resize.size, ) * 2 if isinstance(resize.size, int) else tuple(resize.size))
        _check(size, letterbox.get('stride', 32))
        if dynamic:
            resize.size = max(size)
            if dataset.get('batch_shapes'):
                dataset.batch_shapes.size = max(size)
        else:
            resize.size = list(size)
            letterbox.shape = list(size)
            dataset.pop('batch_shapes', None)
    return cfg


def _check(size: tuple[int, int], stride: int) -> None:
    if any(side < stride or side % stride for side in size):
        raise ValueError(f'image_size should be multiples of {stride}, got {size[0]} x {size[1]}')
