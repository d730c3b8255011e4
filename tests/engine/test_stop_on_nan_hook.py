from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from mmdet_ext.engine import StopOnNaNHook
from tiny_run import TinyModel, tiny_runner

HOOKS = dict(stop=dict(type='StopOnNaNHook'), ema=dict(type='YOLOEMAHook'))


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
    average = next(hook for hook in runner.hooks if type(hook).__name__ == 'YOLOEMAHook').ema_model.module
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


def _one_of_two_processes(rank: int, folder, answers) -> None:
    dist.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    runner = SimpleNamespace(iter=6, epoch=1, max_iters=12, work_dir='work')
    messages = []
    for loss in (1., float('nan') if rank else 1.):  # in the second iteration, that of process 1 goes wrong
        try:
            StopOnNaNHook().after_train_iter(runner, 0, outputs=dict(loss=torch.tensor(loss)))
        except FloatingPointError as error:
            messages.append(str(error))
    answers.put((rank, messages))
    dist.destroy_process_group()


def test_all_processes_stop_when_one_goes_wrong(tmp_path):
    context = torch.multiprocessing.get_context('fork')
    answers = context.Queue()
    processes = [context.Process(target=_one_of_two_processes, args=(rank, tmp_path, answers)) for rank in range(2)]
    for process in processes:
        process.start()
    messages = dict(answers.get(timeout=60) for _ in processes)
    for process in processes:
        process.join(timeout=60)
    assert 'process 0: a loss of another process is not finite' in messages[0][0] and len(messages[0]) == 1
    assert 'process 1: loss is nan' in messages[1][0] and len(messages[1]) == 1
