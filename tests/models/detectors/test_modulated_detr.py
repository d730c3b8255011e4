"""SMCA's modulation in mmdet's DETR, Conditional DETR and DAB-DETR, small; the grid trains the configs as they are."""
import copy
import pickle
from functools import cache

import pytest
import torch
from mmdet.registry import MODELS
from mmdet_ext.models.layers import log_gaussian
from mmdet_ext.models.transformers.modulated_cross_attention import modulate_decoder, modulating
from mmengine.config import Config, ConfigDict
from small_smca import sample
from torch.testing import assert_close

HOSTS = dict(DETR='detr/detr_r50_8xb2-150e_coco', ConditionalDETR='conditional_detr/conditional-detr_r50_8xb2-50e_coco',
             DABDETR='dab_detr/dab-detr_r50_8xb2-50e_coco', DINO='dino/dino-4scale_r50_8xb2-12e_coco')
SAMPLES = [sample((96, 128), boxes=2), sample((64, 96), (96, 128))]


@cache
def loaded(name: str, folder: str) -> ConfigDict:
    path = f'{folder}/{name}.py'
    with open(path, 'w') as file:
        file.write(f"_base_ = 'mmdet::{HOSTS[name]}.py'\n")
    return Config.fromfile(path).model


@pytest.fixture
def host(tmp_path_factory):
    """The config of one of mmdet's detectors on ResNet-18, with 2 layers and without dropout."""

    def call(name: str, **options) -> ConfigDict:
        cfg = copy.deepcopy(loaded(name, str(tmp_path_factory.getbasetemp())))
        cfg.backbone.update(depth=18, init_cfg=None)
        cfg.neck.update(in_channels=[channels // 4 for channels in cfg.neck.in_channels])
        if name != 'DINO':
            for coder in (cfg.encoder, cfg.decoder):
                coder.num_layers = 2
                for part in coder.layer_cfg.values():
                    part.update({drop: 0. for drop in ('dropout', 'attn_drop', 'ffn_drop') if drop in part})
            cfg.num_queries = 20
        cfg.update(options)
        return cfg

    return call


def build(cfg: ConfigDict, modulation: dict | None = None) -> torch.nn.Module:
    torch.manual_seed(0)
    model = MODELS.build(dict(copy.deepcopy(cfg), type='SMCA', detector=cfg.type, modulation=modulation))
    model.init_weights()
    return model


def hidden_states(model: torch.nn.Module) -> torch.Tensor:
    torch.manual_seed(1)
    with torch.no_grad():
        return model.eval().forward_transformer([torch.randn(2, 256, 3, 4)], SAMPLES)['hidden_states']


@pytest.mark.parametrize('name', ['DETR', 'ConditionalDETR', 'DABDETR'])
def test_flat_gaussians_change_nothing_and_others_do(name, host):
    cfg = host(name)
    model, plain = build(cfg), MODELS.build(copy.deepcopy(cfg))
    assert type(model).__name__ == name and isinstance(model, type(plain))
    added = model.state_dict().keys() - plain.state_dict().keys()
    assert added and all('.modulation.' in key or key.startswith('decoder.centre.') for key in added)
    plain.load_state_dict({key: value for key, value in model.state_dict().items() if key not in added})
    assert (hidden_states(model) - hidden_states(plain)).abs().max() > 1e-3
    for layer in model.decoder.layers:
        layer.modulation.scale.bias.data.zero_()
    assert_close(hidden_states(model), hidden_states(plain), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', ['DETR', 'ConditionalDETR', 'DABDETR'])
def test_every_parameter_of_the_modulation_learns(name, host):
    model = build(host(name)).train()
    torch.manual_seed(2)
    losses = model.loss(torch.randn(2, 3, 96, 128), copy.deepcopy(SAMPLES))
    total, _ = model.parse_losses(losses)
    total.backward()
    added = {key: p for key, p in model.named_parameters()
             if '.modulation.' in key or key.startswith('decoder.centre.')}
    assert len(added) == 12 + 6 * (name == 'DETR')
    assert [key for key, p in added.items() if p.grad is None or not p.grad.any()] == []


def test_padding_is_not_attended_to_and_does_not_move_centres(host):
    model = build(host('ConditionalDETR')).eval()
    feat = torch.randn(1, 256, 2, 3)
    padded = torch.nn.functional.pad(feat, (0, 1, 0, 1), value=5.)
    with torch.no_grad():
        alone = model.forward_transformer([feat], [sample((64, 96))])['hidden_states']
        beside = model.forward_transformer([padded], [sample((64, 96), (96, 128))])['hidden_states']
    assert_close(beside, alone, rtol=1e-3, atol=1e-4)


def test_the_centres_of_dab_detr_are_its_reference_points_in_each_layer(host):
    model = build(host('DABDETR'), dict(head_shared=True, dynamic_scale='type1')).eval()  # no offset, all scales 1
    torch.nn.init.normal_(model.bbox_head.fc_reg.layers[-1].weight)  # so that boxes move
    seen = []
    original = model.decoder.layers[0].cross_attn.__class__.forward_attn

    def record(self, *arguments, attn_mask, **keywords):
        seen.append(attn_mask)
        return original(self, *arguments, attn_mask=attn_mask, **keywords)

    for layer in model.decoder.layers:
        layer.cross_attn.forward_attn = record.__get__(layer.cross_attn)
    cells, query_pos = torch.tensor([[4., 3.]]), torch.randn(1, 20, 4)
    memory = dict(memory=torch.randn(1, 12, 256), memory_mask=None, memory_pos=torch.randn(1, 12, 256))
    with torch.no_grad():
        references = model.forward_decoder(query=torch.zeros(1, 20, 256), query_pos=query_pos, cells=cells,
                                           shape=(3, 4), **memory)['references']
    assert (references[0] - references[1]).abs().max() > 0.01
    for terms, reference in zip(seen, references, strict=True):
        centres = (reference[..., :2] * cells).unsqueeze(2).expand(-1, -1, 8, -1)
        assert_close(terms.sum(), log_gaussian(centres, torch.zeros(1, 20, 8, 0), (3, 4)), rtol=1e-4, atol=1e-4)


def test_a_modulated_detector_can_be_copied_and_pickled(host):
    model = build(host('DETR'))
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(other) is type(model) and hidden_states(other).equal(hidden_states(model))


def test_the_stride_is_checked(host):
    model = build(host('DETR'), dict(stride=16))
    with pytest.raises(ValueError, match=r'modulation.stride=16 .* \(96, 128\) pixels .* \(6, 8\) cells, .* \(3, 4\)'):
        hidden_states(model)


@pytest.mark.parametrize('detector, modulation, message', [
    ('DINO', None, 'nothing to modulate in DinoTransformerDecoder: .* MultiScaleDeformableAttention'),
    ('RetinaNet', None, "a detection transformer, .* got 'RetinaNet'"),
    ('Unknown', None, "got 'Unknown'"),
    (dict(type='DETR'), None, "a detection transformer, .* got {'type': 'DETR'}"),
    ('DETR', 8, r'modulation should be a dict such as dict\(smooth=8., stride=32\), got 8'),
    ('DETR', dict(stride=0), 'modulation.stride should be a positive number, got 0'),
    ('DETR', dict(smooth='8'), "modulation.smooth should be a positive number, got '8'"),
    ('DETR', dict(beta=1), r"modulation takes .*, got \['beta'\]"),
])
def test_what_cannot_be_modulated_is_said(detector, modulation, message, host):
    cfg = host(detector if isinstance(detector, str) and detector in HOSTS else 'DETR')
    cfg.type = detector
    with pytest.raises(ValueError, match=message):
        build(cfg, modulation)


def test_a_decoder_is_modulated_once(host):
    model = build(host('DETR'))
    with pytest.raises(ValueError, match='DetrTransformerDecoder is modulated already'):
        modulate_decoder(model.decoder)


def test_the_hooks_of_a_pass_are_gone_after_it(host):
    model = build(host('DABDETR'))
    hidden_states(model)
    assert not any(layer._forward_pre_hooks for layer in model.decoder.layers)
    assert not model.bbox_head.fc_reg._forward_hooks
    with pytest.raises(RuntimeError), modulating(model.decoder, torch.zeros(1, 2, 4), torch.ones(1, 2), (1, 1), 8.,
                                                 model.bbox_head.fc_reg):
        raise RuntimeError
    assert not any(layer._forward_pre_hooks for layer in model.decoder.layers)
