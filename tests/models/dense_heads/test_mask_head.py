"""MDETRMaskHead: its attention, masks one by one, the split convolution, sizes, losses by hand, errors."""
import pytest
import torch
import torch.nn.functional as F
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks, PolygonMasks
from mmengine.structures import InstanceData
from torch.testing import assert_close

from mmdet_ext.models.dense_heads.mask_head import MaskInputs, MDETRMaskHead, target_masks
from mmdet_ext.models.layers.box_attention import BoxAttention

CHANNELS = (12, 20)


def build(**options) -> MDETRMaskHead:
    head = MODELS.build(dict(dict(type='MDETRMaskHead', embed_dims=32, in_channels=CHANNELS, num_heads=4, num_groups=4),
                             **options))
    head.init_weights()
    return head


def make_inputs(batch: int = 2, queries: int = 5, size: tuple[int, int] = (3, 5)) -> MaskInputs:
    height, width = size
    stages = [torch.randn(batch, channels, height * scale - 1, width * scale)
              for channels, scale in zip(CHANNELS, (4, 2))]  # odd sizes are not multiples of each other
    padding = torch.zeros(batch, height, width, dtype=torch.bool)
    padding[-1, :, -2:] = True
    return MaskInputs((*stages, torch.randn(batch, 32, height, width)), torch.randn(batch, height * width, 32),
                      padding.flatten(1), torch.randn(batch, queries, 32))


def every(inputs: MaskInputs) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.ones(inputs.states.shape[:2]).nonzero(as_tuple=True)


@pytest.mark.parametrize('dtype, tolerance', [(torch.float64, 1e-14), (torch.float32, 1e-6)])
def test_attention_by_hand(dtype, tolerance):
    attention = BoxAttention(4, 2).to(dtype)
    for layer in (attention.query, attention.key):
        torch.nn.init.eye_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    states = torch.tensor([[[2.**0.5, 0, 0, 2.**0.5 * 2]]], dtype=dtype)
    memory = torch.tensor([[[1., 0, 9, 0], [0, 9, 0, 1], [9, 9, 9, 9]]], dtype=dtype)
    weights = attention(states, memory, torch.tensor([[False, False, True]]))
    # the logits of the first head are 1 and 0, those of the second 0 and 2: 1 / (1 + 1 / e) and 1 / (1 + e^2)
    expected = [[0.7310585786300049, 0.2689414213699951, 0], [0.11920292202211755, 0.8807970779778825, 0]]
    assert_close(weights[0, 0], torch.tensor(expected, dtype=dtype), rtol=0, atol=tolerance)


@torch.no_grad()
def test_a_head_of_doubles_gives_the_masks_of_floats():
    head, inputs = build(), make_inputs()
    expected = head(inputs, *every(inputs))
    doubles = MaskInputs(tuple(x.double() for x in inputs.maps), inputs.memory.double(), inputs.padding,
                         inputs.states.double())
    assert_close(head.double()(doubles, *every(inputs)), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_masks_of_some_queries_are_those_of_all():
    head, inputs = build(), make_inputs()
    image, query = every(inputs)
    masks = head(inputs, image, query).unflatten(0, (2, 5))
    assert masks.shape == (2, 5, 11, 20)
    image, query = torch.tensor([1, 0, 1]), torch.tensor([4, 2, 0])
    assert_close(head(inputs, image, query), masks[image, query], rtol=1e-5, atol=1e-6)
    for i in range(2):
        alone = MaskInputs([part[i:i + 1] for part in inputs.maps], *(part[i:i + 1] for part in inputs[1:]))
        assert_close(head(alone, *every(alone)), masks[i], rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_the_split_convolution_is_one_of_both_inputs():
    head, inputs = build(), make_inputs()
    image, query = every(inputs)
    attention = head.attention(inputs.states, inputs.memory, inputs.padding).unflatten(-1, (3, 5)).flatten(0, 1)
    x = head.convs[0](torch.cat([inputs.maps[-1][image], attention], dim=1))
    x = F.relu(head.norms[1](head.convs[1](F.relu(head.norms[0](x)))))
    for adapter, stage, conv, norm in zip(head.adapters, inputs.maps[1::-1], head.convs[2:], head.norms[2:]):
        x = F.relu(norm(conv(adapter(stage[image]) + F.interpolate(x, size=stage.shape[2:]))))
    assert_close(head(inputs, image, query), head.out_conv(x)[:, 0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('matched', [3, 0])
def test_every_part_learns_from_a_loss_and_without_objects_it_is_0(matched):
    head, inputs = build(), make_inputs()
    image, query = (indices[:matched] for indices in every(inputs))
    targets = torch.rand(matched, 44, 60) > 0.5
    losses = head.loss_by_feat(head(inputs, image, query), targets, torch.tensor(max(matched, 1.)))
    sum(losses.values()).backward()
    assert all(loss.isfinite() and bool(loss) == bool(matched) for loss in losses.values())
    assert [name for name, p in head.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


def test_losses_by_hand():
    # logits of 0 everywhere: p = 1/2, a quarter of the cross-entropy ln 2, a quarter or three of it as weight
    targets = torch.tensor([[[1, 1], [0, 0]], [[0, 0], [0, 0]]])
    losses = build().loss_by_feat(torch.zeros(2, 1, 1), targets, torch.tensor(4.))
    log_2 = torch.tensor(2.).log()
    assert_close(losses['loss_mask'], (0.25 * log_2 * 0.5 + 0.25 * log_2 * 0.75) / 4)
    assert_close(losses['loss_dice'], torch.tensor((1 - 3 / 5) + (1 - 1 / 3)) / 4)


def make_sample(ori_shape=(30, 42), masks=None) -> DetDataSample:
    sample = DetDataSample(gt_instances=InstanceData())
    sample.set_metainfo(dict(img_path='a/b.jpg', batch_input_shape=(24, 32), img_shape=(20, 28), ori_shape=ori_shape))
    if masks is not None:
        sample.gt_instances.masks = masks
    return sample


def test_masks_are_cut_from_the_padded_size_and_then_enlarged():
    logits = torch.full((20, 6, 8), -1.)  # of the padded 24 x 32
    logits[:, :5, 4:7] = 1  # right half of the 20 x 28 that are the image
    logits[:, 5:] = 1  # padding
    (masks, ), (small, ) = (build().predict_by_feat([logits], [make_sample()], rescale=flag) for flag in (True, False))
    assert masks.shape == (20, 30, 42) and small.shape == (20, 20, 28) and masks.dtype == torch.bool
    assert masks[:, :26, 25:].all() and not masks[:, :26, :22].any()
    assert build().predict_by_feat([logits[:0]], [make_sample()])[0].shape == (0, 30, 42)


def test_targets_are_padded_to_the_batch():
    bitmaps = torch.rand(3, 20, 28) > 0.5
    polygon = PolygonMasks([[torch.tensor([2., 2, 10, 2, 10, 9, 2, 9]).numpy()]], 20, 28)
    forms = [bitmaps, BitmapMasks(bitmaps.numpy(), 20, 28), BitmapMasks([], 20, 28), polygon]
    targets = target_masks([make_sample(masks=form) for form in forms], torch.device('cpu'))
    assert [masks.shape for masks in targets] == [(count, 24, 32) for count in (3, 3, 0, 1)]
    assert targets[0].equal(targets[1]) and targets[0][:, :20, :28].equal(bitmaps) and targets[0].sum() == bitmaps.sum()
    assert targets[3].sum() == targets[3][0, 2:9, 2:10].sum() == 56


def test_images_without_masks_and_wrong_sizes_are_named():
    with pytest.raises(ValueError, match='a/b.jpg: gt_instances has no masks'):
        target_masks([make_sample()], torch.device('cpu'))
    with pytest.raises(ValueError, match=r'a/b.jpg: masks of \(40, 28\) are larger than the batch, \(24, 32\)'):
        target_masks([make_sample(masks=torch.zeros(1, 40, 28))], torch.device('cpu'))
    with pytest.raises(ValueError, match='embed_dims=48 must be a multiple of num_heads=5'):
        build(embed_dims=48, num_heads=5)
    with pytest.raises(ValueError, match='num_groups=8'):
        build(embed_dims=40, num_groups=8)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_finite_and_losses_are_not_half(dtype):
    head, inputs = build(), make_inputs()
    with torch.autocast('cpu', dtype=dtype):
        logits = head(inputs, *every(inputs))
        losses = head.loss_by_feat(logits, torch.rand(10, 44, 60) > 0.5, torch.tensor(10.))
    assert logits.dtype == torch.float32 and all(loss.dtype == torch.float32 for loss in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() for p in head.parameters())
