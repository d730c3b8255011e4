"""MDETRSegmenter: training, the frozen detector, prediction, batches, errors."""
import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch.testing import assert_close

from mmdet_ext.models.dense_heads import mdetr_head
from mmdet_ext.models.detectors import MDETRSegmenter, mdetr_segmenter
from mmdet_ext.models.task_modules.layer_matching import match_layers
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

CAPTIONS = ('a red circle left of two blue stars', 'the cat')


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer(CAPTIONS, 300), folder, layers=1, hidden_size=32, heads=2)
    return str(folder)


def build(folder: str, **options) -> MDETRSegmenter:
    attention = dict(embed_dims=32, num_heads=4, dropout=0.1)
    layer = dict(self_attn_cfg=attention, ffn_cfg=dict(embed_dims=32, feedforward_channels=48))
    costs = [dict(type='SoftTokenCost'), dict(type='BBoxL1Cost', weight=5., box_format='xywh'),
             dict(type='IoUCost', iou_mode='giou', weight=2.)]
    model = MODELS.build(dict(
        dict(
            type='MDETRSegmenter',
            num_queries=10,
            backbone=dict(type='ResNet', depth=18, base_channels=8, out_indices=(0, 1, 2, 3)),
            neck=dict(type='ChannelMapper', in_channels=[64], kernel_size=1, out_channels=32, act_cfg=None, num_outs=1),
            text_encoder=dict(type='RobertaTextEncoder', name=folder, pretrained=False),
            encoder=dict(num_layers=1, layer_cfg=layer),
            decoder=dict(num_layers=2, layer_cfg=dict(layer, cross_attn_cfg=attention)),
            positional_encoding=dict(num_feats=16, normalize=True),
            bbox_head=dict(type='MDETRHead', embed_dims=32),
            mask_head=dict(type='MDETRMaskHead', embed_dims=32, in_channels=(8, 16, 32), num_heads=4, num_groups=2),
            train_cfg=dict(assigner=dict(type='HungarianAssigner', match_costs=costs))), **options))
    model.init_weights()
    return model


def sample(caption: str, count: int = 1, shape: tuple[int, int] = (96, 128), **meta) -> DetDataSample:
    boxes = torch.tensor([[5., 8, 60, 70]]).repeat(count, 1) + torch.arange(count)[:, None]
    instances = InstanceData(bboxes=boxes, labels=torch.zeros(count, dtype=torch.long),
                             masks=torch.zeros(count, *shape), tokens_positive=[[[0, 5]]] * count)
    for mask, (x1, y1, x2, y2) in zip(instances.masks, boxes.long()):
        mask[y1:y2, x1:x2] = 1
    data_sample = DetDataSample(gt_instances=instances)
    data_sample.set_metainfo(dict(text=caption, img_shape=shape, ori_shape=(shape[0] // 2, shape[1] // 2),
                                  batch_input_shape=(96, 128), scale_factor=(2., 2.), **meta))
    return data_sample


@pytest.mark.parametrize('counts', [(2, 1), (0, 1), (0, 0)])
def test_all_losses_are_finite_and_every_part_learns(folder, counts):
    model = build(folder).train()
    losses = model.loss(torch.randn(2, 3, 96, 128), [sample(*arguments) for arguments in zip(CAPTIONS, counts)])
    parts = {f'{layer}loss_{part}' for layer in ('', 'd0.') for part in ('ce', 'bbox', 'iou')}
    assert parts | {'loss_mask', 'loss_dice'} == {name for name in losses if 'loss' in name}
    total, _ = model.parse_losses(losses)
    assert total.isfinite() and bool(losses['loss_dice']) == any(counts)
    total.backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_a_frozen_detector_keeps_its_weights_and_only_masks_learn(folder):
    model = build(folder, freeze_detector=True).train()
    assert {name.split('.')[0] for name, p in model.named_parameters() if p.requires_grad} == {'mask_head'}
    assert {name.split('.')[0] for name, part in model.named_modules() if part.training} == {'', 'mask_head'}
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    inputs, samples = torch.randn(2, 3, 96, 128), [sample(caption, 2) for caption in CAPTIONS]
    history = []
    for _ in range(8):
        losses = model.loss(inputs, samples)
        assert losses.keys() == {'loss_mask', 'loss_dice'}
        history.append(float(sum(losses.values())))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert history[-1] < 0.9 * history[0]
    changed = {name.split('.')[0] for name, tensor in model.state_dict().items() if not tensor.equal(before[name])}
    assert changed == {'mask_head'}
    assert not model.eval().mask_head.training and model.train().mask_head.training


def test_each_object_pulls_at_the_mask_of_its_own_query(folder):
    """The obvious way: masks of all queries, of which those of the matched ones are taken one by one."""
    model = build(folder).eval()
    inputs, samples = torch.randn(2, 3, 96, 128), [sample(CAPTIONS[0], 3), sample(CAPTIONS[1], 2, shape=(64, 96))]
    losses = model.loss(inputs, samples)
    with torch.no_grad():
        outputs, masks = model(inputs, samples, mode='tensor')
        text = model.encode_text(CAPTIONS)
        maps = [model.bbox_head.object_maps(*pair) for pair in zip(text.offsets, samples)]
        matched = model.bbox_head.match(outputs.logits, outputs.boxes, maps, samples)[-1]
        total = 0
        for image, query, target in zip(*matched):
            logits = torch.nn.functional.interpolate(masks[image, query][None, None], size=(96, 128), mode='bilinear')
            wanted = torch.zeros(96, 128)
            mask = samples[image].gt_instances.masks[target]
            wanted[:mask.shape[0], :mask.shape[1]] = mask
            p = logits[0, 0].sigmoid()
            total += 1 - (2 * (p * wanted).sum() + 1) / (p.sum() + wanted.sum() + 1)
    assert_close(losses['loss_dice'], total / 5, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('frozen', [False, True])
def test_boxes_and_masks_share_one_matching(folder, monkeypatch, frozen):
    calls = []

    def counted(*args):
        calls.append(args)
        return match_layers(*args)

    for module in (mdetr_segmenter, mdetr_head):
        monkeypatch.setattr(module, 'match_layers', counted)
    build(folder, freeze_detector=frozen).loss(torch.randn(2, 3, 96, 128), [sample(caption) for caption in CAPTIONS])
    assert len(calls) == 1


@torch.no_grad()
def test_a_repeated_image_runs_through_the_backbone_once(folder, monkeypatch):
    model = build(folder).eval()
    images, samples = torch.randn(1, 3, 96, 128).repeat(2, 1, 1, 1), [sample(text, img_path='a') for text in CAPTIONS]
    expected = [model(images[i:i + 1], samples[i:i + 1], mode='tensor')[1] for i in range(2)]
    sizes, backbone = [], model.backbone.forward
    monkeypatch.setattr(model.backbone, 'forward', lambda x: (sizes.append(len(x)), backbone(x))[1])
    assert_close(model(images, samples, mode='tensor')[1], torch.cat(expected), rtol=1e-3, atol=1e-4)
    assert sizes == [1]


@torch.no_grad()
def test_kept_queries_have_masks_of_the_original_size(folder):
    model = build(folder).eval()
    inputs, samples = torch.randn(2, 3, 96, 128), [sample(CAPTIONS[0]), sample(CAPTIONS[1], shape=(64, 96))]
    outputs, _logits = model(inputs, samples, mode='tensor')
    scores = 1 - outputs.logits[-1].softmax(-1)[..., -1]
    threshold = float(scores.flatten().sort().values[6:8].mean())
    every = [result.pred_instances for result in model.predict(inputs, copy.deepcopy(samples))]
    model.score_thr = threshold
    some = [result.pred_instances for result in model.predict(inputs, copy.deepcopy(samples))]
    assert sum(map(len, some)) == 13 and list(map(len, every)) == [10, 10]
    for image_scores, kept, all_, data_sample in zip(scores, some, every, samples):
        assert kept.masks.shape[1:] == data_sample.ori_shape and kept.masks.dtype == torch.bool
        chosen = all_[image_scores > threshold]
        assert kept.masks.equal(chosen.masks) and kept.phrases == chosen.phrases
        assert_close(kept.bboxes, chosen.bboxes)
    resized = model.predict(inputs, samples, rescale=False)[1].pred_instances.masks
    assert resized.shape[1:] == (64, 96)


@torch.no_grad()
def test_nothing_kept_gives_masks_of_no_query(folder):
    model = build(folder, test_cfg=dict(score_thr=1.)).eval()
    result, = model.predict(torch.randn(1, 3, 96, 128), [sample(CAPTIONS[0])])
    assert result.pred_instances.masks.shape == (0, 48, 64) and len(result.pred_instances) == 0


@torch.no_grad()
def test_a_batch_of_two_equals_two_batches_of_one(folder):
    model = build(folder).eval()
    inputs, samples = torch.randn(2, 3, 96, 128), [sample(CAPTIONS[0]), sample(CAPTIONS[1], shape=(64, 96))]
    outputs, masks = model(inputs, samples, mode='tensor')
    assert masks.shape == (2, 10, 24, 32)
    for i in range(2):
        one, mask = model(inputs[i:i + 1], samples[i:i + 1], mode='tensor')
        assert_close(one.boxes, outputs.boxes[:, i:i + 1], rtol=1e-4, atol=1e-5)
        assert_close(mask, masks[i:i + 1], rtol=1e-3, atol=1e-4)


def test_what_does_not_go_together_is_named(folder):
    with pytest.raises(ValueError, match='MDETRSegmenter has no answer_head'):
        build(folder, answer_head=dict(type='GQAAnswerHead'))
    with pytest.raises(ValueError, match='MDETRSegmenter has no loss_image_text'):
        build(folder, loss_image_text=dict(type='ImageTextContrastiveLoss'))
    backbone = dict(type='ResNet', depth=18, base_channels=8, out_indices=(3, ))
    with pytest.raises(ValueError, match='in_channels has 3 maps, backbone.out_indices should have one more, got 1'):
        build(folder, backbone=backbone).loss(torch.randn(1, 3, 96, 128), [sample(CAPTIONS[0])])
    bare = sample(CAPTIONS[0], img_path='a/b.jpg')
    del bare.gt_instances.masks
    with pytest.raises(ValueError, match='a/b.jpg: gt_instances has no masks'):
        build(folder).loss(torch.randn(1, 3, 96, 128), [bare])
