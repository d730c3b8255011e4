"""Train the last epochs without transforms that mix several images."""
from collections.abc import Sequence
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader


@HOOKS.register_module()
class CloseMosaicHook(Hook):
    """Leave transforms of `MultiImageMixDataset` out in the last `num_last_epochs` epochs, also after a resume.

    mmdet's `YOLOXModeSwitchHook` begins one epoch earlier and changes the head's loss.

    Args:
        num_last_epochs: Number of epochs; if it is `max_epochs` or more, all epochs.
        skip_type_keys: Types of the transforms that are left out.
    """

    def __init__(self, num_last_epochs: int = 15,
                 skip_type_keys: Sequence[str] = ('YOLOMosaic', 'YOLOCopyPaste', 'YOLOMixUp')) -> None:
        self.num_last_epochs = num_last_epochs
        self.skip_type_keys = tuple(skip_type_keys)
        self._closed = False

    def before_train(self, runner: Runner) -> None:
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError('CloseMosaicHook counts epochs, of which an IterBasedTrainLoop has none: train with an '
                             'EpochBasedTrainLoop or set default_hooks.close_mosaic=None')

    def before_train_epoch(self, runner: Runner) -> None:
        if self._closed or runner.epoch < runner.max_epochs - self.num_last_epochs:
            return
        loader = runner.train_dataloader
        _mixing_dataset(loader).update_skip_type_keys(self.skip_type_keys)
        # Persistent workers hold copies of the data set as it was: without them, the loader starts new ones.
        loader._iterator = None
        self._closed = True
        runner.logger.info(f'From epoch {runner.epoch + 1} on, training goes without {", ".join(self.skip_type_keys)}.')


def _mixing_dataset(loader: DataLoader) -> Any:
    dataset = loader.dataset
    while not hasattr(dataset, 'update_skip_type_keys'):
        if not hasattr(dataset, 'dataset'):
            raise ValueError('CloseMosaicHook needs a MultiImageMixDataset as train_dataloader.dataset, got '
                             f'{type(loader.dataset).__name__}')
        dataset = dataset.dataset
    return dataset
