import pytest
from mmdet_ext.engine import PatienceHook
from mmengine.hooks import Hook
from tiny_run import tiny_runner


class Evaluation(Hook):
    """Stands for an evaluation after each epoch."""
    priority = 'LOWEST'

    def __init__(self, values: list[float], interval: int = 1) -> None:
        self.values = values
        self.interval = interval
        self.epochs = 0

    def before_train_epoch(self, runner) -> None:
        if runner.epoch and runner.epoch % self.interval == 0:
            runner.call_hook('after_val_epoch', metrics={'coco/fitness': self.values[runner.epoch - 1]})

    def after_train_epoch(self, runner) -> None:
        self.epochs = runner.epoch + 1


def last_epoch(tmp_path, values: list[float], *, patience: int, interval: int = 1, **settings) -> int:
    """Train for as many epochs as there are values; return after which one it ended. A stop takes effect an epoch late,
    since the evaluation here is done at the beginning of the next one."""
    evaluation = Evaluation(values, interval)
    hooks = dict(evaluation=evaluation, patience=dict(type='PatienceHook', monitor='coco/fitness', patience=patience))
    tiny_runner(tmp_path, epochs=len(values), iters=1, hooks=hooks, **settings).train()
    return evaluation.epochs


@pytest.mark.parametrize('values, patience, last', [
    ([.1, .2, .3, .4, .5, .6], 1, 6),
    ([.5, .4, .3, .2, .1, 0.], 2, 4),  # best in epoch 1, stop after 3
    ([.1, .5, .4, .5, .4, .3, .2], 2, 7),  # reached again in epoch 4, stop after 6
    ([.5, .4, .3, .2], 100, 4),
])
def test_training_ends_when_the_best_is_too_long_ago(tmp_path, values, patience, last):
    assert last_epoch(tmp_path, values, patience=patience) == last


def test_patience_is_counted_in_epochs_not_in_evaluations(tmp_path):
    assert last_epoch(tmp_path, [.5] * 2 + [.1] * 10, patience=4, interval=2) == 7  # best in epoch 2, stop after 6


def test_a_resumed_run_remembers_the_best(tmp_path):
    values = [.1, .5, .4, .3, .2, .1, 0.]
    assert last_epoch(tmp_path, values, patience=3) == 6
    checkpoint = str(tmp_path / 'epoch_4.pth')
    assert last_epoch(tmp_path, values, patience=3, load_from=checkpoint, resume=True) == 6


def test_a_metric_that_does_not_exist_is_an_error(tmp_path):
    runner = tiny_runner(tmp_path)
    hook = PatienceHook('coco/fitness')
    hook.before_train(runner)
    with pytest.raises(ValueError, match=r"monitor is 'coco/fitness', and evaluation gave \['coco/bbox_mAP'\]"):
        hook.after_val_epoch(runner, {'coco/bbox_mAP': 0.3})


def test_evaluation_alone_needs_no_training_data():
    PatienceHook('coco/fitness').after_val_epoch(None, {'coco/fitness': 0.3})


def test_rejects_a_patience_of_0():
    with pytest.raises(ValueError, match='patience must be at least 1, got 0'):
        PatienceHook('coco/fitness', 0)
