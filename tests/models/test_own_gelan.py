"""YOLOv9 of widths, depths and blocks of one's own: everything learns, folds and loads, with each auxiliary branch."""
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData

from mmdet_ext.deployment import deploy, disagreement

SMALL = dict(downs=(4, 8, 16, 24, 32), blocks=(dict(out=8), dict(out=16, split=24), dict(out=24, hidden=10),
                                               dict(out=32)))
ARCHS = dict(
    conv=SMALL | dict(block='conv', csp_depth=2, elan_depth=1, down='Conv'),
    res=SMALL | dict(block='res', csp_depth=(0, 1, 2, 1), elan_depth=3, down='ADown'),
    dark=SMALL | dict(block=('conv', 'dark', 'dark', 'dark'), neck=dict(block='csp', csp_depth=2, out=(16, 16, 24))),
    two_passes=SMALL | dict(passes=2))
BRANCHES = dict(conv='PyramidBranch', res='ReversibleBranch', dark='ReversibleBranch', two_passes='PyramidBranch')


def detector(name: str) -> torch.nn.Module:
    arch = ConfigDict(ARCHS[name])
    head = dict(type='YOLOv9Head', num_classes=2, train_cfg=dict(assigner=dict(type='BatchTaskAlignedAssigner')))
    branch = MODELS.build(dict(type=BRANCHES[name], arch=arch))
    neck = MODELS.build(dict(type='GELANPAN', arch=arch))
    return MODELS.build(ConfigDict(
        type='PGIDetector', backbone=dict(type='GELAN', arch=arch), neck=dict(type='GELANPAN', arch=arch),
        bbox_head=head | dict(in_channels=neck.out_channels),
        aux_head=dict(type='PGIAuxHead', branch=dict(type=BRANCHES[name], arch=arch),
                      head=head | dict(in_channels=branch.out_channels))))


@pytest.mark.parametrize('name', ARCHS)
def test_every_parameter_learns_and_the_deployed_network_gives_the_same_boxes(name):
    torch.manual_seed(0)
    model = detector(name).train()
    samples = [DetDataSample(gt_instances=InstanceData(bboxes=torch.tensor([[4., 4, 40, 50]]),
                                                       labels=torch.tensor([1]))) for _ in range(2)]
    losses = model.loss(torch.rand(2, 3, 64, 64), samples)
    sum(loss.sum() for loss in losses.values()).backward()
    assert [key for key, p in model.named_parameters() if key.startswith(('backbone.', 'neck.', 'aux_head.branch.'))
            and (p.grad is None or not p.grad.any())] == []  # a head gets no gradient of boxes where none are assigned
    again = detector(name)
    again.load_state_dict(model.state_dict(), strict=True)
    difference, tolerance, _ = disagreement(again.eval(), deploy(model), size=64)
    assert difference < tolerance
