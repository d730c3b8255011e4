"""SMCA-DETR against the numbers of the published implementation."""
import numpy as np
import pytest
import torch
from golden.cases import load_case
from golden.compare import approx, assert_close
from golden.fill import normal
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmdet_ext.checkpoints import convert
from mmdet_ext.checkpoints.rules import rename
from mmdet_ext.checkpoints.smca import COCO_IDS, encoder_rules, shared_rules
from mmdet_ext.models.layers import log_gaussian
from mmdet_ext.models.transformers import Maps, Memory, SMCATransformerDecoder, SMCATransformerEncoder

TOLERANCE = dict(rtol=1e-4, atol=2e-4)


@pytest.fixture(scope='module')
def transformer(device) -> dict:
    """Everything that the published transformer computed, computed by ours."""
    case = load_case('smca', 'transformer_type3')
    weights, _ = rename(case.state_dict, [*shared_rules(), *encoder_rules()])
    attention = dict(embed_dims=256, num_heads=8, dropout=0.)
    layer = dict(self_attn_cfg=attention, ffn_cfg=dict(embed_dims=256, feedforward_channels=2048))
    encoder = SMCATransformerEncoder(6, layer).eval()
    decoder = SMCATransformerDecoder(6, dict(layer, cross_attn_cfg=attention)).eval()
    for name, part in dict(encoder=encoder, decoder=decoder).items():
        part.load_state_dict({key.removeprefix(f'{name}.'): value for key, value in weights.items()
                              if key.startswith(f'{name}.')})
        part.to(device)
    source = torch.from_numpy(normal('smca.a.src', (2, 256, 10, 13))).to(device)
    query_pos = weights['query_embedding.weight'].to(device).expand(2, -1, -1)
    pos, mask, sizes = (case[name].to(device) for name in ('pos_embed', 'mask', 'h_w'))
    modulations = []
    for module in decoder.layers:
        module.modulation.register_forward_hook(lambda _, inputs, output: modulations.append(output))
    with torch.no_grad():
        encoded, = encoder(Maps([source], [pos], [mask])).feats
        values = encoded.flatten(2).transpose(1, 2)
        keys = values + pos.flatten(2).transpose(1, 2)
        memory = Memory([values], [keys], [mask.flatten(1)], [(10, 13)])
        output = decoder(torch.zeros_like(query_pos), query_pos, memory, sizes.view(2, 2))
        q = decoder.layers[0].cross_attn  # the attention of layer 0, in the textbook form
        layer0 = decoder.layers[0]
        query = layer0.norms[0](layer0.self_attn(query_pos, query_pos, torch.zeros_like(query_pos)))
        products = q.project(query + query_pos, 0) @ q.project(keys, 1).transpose(2, 3) / 32**0.5
    return dict(case=case, encoded=encoded, output=output, modulations=modulations, products=products)


def test_memory_hidden_states_and_points(transformer):
    case, output = transformer['case'], transformer['output']
    states = output.hidden_states
    assert_close(transformer['encoded'], case['memory'], **TOLERANCE)
    assert_close(output.reference_logits, case['points'], **TOLERANCE)
    assert_close(states[0], case['hs_layer0'], **TOLERANCE)
    assert_close(states[5], case['hs_layer5'], **TOLERANCE)
    assert_close(states[:, :, :5], case['hs_first5'], **TOLERANCE)
    assert_close(states.mean(dim=3), case['hs_query_mean'], **TOLERANCE)
    assert_close(states.std(dim=3), case['hs_query_std'], **TOLERANCE)
    assert_close(states.mean(dim=(1, 2, 3)), case['hs_mean'], **TOLERANCE)
    assert_close(states.flatten(1).std(dim=1), case['hs_std'], **TOLERANCE)


def test_gaussians_and_the_attention_that_they_modulate(transformer, device):
    case = transformer['case']
    chosen = case.inputs['chosen_queries']
    first, last = transformer['modulations'][0], transformer['modulations'][5]
    centres = transformer['output'].reference_logits.sigmoid() * case['h_w'].to(device).view(2, 1, 2) / 32
    assert_close(centres[:, chosen], case['centre_cells'], **TOLERANCE)
    points = centres[:, :, None] + first.offsets[:, :, 0]
    assert_close(points[:, chosen], case['head_points'], **TOLERANCE)
    assert_close(last.offsets[:, chosen, 0], case['offset_layer5'], **TOLERANCE)
    assert_close(first.scales[:, chosen, 0], case['point3_layer0'].square(), **TOLERANCE)
    bias = log_gaussian(points, first.scales[:, :, 0], (10, 13))
    assert_close(bias[:, :, chosen].transpose(1, 2).unflatten(3, (10, 13)), case['gaussian_layer0'], rtol=1e-4,
                 atol=3e-4)
    weights = (transformer['products'] + bias).masked_fill(case['mask'].to(device).view(2, 1, 1, -1), -torch.inf)
    weights = weights.softmax(dim=-1)
    assert_close(weights[:, :, chosen].transpose(1, 2).unflatten(3, (10, 13)), case['attention_layer0'], **TOLERANCE)


def sample(img_shape: tuple[int, int], batch_shape: tuple[int, int], **instances: torch.Tensor) -> DetDataSample:
    data_sample = DetDataSample(gt_instances=InstanceData(**instances))
    data_sample.set_metainfo(dict(img_shape=img_shape, batch_input_shape=batch_shape, scale_factor=(1., 1.)))
    return data_sample


def test_the_whole_detector_with_padding_through_the_converter(device):
    case = load_case('smca', 'detector_r50')
    cfg = Config.fromfile('configs/smca/smca_r50_50e_coco.py')
    cfg.model.backbone.init_cfg = None
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(convert('smca', case.state_dict))
    model.to(device)
    coarse = np.repeat(np.repeat(normal('smca.b.coarse', (2, 3, 8, 10)), 32, axis=2), 32, axis=3)
    inputs = coarse * np.float32(4.0) + np.float32(0.3) * normal('smca.b.fine', (2, 3, 256, 320))
    sizes = [tuple(size) for size in case.inputs['image_sizes_hw']]
    for pixels, (height, width) in zip(inputs, sizes):
        pixels[:, height:] = 0
        pixels[:, :, width:] = 0
    inputs = torch.from_numpy(inputs).to(device)
    with torch.no_grad():
        c5, = model.backbone(inputs)
        assert_close(model.neck([c5])[0], case['proj'], **TOLERANCE)
        assert_close(c5.mean(dim=(2, 3)), case['c5_mean'], **TOLERANCE)
        logits, boxes = model(inputs, [sample(size, (256, 320)) for size in sizes], mode='tensor')
    assert_close(logits, case['pred_logits'][..., COCO_IDS], rtol=0, atol=1e-4)
    assert_close(boxes, case['pred_boxes'], rtol=0, atol=2e-5)


@pytest.fixture
def criterion(device) -> tuple:
    """The published case with its 92 classes, our head for them, and targets in pixels of an image of 640 x 480."""
    case = load_case('smca', 'criterion_a')
    cfg = Config.fromfile('configs/smca/smca_r50_50e_coco.py').model
    head = MODELS.build(dict(cfg.bbox_head, num_classes=92, train_cfg=cfg.train_cfg, test_cfg=dict(max_per_img=20)))
    head.to(device)
    samples = []
    for i in range(2):
        cx, cy, w, h = case[f'target_boxes_{i}'].unbind(1)
        boxes = torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1) * torch.tensor([640., 480, 640, 480])
        truth = sample((480, 640), (480, 640), bboxes=boxes, labels=case[f'target_labels_{i}'])
        samples.append(truth.to(device))
    return case, head, samples


def test_losses_and_their_gradients(criterion, device):
    case, head, samples = criterion
    logits, boxes = (case[name].to(device).requires_grad_() for name in ('pred_logits', 'pred_boxes'))
    losses = head.loss_by_feat(logits, boxes, [s.gt_instances for s in samples], [s.metainfo for s in samples])
    names = dict(cls=('ce', 2), bbox=('bbox', 5), iou=('giou', 2))
    for layer in range(6):
        prefix, published_suffix = (f'd{layer}.', f'_{layer}') if layer < 5 else ('', '')
        for name, (published, weight) in names.items():
            expected = case.results['losses'][f'loss_{published}{published_suffix}'] * weight
            assert losses[f'{prefix}loss_{name}'].item() == approx(expected, device, rel=1e-5)
    total = sum(losses.values())
    assert total.item() == approx(case.results['total'], device, rel=1e-5)
    total.backward()
    assert_close(logits.grad[5], case['grad_logits_last'], rtol=1e-4, atol=1e-5)
    assert_close(boxes.grad[5], case['grad_boxes_last'], rtol=1e-4, atol=1e-4)
    assert_close(logits.grad.flatten(1).norm(dim=1), case['grad_logits_norm'], rtol=1e-4, atol=0)
    assert_close(boxes.grad.flatten(1).norm(dim=1), case['grad_boxes_norm'], rtol=1e-4, atol=0)


def test_matching(criterion, device):
    case, head, samples = criterion
    logits, boxes = (case[name].to(device) for name in ('pred_logits', 'pred_boxes'))
    for layer in range(6):
        for i, data_sample in enumerate(samples):
            *_, pos, _ = head._get_targets_single(logits[layer, i], boxes[layer, i], data_sample.gt_instances,
                                                  data_sample.metainfo)
            assert pos.tolist() == sorted(case[f'match_l{layer}_i{i}'][0].tolist())


def test_post_processing(criterion, device):
    case, head, _ = criterion
    metas = [dict(img_shape=tuple(size), scale_factor=(1., 1.)) for size in case.inputs['orig_sizes_hw']]
    results = head.predict_by_feat(case['pred_logits'].to(device), case['pred_boxes'].to(device), metas)
    for i, result in enumerate(results):
        assert_close(result.scores, case['post_scores'][i])
        assert result.labels.cpu().equal(case['post_labels'][i])
        assert_close(result.bboxes, case['post_boxes'][i], rtol=1e-5, atol=1e-3)
