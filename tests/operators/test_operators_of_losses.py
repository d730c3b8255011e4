"""Focal losses and batch norm, which mmcv has for CUDA only, against textbook forms."""
import pytest
import torch
import torch.nn.functional as F
from operator_cases import normal, with_gradients
from torch import Tensor

pytestmark = pytest.mark.usefixtures('stand_in')
LABELS = torch.tensor([0, 3, 2, 4, 1, -1, 0])  # of 4 classes; 4 is the background, a negative one is ignored


def sigmoid_focal_loss_by_terms(logits: Tensor, gamma: float, alpha: float, weight: Tensor | None) -> Tensor:
    positive = F.one_hot(LABELS.clamp(min=0), 5)[:, :4].bool() & (LABELS >= 0).unsqueeze(1)
    p = torch.where(positive, logits, -logits).sigmoid()
    loss = torch.where(positive, alpha, 1 - alpha) * (1 - p) ** gamma * -p.log()
    return loss if weight is None else loss * torch.cat([weight, torch.ones(2)])[LABELS].unsqueeze(1)


def softmax_focal_loss_by_terms(logits: Tensor, gamma: float, alpha: float, weight: Tensor | None) -> Tensor:
    rows = ((LABELS >= 0) & (LABELS < 4)).nonzero()[:, 0]
    p = logits[rows].softmax(1)[range(len(rows)), LABELS[rows]]
    loss = alpha * (1 - p) ** gamma * -p.log() * (1 if weight is None else weight[LABELS[rows]])
    return torch.zeros(len(LABELS)).index_add(0, rows, loss)


@pytest.mark.parametrize('gamma, alpha', [(2., 0.25), (0., 0.5), (1.5, 0.75)])
@pytest.mark.parametrize('weight', [None, torch.tensor([1., 2., 0.5, 3.])], ids=['equal', 'weights'])
@pytest.mark.parametrize('kind', ['sigmoid', 'softmax'])
def test_focal_losses_are_those_of_the_paper(kind, gamma, alpha, weight):
    from mmcv.ops import sigmoid_focal_loss, softmax_focal_loss

    operator, terms = {'sigmoid': (sigmoid_focal_loss, sigmoid_focal_loss_by_terms),
                   'softmax': (softmax_focal_loss, softmax_focal_loss_by_terms)}[kind]
    logits = normal(1, 7, 4) * 3
    # mmcv's gradient of a softmax multiplies (7, 4) by that of its result, which is one number of a sum or a mean
    actual = with_gradients(lambda logits: operator(logits, LABELS, gamma, alpha, weight, 'sum'), logits=logits)
    expected = with_gradients(lambda logits: terms(logits, gamma, alpha, weight).sum(), logits=logits)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)
    assert operator(logits, LABELS, gamma, alpha, weight, 'mean').item() == pytest.approx(actual['result'].item() / 7)


def test_a_certain_and_wrong_probability_costs_the_logarithm_of_the_least_float():
    from mmcv.ops import sigmoid_focal_loss

    loss = sigmoid_focal_loss(torch.tensor([[-200.]]), torch.tensor([0]), 2., 0.25, None, 'none')
    assert loss.item() == pytest.approx(-0.25 * torch.tensor(torch.finfo(torch.float32).tiny).log().item())


def test_labels_above_the_number_of_classes_are_named():
    from mmcv.ops import sigmoid_focal_loss

    with pytest.raises(ValueError, match='labels are at most 4, the number of classes, got 7'):
        sigmoid_focal_loss(torch.zeros(2, 4), torch.tensor([0, 7]))


@pytest.mark.parametrize('kind', ['sigmoid_focal_loss', 'softmax_focal_loss'])
def test_no_rows_have_no_loss(kind):
    import mmcv.ops

    logits = torch.zeros(0, 4, requires_grad=True)
    loss = getattr(mmcv.ops, kind)(logits, torch.zeros(0, dtype=torch.long), 2., 0.25, None, 'sum')
    loss.backward()
    assert loss.item() == 0 and logits.grad.shape == (0, 4)


@pytest.mark.parametrize('stats_mode', ['default', 'N'])
def test_batch_norm_of_one_process_is_batch_norm(stats_mode):
    from mmcv.ops.sync_bn import SyncBatchNormFunction

    maps, weight, bias = normal(2, 3, 4, 5, 6) * 2 + 1, normal(3, 4), normal(4, 4)
    statistics = [[normal(5, 4), normal(6, 4).abs()] for _ in range(2)]

    def ours(maps, weight, bias):
        return SyncBatchNormFunction.apply(maps, *statistics[0], weight, bias, 0.1, 1e-5, None, 1, stats_mode)

    def torchs(maps, weight, bias):
        return F.batch_norm(maps, *statistics[1], weight, bias, True, 0.1, 1e-5)

    actual, expected = (with_gradients(function, maps=maps, weight=weight, bias=bias) for function in (ours, torchs))
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(*statistics)
