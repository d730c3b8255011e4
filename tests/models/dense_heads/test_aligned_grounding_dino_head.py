"""MDETR's alignment in mmdet's Grounding DINO head."""
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch.testing import assert_close

DIMS, TEXT, NUM_DENOISING = 16, 6, 4
BOXES = torch.tensor([[10., 10, 30, 40], [50, 20, 90, 60]])  # in an image of 100 x 80
COSTS = [dict(type='BinaryFocalLossCost', weight=2.), dict(type='BBoxL1Cost', weight=5., box_format='xywh'),
         dict(type='IoUCost', iou_mode='giou', weight=2.)]


def build(type_: str = 'AlignedGroundingDINOHead', **options) -> torch.nn.Module:
    torch.manual_seed(0)
    head = MODELS.build(dict(
        type=type_, num_classes=1, embed_dims=DIMS, num_pred_layer=3, as_two_stage=True, share_pred_layer=False,
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=1.),
        train_cfg=dict(assigner=dict(type='HungarianAssigner', match_costs=COSTS)), **options))
    head.init_weights()
    return head


def inputs(boxes: torch.Tensor = BOXES) -> dict:
    """One image; of its five queries the fourth lies on the first box and the second on the other."""
    torch.manual_seed(1)
    maps = torch.zeros(2, 256)
    maps[0, 1:3] = maps[1, 4] = 1
    mask = torch.tensor([[True] * 5 + [False]])
    instances = InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long),
                             positive_maps=maps[:len(boxes)], text_token_mask=mask.repeat(len(boxes), 1))
    sample = DetDataSample(gt_instances=instances, metainfo=dict(img_shape=(80, 100)))
    queries = torch.full((5, 4), 0.05)
    for place, (x1, y1, x2, y2) in zip((3, 1), BOXES.tolist()):
        queries[place] = torch.tensor([(x1 + x2) / 200, (y1 + y2) / 160, (x2 - x1) / 100, (y2 - y1) / 80])
    reference = torch.cat([torch.full((NUM_DENOISING, 4), 0.5), queries])[None]
    return dict(
        hidden_states=0.1 * torch.randn(2, 1, NUM_DENOISING + 5, DIMS),  # small: boxes decide on the match
        references=[reference] * 3,
        memory_text=torch.randn(1, TEXT, DIMS), text_token_mask=mask, enc_outputs_class=torch.randn(1, 5, 256),
        enc_outputs_coord=queries[None], batch_data_samples=[sample],
        dn_meta=dict(num_denoising_queries=NUM_DENOISING, num_denoising_groups=1))


def test_the_term_is_the_loss_of_matched_queries_and_their_tokens():
    head, given = build(loss_align=dict(type='ContrastiveAlignLoss')), inputs()
    losses = head.loss(**given)
    tokens = F.normalize(head.align_token(given['memory_text'][0]), dim=-1)
    for name, states in zip(('d0.loss_align', 'loss_align'), given['hidden_states']):
        queries = F.normalize(head.align_query(states[0, NUM_DENOISING:]), dim=-1)
        similarity = queries @ tokens.T / 0.07
        of_queries = similarity.logsumexp(dim=1)[[3, 1]] - torch.stack([similarity[3, 1:3].mean(), similarity[1, 4]])
        of_tokens = similarity.logsumexp(dim=0)[[1, 2, 4]] - torch.stack([similarity[3, 1], similarity[3, 2],
                                                                          similarity[1, 4]])
        assert_close(losses[name], (of_queries.sum() + of_tokens.sum()) / 2 / 2)


def test_the_other_losses_are_mmdets():
    losses = build(loss_align=dict(type='ContrastiveAlignLoss', loss_weight=3.)).loss(**inputs())
    mmdets = build('GroundingDINOHead').loss(**inputs())
    assert {name for name in losses if name not in mmdets} == {'loss_align', 'd0.loss_align'}
    for name, value in mmdets.items():
        assert_close(losses[name], value)


@pytest.mark.parametrize('count', [0, 1, 2])
def test_projections_have_a_gradient_whatever_there_is(count):
    head = build(loss_align=dict(type='ContrastiveAlignLoss'))
    losses = head.loss(**inputs(BOXES[:count]))
    sum(value.sum() for name, value in losses.items() if 'align' in name).backward()
    assert losses['loss_align'].isfinite() and bool(losses['loss_align'] > 0) == bool(count)
    for projection in (head.align_query, head.align_token):
        assert projection.weight.grad is not None and bool(projection.weight.grad.any()) == bool(count)


def test_nothing_is_kept_after_a_call():
    head = build(loss_align=dict(type='ContrastiveAlignLoss'))
    first, second = (head.loss(**inputs())['loss_align'] for _ in range(2))
    assert_close(first, second)
    kept = {name for name, value in vars(head).items() if isinstance(value, (list, torch.Tensor))}
    assert kept == {'text_masks'}  # mmdet's own


def test_soft_tokens_by_hand():
    head, given = build(loss_soft_token=dict(type='SoftTokenLoss', eos_coef=0.1)), inputs()
    losses = head.loss(**given)
    assert {name for name in losses if 'soft' in name} == {'loss_soft_token', 'd0.loss_soft_token'}
    assert not any('align' in name for name in losses)
    for name, states in zip(('d0.loss_soft_token', 'loss_soft_token'), given['hidden_states']):
        log_probs = F.log_softmax(head.soft_token(states[0, NUM_DENOISING:]), dim=-1)  # (5, 257)
        matched = log_probs[3, 1:3].mean() + log_probs[1, 4]  # query 3 has the tokens 1 and 2, query 1 the token 4
        assert_close(losses[name], -(matched + 0.1 * log_probs[[0, 2, 4], 256].sum()) / 2)


@pytest.mark.parametrize('options, message', [
    (dict(), 'loss_align, loss_soft_token or both, got neither'),
    (dict(loss_align=dict(type='ContrastiveAlignLoss'), lang_model_name='bert'), 'lang_model_name belong to a head'),
])
def test_what_does_not_fit_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_soft_tokens_are_no_loss_of_classes():
    with pytest.raises(ValueError, match='SoftTokenLoss is for logits .* this head has other logits'):
        MODELS.build(dict(type='DETRHead', num_classes=2, loss_cls=dict(type='SoftTokenLoss')))
    with pytest.raises(ValueError, match=r'this head has other logits: targets \(3,\) for logits \(3, 2\)'):
        MODELS.build(dict(type='SoftTokenLoss'))(torch.zeros(3, 2), torch.zeros(3), torch.ones(3), avg_factor=1.)
