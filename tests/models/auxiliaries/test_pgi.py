"""The auxiliary branches and their head."""
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet_ext.models.auxiliaries import PGIAuxHead, PyramidBranch, ReversibleBranch
from mmengine.structures import InstanceData
from torch.testing import assert_close

FEATS = ((64, 8), (96, 4), (128, 2))  # channels and side of size t's maps of an image of 64 pixels
HEAD = dict(type='YOLOv9Head', num_classes=2, in_channels=(64, 96, 128))


def feats() -> list[torch.Tensor]:
    return [torch.rand(2, c, s, s) for c, s in FEATS]


def samples() -> list[DetDataSample]:
    instances = InstanceData(bboxes=torch.tensor([[4.0, 4, 40, 50]]), labels=torch.tensor([1]))
    return [DetDataSample(gt_instances=instances) for _ in range(2)]


@pytest.mark.parametrize('branch', [PyramidBranch('t'), ReversibleBranch('t')])
def test_branches_give_three_maps_and_all_of_them_learns(branch):
    maps = branch(torch.rand(2, 3, 64, 64), feats())
    assert [tuple(x.shape[1:]) for x in maps] == [(c, s, s) for c, (_, s) in zip(branch.out_channels, FEATS)]
    sum(x.square().sum() for x in maps).backward()
    assert [name for name, p in branch.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_reversible_branch_sees_both_the_image_and_the_maps():
    branch = ReversibleBranch('t').eval()
    image, maps = torch.rand(1, 3, 64, 64), [x[:1] for x in feats()]
    with torch.no_grad():
        before = branch(image, maps)[2]
        assert not branch(torch.rand(1, 3, 64, 64), maps)[2].equal(before)
        for level in range(3):
            changed = [x + 1 if i == level else x for i, x in enumerate(maps)]
            assert not branch(image, changed)[2].equal(before)


def test_branches_pick_the_maps_they_are_told():
    branch = PyramidBranch('t', in_indices=(1, 2, 3)).eval()
    maps = feats()
    with torch.no_grad():
        outputs = branch(None, [torch.rand(1), *maps])
        assert all(a.equal(b) for a, b in zip(outputs, branch.top_down(maps)))


def test_losses_are_weighted_and_named():
    head = PGIAuxHead(dict(type='PyramidBranch', arch='t'), HEAD, loss_weight=0.25).eval()
    maps = feats()
    losses = head.loss(torch.rand(2, 3, 64, 64), maps, samples())
    plain = head.head.loss(head.branch(None, maps), samples())
    assert losses.keys() == {'aux.loss_cls', 'aux.loss_bbox', 'aux.loss_dfl'}
    for name, value in plain.items():
        assert_close(losses[f'aux.{name}'], value * 0.25)


def test_losses_per_level_are_weighted_too():
    class PerLevel(torch.nn.Module):

        def loss(self, feats, samples):
            return dict(loss_cls=[torch.tensor(2.0), torch.tensor(4.0)], accuracy=torch.tensor(8.0))

    head = PGIAuxHead(dict(type='PyramidBranch', arch='t'), HEAD, loss_weight=0.5)
    head.head = PerLevel()
    losses = head.loss(torch.rand(2, 3, 64, 64), feats(), samples())
    assert [x.item() for x in losses['aux.loss_cls']] == [1, 2]
    assert losses['aux.accuracy'].item() == 8


@pytest.mark.parametrize('kind', ['PyramidBranch', 'ReversibleBranch'])
def test_another_number_of_levels_is_refused(kind):
    with pytest.raises(ValueError, match='three levels'):
        MODELS.build(dict(type=kind, arch='t', in_channels=(8, 8)))


def test_a_weight_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match='loss_weight.*0'):
        PGIAuxHead(dict(type='PyramidBranch', arch='t'), HEAD, loss_weight=0)
