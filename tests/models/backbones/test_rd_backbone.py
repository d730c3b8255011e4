"""A dictionary inside backbones of mmdet, at a stage."""
import copy
import pickle

import pytest
import torch
from mmdet.registry import MODELS
from mmdet_ext.models.layers import Atoms, RetrieverDictionary, fuse
from torch.testing import assert_close

RESNET = dict(backbone='ResNet', depth=18, base_channels=8, norm_eval=True)
CONFIGS = dict(
    ResNet=RESNET,
    SwinTransformer=dict(backbone='SwinTransformer', embed_dims=12, depths=(1, 2, 1, 1), num_heads=(3, 3, 3, 3)),
    CSPNeXt=dict(backbone='CSPNeXt', deepen_factor=0.17, widen_factor=0.125),
    PyramidVisionTransformerV2=dict(backbone='PyramidVisionTransformerV2', embed_dims=8, num_layers=[1, 2, 1, 1]),
    MobileNetV2=dict(backbone='MobileNetV2', widen_factor=0.25))


def build(config: dict, **rd) -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS.build(dict(config, type='RD', rd=dict(dict(num_atoms=6), **rd)))


@pytest.mark.parametrize('name', CONFIGS)
def test_deeper_stages_get_its_output(name):
    model = build(CONFIGS[name])
    assert type(model).__name__ == name
    plain = MODELS.build(dict({key: value for key, value in CONFIGS[name].items() if key != 'backbone'}, type=name))
    state = {key: value for key, value in model.state_dict().items() if not key.startswith('rd.')}
    plain.load_state_dict(state)
    image = torch.randn(2, 3, 64, 96)
    model.eval(), plain.eval()
    with torch.no_grad():
        mixed, unmixed = model(image), plain(image)
        model.rd.alpha = 0
        same = model(image)
    assert all(a.equal(b) for a, b in zip(same, unmixed, strict=True))
    differ = [not torch.allclose(a, b) for a, b in zip(mixed, unmixed, strict=True)]
    assert differ == sorted(differ) and differ[-1]  # after the stage all, before it none
    model.rd.alpha = 0.8
    sum(x.square().mean() for x in model.train()(image)).backward()
    assert [key for key, p in model.rd.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize('stage, channels', [(0, 8), (1, 16), (3, 64), ('layer2', 16), ('layer3.0', 32)])
def test_the_stage_is_a_number_or_the_name_of_a_module(stage, channels):
    model = build(RESNET, stage=stage)
    assert model.rd.dictionary.conv.out_channels == channels


def test_a_map_of_a_stage_is_the_dictionary_of_the_plain_map():
    model, image = build(RESNET, stage=3).eval(), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        mixed = model(image)[3]
        model.rd.alpha = 0
        plain = model(image)[3]
        model.rd.alpha = 0.8
        assert_close(mixed, model.rd(plain))


def test_its_batch_norms_learn_where_those_of_the_backbone_do_not():
    model = build(RESNET).train()
    assert model.rd.generator.norm.training and not model.bn1.training
    before = model.rd.generator.norm.running_mean.clone()
    model(torch.randn(1, 3, 64, 64))
    assert not model.rd.generator.norm.running_mean.equal(before)
    assert not model.eval().rd.generator.norm.training


def test_building_leaves_the_modes_as_they_are():
    modes = [part.training for part in MODELS.build(dict(type='ResNet', depth=18, frozen_stages=1)).modules()]
    model = MODELS.build(dict(type='RD', backbone='ResNet', depth=18, frozen_stages=1, rd=dict(num_atoms=4)))
    assert [part.training for key, part in model.named_modules() if not key.startswith('rd')] == modes


def test_initialising_the_backbone_keeps_atoms_of_a_file(tmp_path):
    vectors = torch.nn.functional.normalize(torch.randn(5, 16), dim=1)
    Atoms(vectors, torch.ones(5, dtype=torch.long), [[]] * 5).save(tmp_path / 'atoms.pt')
    model = build(RESNET, num_atoms=5, atoms=str(tmp_path / 'atoms.pt'), init_g='match')
    stem = model.conv1.weight.clone()
    model.init_weights()
    assert model.rd.atoms.equal(vectors) and not model.conv1.weight.equal(stem)


def test_a_pretrained_backbone_is_loaded_by_its_own_names(tmp_path):
    trained = build(RESNET)
    resnet = {key: value for key, value in trained.state_dict().items() if not key.startswith('rd.')}
    torch.save(dict(state_dict=resnet), tmp_path / 'resnet.pth')
    model = build(dict(RESNET, init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'resnet.pth'))))
    torch.nn.init.zeros_(model.conv1.weight)
    model.init_weights()
    assert model.conv1.weight.equal(trained.conv1.weight)


def test_it_can_be_copied_pickled_and_folded():
    model, image = build(RESNET).eval(), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(image)[3]
        for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), fuse(copy.deepcopy(model))):
            assert_close(other(image)[3], expected, rtol=1e-4, atol=1e-5)
            hook, = other.layer2._forward_hooks.values()
            assert hook.__self__ is other


def test_gelan_takes_the_dictionary_itself():
    model = build(dict(backbone='GELAN', arch='t'), stage=2)
    assert isinstance(model.trunk.rd['2'], RetrieverDictionary)


@pytest.mark.parametrize('config, stage, message', [
    (RESNET, 4, r'rd.stage should be in 0..3 for ResNet, or the name .* got 4'),
    (RESNET, 'layer9', "rd.stage='layer9' is no module of ResNet, which has conv1, .*layer4"),
    (dict(RESNET, num_stages=2, strides=(1, 2), dilations=(1, 1), out_indices=(1, )), 3, 'in 0..1 for ResNet'),
    (CONFIGS['SwinTransformer'], 'stages.0', "rd.stage='stages.0': the output .* SwinTransformer .* it is tuple"),
    (RESNET, 'layer2.0.relu', "rd.stage='layer2.0.relu': .* of ResNet should run once for an image, it ran 2 times"),
    (dict(backbone='ResNext', depth=50), 1, "type of a backbone, such as ResNet, got 'ResNext'"),
    (dict(backbone='SSDVGG', depth=16, out_feature_indices=(22, 34), input_size=300), 1,
     'SSDVGG has no list of stages: give rd.stage the name of a module'),
])
def test_stages_that_do_not_fit_are_named(config, stage, message):
    with pytest.raises(ValueError, match=message):
        build(config, stage=stage)


@pytest.mark.parametrize('rd, message', [
    (2, r'rd should be a dict such as dict\(stage=1, num_atoms=512\), got 2'),
    (dict(alpha='0.5'), r"alpha should be in \[0, 1\], got '0.5'"),
    (dict(num_atoms='64'), "num_atoms should be a whole number of at least 2 .*, got '64'"),
    (dict(kernel_size=4), 'kernel_size should be an odd whole number, got 4'),
])
@pytest.mark.parametrize('backbone', [RESNET, dict(backbone='GELAN', arch='t')])
def test_options_of_a_wrong_type_are_named(backbone, rd, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(dict(backbone, type='RD', rd=rd))


def test_a_backbone_is_named_by_its_type():
    with pytest.raises(ValueError, match="should be the type of a backbone, such as ResNet, got {'type': 'ResNet'"):
        MODELS.build(dict(type='RD', backbone=dict(type='ResNet', depth=18), rd=dict(stage=1)))
