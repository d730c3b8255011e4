"""Our focal loss against mmdet's Python path, which a GPU does not take, and by hand."""
import math

import pytest
import torch
from mmdet.models.losses import FocalLoss
from mmdet.registry import MODELS
from mmengine.config import Config
from torch import Tensor
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from mmdet_ext.models.losses import SigmoidFocalLoss

WEIGHTS = dict(none=None, per_row=torch.rand(6), per_entry=torch.rand(6, 4), zeros=torch.zeros(6))


def both(labels: Tensor, weight: Tensor | None = None, options: dict | None = None, **kwargs) -> list[tuple]:
    """Value and gradient of our loss and of mmdet's."""
    logits = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(1)) * 3
    results = []
    for cls in (SigmoidFocalLoss, FocalLoss):
        leaf = logits.clone().requires_grad_()
        value = cls(**(options or {}))(leaf, labels, weight, **kwargs)
        value.sum().backward()
        results.append((value.detach(), leaf.grad))
    return results


@pytest.mark.parametrize('weight', WEIGHTS)
@pytest.mark.parametrize('kwargs', [dict(), dict(avg_factor=3.5), dict(avg_factor=torch.tensor([2.])),
                                    dict(reduction_override='none'), dict(reduction_override='sum')],
                         ids=['mean', 'avg_factor', 'tensor', 'none', 'sum'])
@pytest.mark.parametrize('options', [dict(), dict(gamma=1.5, alpha=0.6, loss_weight=2.)], ids=['default', 'other'])
def test_values_and_gradients_are_mmdets(weight, kwargs, options):
    result, result_of_mmdet = both(torch.tensor([0, 4, 3, 1, 4, 2]), WEIGHTS[weight], options, **kwargs)
    assert_close(result, result_of_mmdet, rtol=2e-6, atol=1e-7)


def test_dense_targets_are_mmdets():
    result, result_of_mmdet = both(torch.rand(6, 4), avg_factor=2.)
    assert_close(result, result_of_mmdet, rtol=2e-6, atol=1e-7)


def test_no_rows_give_a_loss_of_0_that_can_be_differentiated():
    for result in both(torch.zeros(0, dtype=torch.long), torch.zeros(0), avg_factor=1.):
        assert_close(result, (torch.tensor(0.), torch.zeros(0, 4)))


def test_background_by_hand():
    """A logit of 0 is a probability of a half: -log(0.5) * 0.5 ** 2, times alpha for the right class."""
    loss = SigmoidFocalLoss(reduction='none')(torch.zeros(2, 2), torch.tensor([1, 2]))
    right, wrong = 0.25 * 0.25 * math.log(2), 0.75 * 0.25 * math.log(2)
    assert_close(loss, torch.tensor([[wrong, right], [wrong, wrong]]))


@pytest.mark.parametrize('label', [5, -1])
def test_labels_out_of_range_are_refused_on_the_cpu(label):
    with pytest.raises((RuntimeError, IndexError), match='out of bounds'):
        SigmoidFocalLoss()(torch.zeros(1, 4), torch.tensor([label]))


@pytest.mark.parametrize('options, key', [(dict(use_sigmoid=False), 'use_sigmoid'), (dict(activated=True), 'activated'),
                                          (dict(reduction='median'), 'median')])
def test_what_it_does_not_do_is_refused(options, key):
    with pytest.raises(ValueError, match=key):
        SigmoidFocalLoss(**options)


class Dispatched(TorchDispatchMode):
    """Counts operators and the elements of their results."""

    def __init__(self) -> None:
        super().__init__()
        self.operators: dict[str, int] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, Tensor) and not out.is_floating_point():
            self.operators[func.overloadpacket.__name__] = out.numel()
        elif not isinstance(out, Tensor):
            self.operators[func.overloadpacket.__name__] = 0
        return out


def test_it_makes_no_dense_integers_and_waits_for_nothing():
    """mmdet's one-hot targets are 64-bit, and a GPU would have to say that the labels are in range."""
    logits, labels = torch.randn(50, 80, requires_grad=True), torch.randint(0, 81, (50, ))
    with Dispatched() as seen:
        SigmoidFocalLoss()(logits, labels, torch.ones(50), avg_factor=3.).backward()
    assert {name: size for name, size in seen.operators.items() if size != 50} == {}
    with Dispatched() as dispatched:
        FocalLoss()(logits, labels, torch.ones(50), avg_factor=3.).backward()
    assert dispatched.operators['slice'] == 50 * 80


@pytest.mark.parametrize('kind', ['FocalLoss', 'mmdet.FocalLoss', FocalLoss])
def test_a_head_of_smca_takes_mmdets_config_for_ours(kind):
    cfg = Config.fromfile('configs/smca/smca_r50_50e_coco.py').model.bbox_head
    given = dict(cfg.loss_cls, type=kind, gamma=1.)
    head = MODELS.build(dict(cfg, loss_cls=given))
    assert type(head.loss_cls) is SigmoidFocalLoss and head.loss_cls.gamma == 1
    assert given['type'] is kind and head.cls_out_channels == cfg.num_classes
