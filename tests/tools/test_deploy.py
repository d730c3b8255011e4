"""tools/deploy.py from the shell: what it writes, prints and refuses."""
from pathlib import Path

import pytest
import torch
from mmdet.models.detectors import FasterRCNN
from mmdet.registry import MODELS
from mmdet_ext.deployment import count_parameters, deploy, disagreement, load_for_deployment
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import load_checkpoint
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures('shallow_blocks')

CONFIG = 'configs/yolov9/yolov9t_shapes.py'


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory) -> Path:
    torch.manual_seed(0)
    init_default_scope('mmdet')
    model = MODELS.build(Config.fromfile(CONFIG).model)
    for module in model.modules():  # statistics as after training, so that folding has something to fold
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    path = tmp_path_factory.mktemp('trained') / 'trained.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('a', ) * 6))), path)
    return path


def test_writes_weights_and_a_config_that_agree_with_the_trained_model(in_process, checkpoint, tmp_path):
    error, printed = in_process('tools/deploy.py', CONFIG, checkpoint, tmp_path / 'deployed.pth', '--size', 160)
    assert error == ''
    trained = load_for_deployment(Config.fromfile(CONFIG), checkpoint)
    cfg = Config.fromfile(tmp_path / 'deployed.py')
    deployed = MODELS.build(cfg.model).eval()
    content = load_checkpoint(deployed, str(tmp_path / 'deployed.pth'), strict=True)
    assert content['meta']['dataset_meta']['classes'] == ('a', ) * 6
    difference, tolerance, unit = disagreement(trained, deployed, 160)
    assert difference < tolerance == 0.01 and unit == 'px'
    assert f'{sum(p.numel() for p in deployed.parameters()):,}' in printed
    assert f'{sum(p.numel() for p in trained.parameters()):,}' in printed
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for folded, expected in zip(deployed(image, mode='tensor'), trained(image, mode='tensor')):
            assert_close(folded, expected, rtol=1e-3, atol=1e-4)


def test_pgi_beside_a_detector_of_mmdet_leaves_its_plain_config_and_weights(in_process, tmp_path):
    init_default_scope('mmdet')
    small = {'model.backbone.depth': 18, 'model.backbone.init_cfg': None, 'model.neck.in_channels': [64, 128, 256, 512],
             'model.aux_head.branch.arch': 't', 'model.aux_head.branch.in_channels': (128, 256, 512),
             'model.aux_head.head.in_channels': (64, 96, 128)}
    cfg = Config.fromfile('configs/mix/pgi_faster-rcnn_r50_fpn_1x_coco.py')
    cfg.merge_from_dict(small)
    cfg.dump(tmp_path / 'trained.py')
    model = MODELS.build(cfg.model)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('a', ) * 80))),
               tmp_path / 'trained.pth')
    error, out = in_process('tools/deploy.py', tmp_path / 'trained.py', tmp_path / 'trained.pth',
                            tmp_path / 'plain.pth', '--size', '64')
    assert error == '' and f'deployed{count_parameters(model) - count_parameters(model.aux_head):>20,}' in out
    deployed = Config.fromfile(tmp_path / 'plain.py')
    plain = MODELS.build(deployed.model)
    assert type(plain) is FasterRCNN and isinstance(model, FasterRCNN) and type(model).__name__ == 'FasterRCNN'
    load_checkpoint(plain, str(tmp_path / 'plain.pth'), strict=True)
    assert all(value.equal(model.state_dict()[name]) for name, value in plain.state_dict().items())


@pytest.mark.parametrize('arguments, message', [
    (('configs/yolov9/none.py', CONFIG, 'out.pth'), 'there is no config file configs/yolov9/none.py'),
    ((CONFIG, 'none.pth', 'out.pth'), 'there is no checkpoint none.pth'),
    ((CONFIG, CONFIG, 'out.onnx'), 'OUT should end in .pth, got out.onnx'),
    ((CONFIG, CONFIG, 'out.pth', '--size', 100), '--size should be a multiple of 32, got 100'),
])
def test_wrong_arguments_are_named(in_process, arguments, message):
    error, _ = in_process('tools/deploy.py', *arguments)
    assert message in error and 'Traceback' not in error


def test_a_checkpoint_of_another_size_is_refused_and_nothing_written(in_process, checkpoint, tmp_path):
    error, _ = in_process('tools/deploy.py', 'configs/gelan/gelans_coco.py', checkpoint, tmp_path / 'out.pth')
    assert 'does not fit configs/gelan/gelans_coco.py' in error
    assert 'Traceback' not in error and list(tmp_path.iterdir()) == []


def test_other_detectors_are_refused(checkpoint):
    with pytest.raises(ValueError, match="model.type should be 'PGIDetector' or 'PGI'.*'FasterRCNN'"):
        load_for_deployment(Config.fromfile('configs/mix/faster-rcnn_gelanc_fpn_1x_coco.py'), checkpoint)


def test_rtmdet_whose_levels_share_convolutions_deploys_too():
    cfg = Config.fromfile('configs/mix/pgi_rtmdet_tiny_8xb32-300e_coco.py')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    deployed = deploy(model)
    assert not any('.bn.' in name or name.startswith('aux_head') for name in deployed.state_dict())
    difference, tolerance, _ = disagreement(model, deployed, 64)
    assert difference < tolerance


def test_a_disagreement_shows():
    model = MODELS.build(Config.fromfile(CONFIG).model).eval()
    deployed = deploy(model)
    with torch.no_grad():
        deployed.bbox_head.box_towers[0][-1].bias[0] += 1
    difference, tolerance, _ = disagreement(model, deployed, 64)
    assert difference > tolerance
