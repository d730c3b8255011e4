"""PGIDetector: what trains, what predicts, what a deployed model refuses."""
import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.runner.checkpoint import load_checkpoint, load_state_dict
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


def test_a_prediction_is_clipped_to_the_original_image():
    model = MODELS.build(config()).eval()
    with torch.no_grad():
        result, = model.predict(torch.rand(1, 3, 64, 64), samples(0))
    boxes = result.pred_instances.bboxes
    assert ((boxes >= 0) & (boxes <= 64)).all()


def test_a_checkpoint_of_another_size_is_refused_by_mmengines_loader(tmp_path):
    small, large = (Config.fromfile(f'configs/gelan/gelan{arch}_coco.py').model for arch in 'ts')
    torch.save(dict(state_dict=MODELS.build(large).state_dict()), tmp_path / 's.pth')
    with pytest.raises(ValueError, match=r'another size.*backbone.*is \(64,\), should be \(32,\)'):
        load_checkpoint(MODELS.build(small), str(tmp_path / 's.pth'))


def test_folded_weights_are_refused_by_the_trained_form_and_the_reverse():
    trained, deployed = MODELS.build(config(aux_head=None)), MODELS.build(config(deployed=True))
    with pytest.raises(ValueError, match='another size or form.*missing'):
        load_state_dict(deployed, trained.state_dict())
    with pytest.raises(ValueError, match='another size or form.*missing'):
        load_state_dict(trained, deployed.state_dict())


def test_an_unconverted_checkpoint_is_refused():
    with pytest.raises(ValueError, match="no tensor.*'model.0.conv.weight'.*convert_checkpoint"):
        load_state_dict(MODELS.build(config()), {'model.0.conv.weight': torch.zeros(1)})


def test_weights_for_other_classes_load_but_for_the_class_layers():
    cfg = config(aux_head=None)
    cfg.bbox_head.num_classes = 3
    weights = MODELS.build(config(aux_head=None)).state_dict()
    model = MODELS.build(cfg)
    load_state_dict(model, weights)
    ours = model.state_dict()
    differ = [name for name, value in ours.items() if value.shape != weights[name].shape]
    assert differ and all('class_towers' in name for name in differ)
    assert all(value.equal(weights[name]) for name, value in ours.items() if name not in differ)
