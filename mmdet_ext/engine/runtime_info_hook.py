"""Logging of losses without waiting for the device in each iteration."""
from typing import Any

from mmdet.registry import HOOKS
from mmengine.hooks import RuntimeInfoHook
from mmengine.runner import Runner

from .lazy_scalars import update_scalars


@HOOKS.register_module()
class NoWaitRuntimeInfoHook(RuntimeInfoHook):
    """Replaces `RuntimeInfoHook`: leaves losses on the device until the log is written.

    The histories in the message hub hold the same numbers in the same order as with mmengine's hook, which reads each
    loss in each iteration.
    """

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None,
                         outputs: dict | None = None) -> None:
        update_scalars(runner.message_hub, {f'train/{key}': value for key, value in (outputs or {}).items()})
