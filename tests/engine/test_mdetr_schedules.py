import pytest
import torch
import torch.nn as nn
from golden.cases import load_case
from mmdet_ext.engine.mdetr_lr_hook import SCHEDULES, Progress
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from tiny_run import tiny_runner

RATES = dict(custom_keys=dict(backbone=dict(lr_mult=0.1), text_encoder=dict(lr_mult=0.5)))


class Grounder(BaseModel):
    """A layer each for the image, the caption and the boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.text_encoder, self.head = nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1)

    def forward(self, inputs: torch.Tensor, mode: str = 'tensor') -> dict[str, torch.Tensor]:
        return dict(loss=self.head(self.backbone(inputs) + self.text_encoder(inputs)).square().sum())


class Recorder(Hook):
    """Notes the learning rate that each trained part has in each iteration, and what is logged as base_lr."""

    def __init__(self) -> None:
        self.used: list[dict[str, float]] = []

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        names = {parameter: name.split('.')[0] for name, parameter in runner.model.named_parameters()}
        groups = runner.optim_wrapper.optimizer.param_groups
        rates = {names[parameter]: group['lr'] for group in groups for parameter in group['params']}
        self.used.append(rates | dict(logged=runner.optim_wrapper.get_lr().get('base_lr', [None])[0]))


def train(tmp_path, *, hook: dict | None = None, paramwise_cfg: dict | None = RATES, model: nn.Module | None = None,
          checkpoint: dict | None = None, **settings) -> tuple[list[dict[str, float]], dict[str, torch.Tensor]]:
    """Rates in each iteration, and the weights at the end."""
    recorder = Recorder()
    hooks = dict(schedule=dict(type='MDETRLrHook') | (hook or dict(lr_drop=2, warmup_fraction=0.2)), recorder=recorder,
                 checkpoint=checkpoint or dict(type='CheckpointHook', interval=1))
    wrapper = dict(type='OptimWrapper', constructor='DefaultOptimWrapperConstructor', paramwise_cfg=paramwise_cfg,
                   optimizer=dict(type='AdamW', lr=0.01))
    torch.manual_seed(0)
    runner = tiny_runner(tmp_path, model or Grounder(), hooks=hooks, iters=5, optim_wrapper=wrapper,
                         **dict(epochs=4) | settings)
    runner.train()
    return recorder.used, runner.model.state_dict()


@pytest.mark.parametrize('schedule', sorted(SCHEDULES))
def test_rates_are_the_published_ones(schedule):
    table = load_case('mdetr', 'postprocess').results['schedules'][schedule]
    num_steps = table['epochs'] * table['steps_per_epoch']
    assert len(table['step -> lrs']) > 10
    for step, *expected in table['step -> lrs']:
        epoch = step // table['steps_per_epoch']
        text, rest = SCHEDULES[schedule](Progress(step, num_steps, epoch, table['lr_drop'], num_steps // 100))
        rates = [base * factor for base, factor in
                 zip(table['base [transformer, backbone, text]'], (rest, rest, text), strict=True)]
        assert rates == pytest.approx(expected, rel=1e-12, abs=0)


def test_an_iteration_is_trained_at_the_value_of_the_one_before(tmp_path):
    used, _ = train(tmp_path)  # 4 epochs of 5 iterations, 4 of which warm up
    text = [1, *(i / 4 for i in range(4)), *((20 - i) / 16 for i in range(4, 19))]
    rest = [1] * 11 + [0.1] * 9  # iteration 10 is the first of epoch 2
    for rates, text_factor, factor in zip(used, text, rest, strict=True):
        expected = dict(head=0.01, backbone=0.001, logged=0.01)
        expected = {name: rate * factor for name, rate in expected.items()} | dict(text_encoder=0.005 * text_factor)
        assert rates == pytest.approx(expected)


def test_the_rate_drops_again_after_each_lr_drop_epochs(tmp_path):
    used, _ = train(tmp_path, hook=dict(lr_drop=1))
    factors = [1] * 6 + [0.1] * 5 + [0.01] * 5 + [0.001] * 4  # 0.1^(epoch // lr_drop), an iteration late
    assert [rates['head'] for rates in used] == pytest.approx([0.01 * factor for factor in factors])


def test_without_a_warm_up_the_text_encoder_starts_at_its_own_rate(tmp_path):
    used, _ = train(tmp_path, hook=dict(warmup_fraction=0.))
    expected = [0.005, *(0.005 * (20 - i) / 20 for i in range(19))]
    assert [rates['text_encoder'] for rates in used] == pytest.approx(expected)


@pytest.mark.parametrize('schedule', sorted(SCHEDULES))
def test_a_resumed_training_equals_one_that_did_not_stop(tmp_path, schedule):
    hook = dict(schedule=schedule, lr_drop=1, warmup_fraction=0.4)
    unstopped, unstopped_weights = train(tmp_path / 'whole', hook=hook)
    part = tmp_path / 'whole/epoch_1.pth'  # in the warm-up
    rest, rest_weights = train(tmp_path / 'rest', hook=hook, load_from=str(part), resume=True)
    assert rest == unstopped[5:]
    torch.testing.assert_close(rest_weights, unstopped_weights, rtol=0, atol=0)


def test_a_checkpoint_between_epochs_holds_the_rates_of_the_next_iteration(tmp_path):
    used, _ = train(tmp_path, checkpoint=dict(type='CheckpointHook', interval=3, by_epoch=False))
    groups = torch.load(tmp_path / 'iter_3.pth')['optimizer']['param_groups']
    assert {group['lr'] for group in groups} == {used[3][name] for name in ('head', 'backbone', 'text_encoder')}


def test_a_longer_training_that_resumes_equals_one_of_that_length(tmp_path):
    train(tmp_path / 'part')
    used, _ = train(tmp_path / 'rest', epochs=8, load_from=str(tmp_path / 'part/epoch_4.pth'), resume=True)
    through, _ = train(tmp_path / 'through', epochs=8)
    assert used == through[20:] and used[0]['text_encoder'] == pytest.approx(0.005 * (40 - 19) / (40 - 8))


def test_one_group_for_all_does_where_all_are_treated_alike(tmp_path):
    used, _ = train(tmp_path, paramwise_cfg=None, hook=dict(schedule='step', lr_drop=2))
    assert [rates['text_encoder'] for rates in used] == [rates['head'] for rates in used]
    assert used[-1]['head'] == pytest.approx(0.001)


def test_a_frozen_text_encoder_is_in_no_group(tmp_path):
    model = Grounder()
    model.text_encoder.requires_grad_(False)
    used, _ = train(tmp_path, model=model)
    assert used[-1] == pytest.approx(dict(head=0.001, backbone=0.0001, logged=0.001))


def test_a_text_encoder_that_shares_its_group_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='text_encoder.weight and backbone.weight are in one parameter group'):
        train(tmp_path, paramwise_cfg=None)


def test_a_model_without_a_text_encoder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no parameter of the model has text_key='language' in its name"):
        train(tmp_path, hook=dict(text_key='language'))


def test_two_schedules_at_once_are_an_error(tmp_path):
    with pytest.raises(ValueError, match='param_scheduler must be None'):
        train(tmp_path, schedulers=[dict(type='MultiStepLR', milestones=[2])])


def test_epochs_need_a_training_by_epochs(tmp_path):
    runner = tiny_runner(tmp_path, Grounder(), hooks=dict(schedule=dict(type='MDETRLrHook', schedule='step')))
    runner._train_loop = dict(type='IterBasedTrainLoop', max_iters=3)
    with pytest.raises(ValueError, match="schedule 'step' counts epochs, got IterBasedTrainLoop"):
        runner.train()


@pytest.mark.parametrize('wrong', [dict(schedule='cosine'), dict(lr_drop=0), dict(warmup_fraction=1.)])
def test_rejects_arguments(tmp_path, wrong):
    with pytest.raises(ValueError, match=f'{next(iter(wrong))} must be'):
        train(tmp_path, hook=wrong)
