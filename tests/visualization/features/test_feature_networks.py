"""How networks are named on a command line, and how they are built."""
import pytest
import torch

from mmdet_ext.visualization.features.networks import Network, build_network, split_networks

CPU = torch.device('cpu')
SMALL = '''
model = dict(type='RetinaNet', backbone=dict(type='ResNet', depth=18, base_channels=8, norm_eval=True,
             init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')),
             neck=dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=8, num_outs=5),
             bbox_head=dict(type='RetinaHead', num_classes=2, in_channels=8))
'''


@pytest.mark.parametrize('arguments, networks, rest', [
    ('a.py i.png', [('a', 'a.py', None)], ['i.png']),
    ('x/a.py a.pth i.png j.png', [('a', 'x/a.py', 'a.pth')], ['i.png', 'j.png']),
    ('a.py=plain mmdet::ssd/b.py b.pth i', [('plain', 'a.py', None), ('b', 'mmdet::ssd/b.py', 'b.pth')], ['i']),
    ('a.py b/a.py a.py=a i', [('a', 'a.py', None), ('a-2', 'b/a.py', None), ('a-3', 'a.py', None)], ['i']),
    ('a.py', [('a', 'a.py', None)], []),
])
def test_configs_may_have_names_and_checkpoints(arguments, networks, rest):
    assert split_networks(arguments.split()) == ([Network(*network) for network in networks], rest)


def test_the_first_argument_is_a_config():
    with pytest.raises(ValueError, match='first argument should be a config .*, got a.pth'):
        split_networks(['a.pth', 'a.py', 'i.png'])


def test_random_weights_have_batch_statistics_and_follow_the_seed(tmp_path):
    config = tmp_path / 'small.py'
    config.write_text(SMALL)
    network = Network('small', str(config), None)
    first, again, other = (build_network(network, CPU, seed=seed) for seed in (0, 0, 1))
    weights = [model.backbone.conv1.weight for model in (first, again, other)]
    assert weights[0].equal(weights[1]) and not weights[0].equal(weights[2])
    assert {type(module).__name__ for module in first.modules() if module.training} == {'BatchNorm2d'}
    assert first.backbone.layer1[0].bn2.weight.all()  # ResNet's own initialisation would have zeros here
    torch.save(first.state_dict(), tmp_path / 'small.pth')
    trained = build_network(network._replace(checkpoint=str(tmp_path / 'small.pth')), CPU)
    assert not any(module.training for module in trained.modules())
    assert trained.backbone.conv1.weight.equal(weights[0])


def test_configs_of_an_installed_package_are_read():
    network = Network('resnet', 'mmdet::retinanet/retinanet_r18_fpn_1x_coco.py', None)
    model = build_network(network, CPU, options={'model.backbone.base_channels': 8,
                                                 'model.neck.in_channels': [8, 16, 32, 64]})
    assert model.backbone.conv1.out_channels == 8
    with pytest.raises(ValueError, match='retinanet_r18.*RetinaNot is not in the mmdet::model'):
        build_network(network, CPU, options={'model.type': 'RetinaNot'})
    with pytest.raises(ValueError, match='the package nowhere is not installed'):
        build_network(Network('b', 'nowhere::a/b.py', None), CPU)
    for path in ('gone/gone.py', 'gone.py'):
        with pytest.raises(ValueError, match=f'mmdet has no config {path}: it should be FOLDER/NAME.py'):
            build_network(Network('b', f'mmdet::{path}', None), CPU)


def test_what_has_no_backbone_is_refused(tmp_path):
    config = tmp_path / 'head.py'
    config.write_text("model = dict(type='FPN', in_channels=[8], out_channels=8, num_outs=1)")
    with pytest.raises(ValueError, match='head.py: FPN has no backbone'):
        build_network(Network('head', str(config), None), CPU)
    config.write_text('lr = 1')
    with pytest.raises(ValueError, match='head.py has no model'):
        build_network(Network('head', str(config), None), CPU)
