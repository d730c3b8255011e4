import pytest
import torch
from tiny_run import TinyModel, tiny_runner

HOOKS = dict(stop=dict(type='StopOnNaNHook'), ema=dict(type='YOLOEMAHook'))


@pytest.mark.parametrize('factor', [float('nan'), float('inf')])
def test_training_stops_in_the_iteration_that_goes_wrong(tmp_path, factor):
    torch.manual_seed(0)
    model = TinyModel(factors={6: factor})  # iterations 5 to 8 are epoch 2
    runner = tiny_runner(tmp_path, model, hooks=HOOKS)
    with pytest.raises(FloatingPointError, match=r'epoch 2, iteration 7 of 12, process 0: loss is .*, loss_a is -?[a-z]+\.'):
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
    with pytest.raises(FloatingPointError, match='epoch 2, iteration 8 of 12, .* 1 tensors of the model .* norm.running_mean'):
        runner.train()
    assert [path.name for path in tmp_path.glob('*.pth')] == ['epoch_1.pth']


def test_a_sound_training_is_left_alone(tmp_path):
    tiny_runner(tmp_path, hooks=HOOKS).train()
    assert len(list(tmp_path.glob('*.pth'))) == 3
