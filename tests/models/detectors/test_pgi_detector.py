"""PGIDetector: what trains, what predicts, what a deployed model refuses."""
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch.testing import assert_close


def config(**options) -> dict:
    cfg = Config.fromfile('configs/yolov9/yolov9t_coco.py').model
    cfg.update(options)
    return cfg


def samples(*counts: int) -> list[DetDataSample]:
    result = []
    for n in counts:
        boxes = torch.tensor([[8.0, 8, 40, 50]]).repeat(n, 1)
        sample = DetDataSample(gt_instances=InstanceData(bboxes=boxes, labels=torch.arange(n)))
        sample.set_metainfo(dict(ori_shape=(64, 64), img_shape=(64, 64), scale_factor=(1.0, 1.0)))
        result.append(sample)
    return result


@pytest.mark.parametrize('counts', [(2, 1), (0, 0)])
@pytest.mark.parametrize('lead_guided', [False, True])
def test_every_parameter_gets_a_gradient(counts, lead_guided):
    cfg = config()
    cfg.aux_head.lead_guided = lead_guided
    model = MODELS.build(cfg).train()
    losses = model.loss(torch.rand(2, 3, 64, 64), samples(*counts))
    assert {'loss_cls', 'aux.loss_cls'} <= losses.keys()
    total = sum(losses.values())
    assert total.isfinite()
    total.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []


def test_a_lead_head_assigns_for_the_auxiliary_one():
    cfg = config()
    cfg.aux_head.lead_guided = True
    model = MODELS.build(cfg).train()

    def refuse(*_):
        raise AssertionError('the auxiliary head assigned by itself')

    model.aux_head.head.assigner = refuse
    assert model.loss(torch.rand(2, 3, 64, 64), samples(1, 2))['aux.loss_bbox'] > 0


def test_only_two_heads_over_the_same_points_can_share_an_assignment():
    cfg = Config.fromfile('configs/mix/pgi_retinanet_r50_fpn_1x_coco.py').model
    cfg.backbone.init_cfg = None
    cfg.aux_head.lead_guided = True
    with pytest.raises(ValueError, match='lead_guided=True needs two YOLOv9Head .* RetinaHead'):
        MODELS.build(cfg)


def test_an_auxiliary_head_without_head_is_named():
    cfg = config()
    del cfg.aux_head['head']
    with pytest.raises(ValueError, match='aux_head should name type, branch and head, head is missing'):
        MODELS.build(cfg)


def test_without_auxiliary_head_the_rest_is_the_same():
    torch.manual_seed(0)
    full = MODELS.build(config()).eval()
    plain = MODELS.build(config(aux_head=None)).eval()
    plain.load_state_dict({k: v for k, v in full.state_dict().items() if not k.startswith('aux_head.')}, strict=True)
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for a, b in zip(full(image, mode='tensor'), plain(image, mode='tensor')):
            assert all(x.equal(y) for x, y in zip(a, b))
        losses = plain.loss(image, samples(1))
    assert not any(name.startswith('aux.') for name in losses)


def test_a_deployed_model_loads_folded_weights_and_predicts_the_same():
    from mmdet_ext.deployment import deploy
    model = MODELS.build(config()).eval()
    weights = deploy(model).state_dict()
    assert not any('aux_head' in name or '.bn.' in name for name in weights)
    deployed = MODELS.build(config(deployed=True)).eval()
    deployed.load_state_dict(weights, strict=True)
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        for before, after in zip(model(image, mode='tensor'), deployed(image, mode='tensor')):
            assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_a_deployed_model_refuses_to_train():
    model = MODELS.build(config(deployed=True))
    with pytest.raises(RuntimeError, match='deployed=True'):
        model.loss(torch.rand(1, 3, 64, 64), samples(1))


def test_the_config_is_not_changed_by_building():
    cfg = config()
    before = cfg.to_dict() if hasattr(cfg, 'to_dict') else dict(cfg)
    MODELS.build(cfg)
    assert cfg == before and 'train_cfg' not in cfg.aux_head.head and 'train_cfg' not in cfg.bbox_head


def test_a_head_is_required():
    with pytest.raises(ValueError, match='bbox_head'):
        MODELS.build(dict(type='PGIDetector', backbone=dict(type='GELAN', arch='t')))


@pytest.mark.parametrize('name, options, message', [
    ('bbox_head', dict(in_channels=(64, 96, 256)), r'bbox_head.in_channels of YOLOv9Head .* neck \(GELANPAN\) gives, '
     r'\(64, 96, 128\), got \(64, 96, 256\)'),
    ('neck', dict(arch='s'), r'neck.in_channels of GELANPAN .* backbone \(GELAN\) gives, \(64, 96, 128\), got \(128, '),
    ('neck', dict(type='FPN', in_channels=[64, 96, 128], out_channels=96, num_outs=3, arch=None),
     r'neck \(FPN\) gives, 96, got \(64, 96, 128\)'),
])
def test_widths_that_do_not_fit_are_named_when_it_is_built(name, options, message):
    cfg = config(aux_head=None)
    cfg[name].update(options)
    if options.get('arch', '') is None:
        del cfg[name]['arch']
    with pytest.raises(ValueError, match=message):
        MODELS.build(cfg)


def test_parts_whose_in_channels_are_not_those_of_their_maps_are_not_checked():
    cfg = config(aux_head=None)
    cfg.neck = dict(type='YOLOV3Neck', num_scales=3, in_channels=[128, 96, 64], out_channels=[128, 96, 64])
    cfg.bbox_head.in_channels = (128, 96, 64)
    MODELS.build(cfg)
    cfg.neck = dict(type='FPN', in_channels=[64, 96, 128], out_channels=32, num_outs=3)
    cfg.bbox_head = dict(type='TOODHead', num_classes=3, in_channels=32, feat_channels=32, stacked_convs=2,
                         train_cfg=dict(initial_epoch=4, initial_assigner=dict(type='ATSSAssigner', topk=9), alpha=1,
                                        beta=6, assigner=dict(type='TaskAlignedAssigner', topk=13)),
                         anchor_generator=dict(type='AnchorGenerator', ratios=[1.0], octave_base_scale=8,
                                               scales_per_octave=1, strides=[8, 16, 32]))
    MODELS.build(cfg)


def test_a_prediction_is_clipped_to_the_original_image():
    model = MODELS.build(config()).eval()
    with torch.no_grad():
        result, = model.predict(torch.rand(1, 3, 64, 64), samples(0))
    boxes = result.pred_instances.bboxes
    assert ((boxes >= 0) & (boxes <= 64)).all()


def load_contract(state: dict, **kwargs) -> tuple:
    """What loading a state dict into a small model gives under strict=False, and that model."""
    model = MODELS.build(config(aux_head=None))
    return model.load_state_dict(state, strict=False, **kwargs), model


def test_without_strict_missing_and_unexpected_names_are_returned_as_torch_does():
    state = MODELS.build(config(aux_head=None)).state_dict()
    del state['backbone.trunk.downs.0.conv.weight']
    keys, model = load_contract(state | {'extra': torch.ones(1), 'neck.more.bias': torch.ones(1)})
    assert keys.missing_keys == ['backbone.trunk.downs.0.conv.weight']
    assert sorted(keys.unexpected_keys) == ['extra', 'neck.more.bias']
    assert model.neck.top_down.spp.reduce.conv.weight.equal(state['neck.top_down.spp.reduce.conv.weight'])


def test_without_strict_a_state_dict_that_is_empty_or_of_something_else_is_no_error():
    names = [name for name in MODELS.build(config(aux_head=None)).state_dict() if 'num_batches_tracked' not in name]
    for state in ({}, {'model.0.conv.weight': torch.ones(1)}):
        keys, _ = load_contract(state)
        assert keys.missing_keys == names and keys.unexpected_keys == list(state)


def test_another_shape_is_torchs_error_and_the_rest_is_loaded():
    state = MODELS.build(config(aux_head=None)).state_dict()
    state['backbone.trunk.downs.0.bn.bias'] = torch.ones(3)
    model = MODELS.build(config(aux_head=None))
    with pytest.raises(RuntimeError, match=r'size mismatch for backbone.trunk.downs.0.bn.bias'):
        model.load_state_dict(state, strict=False)
    assert model.neck.top_down.spp.reduce.conv.weight.equal(state['neck.top_down.spp.reduce.conv.weight'])


def test_tensors_can_be_assigned_and_parts_loaded_alone():
    state = MODELS.build(config(aux_head=None)).state_dict()
    _, model = load_contract(state, assign=True)
    stem = model.backbone.trunk.downs[0].conv.weight
    assert stem.data_ptr() == state['backbone.trunk.downs.0.conv.weight'].data_ptr()
    keys = model.backbone.load_state_dict({'trunk.downs.0.conv.weight': torch.zeros(16, 3, 3, 3)}, strict=False)
    assert len(keys.missing_keys) > 100 and not model.backbone.trunk.downs[0].conv.weight.any()


def test_the_detector_can_be_a_part_of_another_model():
    detector = MODELS.build(config(aux_head=None))
    state = {f'student.{name}': value for name, value in MODELS.build(config(aux_head=None)).state_dict().items()}
    del state['student.backbone.trunk.downs.0.conv.weight']
    keys = torch.nn.ModuleDict(dict(student=detector)).load_state_dict(state, strict=False)
    assert keys.missing_keys == ['student.backbone.trunk.downs.0.conv.weight'] and not keys.unexpected_keys
