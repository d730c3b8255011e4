from functools import partial
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from benchmarks.counts import count
from mmdet_ext.engine import StopOnNaNHook, stop_on_nan_hook
from mmengine.hooks import Hook
from tiny_run import TinyModel, tiny_runner

BY_ITERATION = dict(checkpoint=dict(type='CheckpointHook', interval=3, by_epoch=False, max_keep_ckpts=1))
BY_FIVE = dict(checkpoint=dict(type='CheckpointHook', interval=5, by_epoch=False, max_keep_ckpts=1))
HOOKS = dict(stop=dict(type='StopOnNaNHook'), ema=dict(type='StepEMAHook'))


@pytest.mark.parametrize('factor', [float('nan'), float('inf')])
def test_training_stops_in_the_iteration_that_goes_wrong(tmp_path, factor):
    torch.manual_seed(0)
    model = TinyModel(factors={6: factor})  # iterations 5 to 8 are epoch 2
    runner = tiny_runner(tmp_path, model, hooks=HOOKS)
    expected = r'epoch 2, iteration 7 of 12, process 0: loss is .*, loss_a is -?[a-z]+\.'
    with pytest.raises(FloatingPointError, match=expected):
        runner.train()
    assert len(model.inputs) == 7
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_what_was_saved_and_the_average_stay_sound(tmp_path):
    torch.manual_seed(0)
    runner = tiny_runner(tmp_path, TinyModel(factors={6: float('nan')}), hooks=HOOKS)
    with pytest.raises(FloatingPointError):
        runner.train()
    saved = torch.load(tmp_path / 'epoch_1.pth', weights_only=False)
    average = next(hook for hook in runner.hooks if type(hook).__name__ == 'StepEMAHook').ema_model.module
    for state in (saved['state_dict'], average.state_dict()):
        assert all(value.isfinite().all() for value in state.values())


def test_weights_that_go_wrong_in_the_last_step_are_not_saved(tmp_path):
    class Breaking(TinyModel):

        def train_step(self, data, optim_wrapper):
            outputs = super().train_step(data, optim_wrapper)
            if len(self.inputs) == 8:
                self.norm.running_mean.fill_(float('inf'))
            return outputs

    runner = tiny_runner(tmp_path, Breaking(), hooks=HOOKS)
    expected = 'epoch 2, iteration 8 of 12, .* 1 tensors of the model .* norm.running_mean'
    with pytest.raises(FloatingPointError, match=expected):
        runner.train()
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_a_sound_training_is_left_alone(tmp_path):
    tiny_runner(tmp_path, hooks=HOOKS).train()
    assert len(list(tmp_path.glob('*.pth'))) == 3


@pytest.fixture
def late(monkeypatch) -> None:
    """Numbers are read as on CUDA, one iteration later."""
    monkeypatch.setattr(stop_on_nan_hook, '_is_late', lambda tensor: True)


@pytest.mark.parametrize('iteration, hooks, trained, saved', [
    (6, {}, 8, ['epoch_1.pth']),  # in the middle of epoch 2: one iteration later
    (7, {}, 8, ['epoch_1.pth']),  # its last: before the checkpoint
    (11, {}, 12, ['epoch_1.pth', 'epoch_2.pth']),
    (5, BY_ITERATION, 6, ['iter_3.pth']),  # a checkpoint follows
    (4, BY_ITERATION, 6, ['iter_3.pth']),
    (3, BY_ITERATION, 4, ['iter_3.pth']),  # an epoch ends
    (0, BY_ITERATION, 2, []),
    (11, BY_FIVE, 12, ['iter_10.pth']),  # the last checkpoint of all
])
def test_on_cuda_it_stops_before_anything_is_saved(tmp_path, late, iteration, hooks, trained, saved):
    model = TinyModel(factors={iteration: float('nan')})
    runner = tiny_runner(tmp_path, model, hooks=HOOKS | hooks)
    with pytest.raises(FloatingPointError, match=f'iteration {iteration + 1} of 12, process 0: loss is nan'):
        runner.train()
    assert len(model.inputs) == trained
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == saved
    for path in tmp_path.glob('*.pth'):
        state = torch.load(path)
        assert all(value.isfinite().all() for value in (state['state_dict'] | state['ema_state_dict']).values())


class Saving(Hook):
    """Saves in the middle of an epoch, as CheckpointHook does not."""

    priority = 'LOWEST'

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        runner.save_checkpoint(runner.work_dir, f'own_{runner.iter}.pth')


def test_on_cuda_a_checkpoint_of_another_hook_is_stopped_too(tmp_path, late):
    runner = tiny_runner(tmp_path, TinyModel(factors={2: float('nan')}), hooks=HOOKS, custom_hooks=[Saving()])
    with pytest.raises(FloatingPointError, match='iteration 3 of 12'):
        runner.train()
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['own_0.pth', 'own_1.pth']


def test_on_cuda_an_evaluation_in_between_is_not_begun(tmp_path, late):
    runner = tiny_runner(tmp_path, TinyModel(factors={2: float('nan')}), hooks=HOOKS)
    hook = next(hook for hook in runner.hooks if isinstance(hook, StopOnNaNHook))
    hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(float('inf'))))
    with pytest.raises(FloatingPointError, match='loss is inf'):
        runner.call_hook('before_val_epoch')


def check_three_times(hook: StopOnNaNHook, runner: SimpleNamespace, outputs: dict) -> None:
    for _ in range(3):
        hook.after_train_iter(runner, 0, outputs=outputs)


def test_on_cuda_losses_are_not_waited_for_and_cost_the_same_however_many_they_are(late):
    runner, operators = SimpleNamespace(iter=6, epoch=1, max_iters=12, work_dir='work', hooks=[]), []
    for number in (1, 20):
        hook, outputs = StopOnNaNHook(), {f'loss_{i}': torch.ones(()) for i in range(number)}
        counts = count(partial(check_three_times, hook, runner, outputs))
        assert counts.synchronisations == {}
        operators.append({name: ran for name, ran in counts.operators.items() if name not in ('detach', 'view')})
    assert operators[0] == operators[1]


def test_on_cuda_a_sound_training_is_left_alone(tmp_path, late):
    tiny_runner(tmp_path, hooks=HOOKS).train()
    assert len(list(tmp_path.glob('*.pth'))) == 3


def _one_of_two_processes(rank: int, folder, answers) -> None:
    dist.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    runner = SimpleNamespace(iter=6, epoch=1, max_iters=12, work_dir='work', hooks=[])
    hook, messages = StopOnNaNHook(), {}
    for i, loss in enumerate((1., float('nan') if rank else 1., 1.)):  # then that of process 1 goes wrong
        try:
            hook.after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(loss)))
        except FloatingPointError as error:
            messages[i] = str(error)
    answers.put((rank, messages))
    dist.destroy_process_group()


@pytest.mark.parametrize('is_late', [False, True])
def test_all_processes_stop_when_one_goes_wrong(tmp_path, monkeypatch, is_late):
    monkeypatch.setattr(stop_on_nan_hook, '_is_late', lambda tensor: is_late)
    context = torch.multiprocessing.get_context('fork')
    answers = context.Queue()
    processes = [context.Process(target=_one_of_two_processes, args=(rank, tmp_path, answers)) for rank in range(2)]
    for process in processes:
        process.start()
    messages = dict(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(timeout=60)
    iteration = 2 if is_late else 1
    assert list(messages[0]) == list(messages[1]) == [iteration]
    assert 'process 0: a loss of another process is not finite' in messages[0][iteration]
    assert 'process 1: loss is nan' in messages[1][iteration]
