"""Early stopping that survives a resume."""
from mmdet.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner


@HOOKS.register_module()
class PatienceHook(Hook):
    """Stop training when a metric has not reached its best value again for `patience` epochs.

    mmengine's `EarlyStoppingHook` counts evaluations instead of epochs, starts to count anew after a resume, and builds
    the training data even if a model is only tested.

    Args:
        monitor: Key of the metric; greater values must be better.
        patience: Number of epochs.
    """

    priority = 'LOWEST'

    def __init__(self, monitor: str, patience: int = 100) -> None:
        if patience < 1:
            raise ValueError(f'patience must be at least 1, got {patience}')
        self.monitor = monitor
        self.patience = patience
        self._training = False

    def before_train(self, runner: Runner) -> None:
        if isinstance(runner.train_loop, IterBasedTrainLoop):
            raise ValueError('PatienceHook counts epochs, of which an IterBasedTrainLoop has none: train with an '
                             'EpochBasedTrainLoop or set default_hooks.patience=None')
        self._training = True

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float] | None = None) -> None:
        if not self._training or not metrics:
            return
        if self.monitor not in metrics:
            raise ValueError(f'PatienceHook.monitor is {self.monitor!r}, and evaluation gave {sorted(metrics)}')
        # The message hub is part of the checkpoint, but the last epoch's was written before this evaluation.
        hub = runner.message_hub
        best, best_epoch = hub.get_info('patience', (-float('inf'), runner.epoch))
        if metrics[self.monitor] >= best:
            best, best_epoch = float(metrics[self.monitor]), runner.epoch
        hub.update_info('patience', (best, best_epoch))
        if runner.epoch - best_epoch >= self.patience:
            runner.train_loop.stop_training = True
            runner.logger.info(f'{self.monitor} was best in epoch {best_epoch} ({best:.4f}): training stops after '
                               f'{self.patience} epochs without improvement.')
