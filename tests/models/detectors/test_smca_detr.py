"""SMCADETR: whole detectors of every form, small."""
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from small_smca import NAMES, build, sample
from torch.testing import assert_close


@pytest.mark.parametrize('boxes', [(2, 1), (0, 1), (0, 0)])
@pytest.mark.parametrize('name', NAMES)
def test_losses_are_finite_and_every_part_learns(name, boxes):
    model = build(name).train()
    losses = model.loss(torch.randn(2, 3, 128, 160), [sample((128, 160), boxes=n) for n in boxes])
    assert {f'{layer}loss_{part}' for layer in ('', 'd0.') for part in ('cls', 'bbox', 'iou')} == losses.keys()
    total = sum(losses.values())
    assert total.isfinite()
    total.backward()
    assert [key for key, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@pytest.mark.parametrize('name', NAMES)
def test_a_batch_of_two_equals_two_batches_of_one(name):
    model = build(name).eval()
    images = torch.randn(2, 3, 128, 160)
    with torch.no_grad():
        both = model(images, [sample((128, 160))] * 2, mode='tensor')
        for i in range(2):
            one = model(images[i:i + 1], [sample((128, 160))], mode='tensor')
            for output, expected in zip(one, both):
                assert_close(output, expected[:, i:i + 1], rtol=1e-4, atol=1e-4)


# the encoder of convolutions sees padding, as published
@pytest.mark.parametrize('name', [name for name in NAMES if 'conv' not in name])
def test_features_in_the_padding_change_nothing(name):
    model = build(name).eval()
    feats = [torch.randn(2, 64, 128 // stride, 160 // stride) for stride in model.decoder.strides]
    samples = [sample((128, 160)), sample((64, 96), (128, 160))]
    changed = [feat.clone() for feat in feats]
    for feat, stride in zip(changed, model.decoder.strides):
        feat[1, :, 64 // stride:] += 1
        feat[1, :, :, -(-96 // stride):] += 1
    with torch.no_grad():
        outputs = [model.bbox_head(**model.forward_transformer(features, samples)) for features in (feats, changed)]
    for output, expected in zip(*outputs):
        assert_close(output, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('name', NAMES)
def test_half_precision_stays_close(name, dtype):
    model = build(name)
    images, samples = torch.randn(2, 3, 128, 160), [sample((128, 160))] * 2
    feats = [feat.detach() for feat in model.eval().extract_feat(images)]  # the backbone is mmdet's
    with torch.no_grad():
        _, boxes = model.bbox_head(**model.forward_transformer(feats, samples))
    with torch.autocast('cpu', dtype=dtype):
        outputs = model.forward_transformer(feats, samples)
        _, half_boxes = model.bbox_head(**outputs)
        losses = model.bbox_head.loss(**outputs, batch_data_samples=samples)
    assert (half_boxes - boxes).abs().max() < 2e-2
    assert half_boxes.dtype == torch.float32
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize('name', NAMES)
def test_heads_run_on_the_last_layer_alone_at_inference(name):
    model = build(name).eval()
    seen = []
    model.bbox_head.fc_cls.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].shape))
    with torch.no_grad():
        result, = model.predict(torch.randn(1, 3, 128, 160), [sample((128, 160))])
    assert seen == [(1, 1, 20, 64)]
    instances = result.pred_instances
    assert len(instances) == 20 and (instances.scores.diff() <= 0).all()


def test_as_many_pairs_of_query_and_class_are_kept_as_the_config_says():
    head = build('r50_50e').bbox_head
    head.test_cfg = dict(max_per_img=3)
    scores, boxes = torch.full((1, 1, 20, 80), -9.), torch.rand(1, 1, 20, 4)
    boxes[0, 0, 4], boxes[0, 0, 6] = torch.tensor([[.5, .5, .5, .5], [.75, .25, .5, .5]])
    for score, query, label in ((3, 4, 7), (2, 4, 9), (1, 6, 0), (0, 5, 5)):
        scores[0, 0, query, label] = score
    meta = sample((128, 160)).metainfo | dict(scale_factor=(0.5, 0.25))  # x and y were shrunk to these shares
    for rescale, x, y in ((False, 1, 1), (True, 2, 4)):
        detections, = head.predict_by_feat(scores, boxes, [meta], rescale)
        assert detections.labels.tolist() == [7, 9, 0]
        expected = torch.tensor([[40., 32, 120, 96]] * 2 + [[80., 0, 160, 64]]) * torch.tensor([x, y, x, y])
        assert_close(detections.bboxes, expected)


def test_sizes_of_images_are_exact_in_half_precision():
    feats, samples = [torch.zeros(1, 64, 25, 42, dtype=torch.bfloat16)], [sample((799, 1333), (800, 1333))]
    _, inputs = build('r50_50e').pre_transformer(feats, samples)
    assert inputs['image_sizes'].tolist() == [[1333., 799.]]


def test_detrs_own_head_and_loss_predict_as_detr_does():
    cfg = Config.fromfile('configs/mix/smca_detr_r50_8xb2-150e_coco.py').model
    cfg.backbone.update(depth=18, init_cfg=None)
    cfg.neck.in_channels = [512]
    model = MODELS.build(cfg).eval()
    assert type(model.bbox_head).__name__ == 'SMCAHead' and cfg.bbox_head.type == 'DETRHead'
    assert model.bbox_head.bg_cls_weight == 0.1
    assert_close(model.bbox_head.loss_cls.class_weight, [1.0] * 80 + [0.1])
    scores, boxes = torch.randn(1, 1, 100, 81), torch.rand(1, 1, 100, 4)
    instances, = model.bbox_head.predict_by_feat(scores, boxes, [sample((128, 160)).metainfo])
    assert_close(instances.scores, scores[0, 0].softmax(-1)[:, :80].amax(-1).sort(descending=True).values)


def test_widths_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match='positional_encoding has 32 channels, the decoder 64'):
        build('r50_50e', positional_encoding=dict(num_feats=16, normalize=True))


def test_an_image_without_pixels_is_an_error():
    with pytest.raises(ValueError, match=r'all padding.*\(0, 160\)'):
        build('r50_50e').eval().predict(torch.randn(1, 3, 128, 160), [sample((0, 160), (128, 160))])


def test_maps_that_the_decoder_does_not_expect():
    model = build('ms_r50_50e')
    with pytest.raises(ValueError, match='3 maps, the neck gives 1'):
        model.forward_transformer([torch.zeros(1, 64, 4, 5)], [sample((128, 160))])
