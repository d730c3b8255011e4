"""The head of texts: like YOLOv9Head where each box has one text, several texts of a box, padding, folding."""
import math

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import InstanceData
from torch.testing import assert_close

from mmdet_ext.models.dense_heads import TextEmbeddings, TextYOLOv9Head, YOLOv9Head

CHANNELS, METAS = (8, 12, 16), [dict(), dict()]


@pytest.fixture
def head() -> TextYOLOv9Head:
    head = TextYOLOv9Head(6, CHANNELS, class_channels=8)
    for level, tower in enumerate(head.class_towers):  # as after training
        norm = tower[-1]
        for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            torch.nn.init.uniform_(value, 0.5, 1.5)
        torch.nn.init.constant_(head.log_scales[level], 0.3 * level)
    return head


def feats(batch: int = 2) -> list[torch.Tensor]:
    return [torch.randn(batch, channels, 8 // 2**i, 6 // 2**i) for i, channels in enumerate(CHANNELS)]


def texts(count: int, batch: int = 1) -> torch.Tensor:
    return F.normalize(torch.randn(batch, count, 6), dim=-1)


def boxes(labels: list[int], **fields: torch.Tensor) -> InstanceData:
    corners = torch.tensor([[4., 4., 30., 40.], [20., 10., 46., 60.]])[:len(labels)]
    return InstanceData(bboxes=corners, labels=torch.tensor(labels, dtype=torch.long), **fields)


def test_a_logit_is_the_scaled_similarity_of_cell_and_text(head):
    maps, embeddings = feats(), texts(3)
    head.eval()
    logits, _ = head(maps, TextEmbeddings(embeddings))
    for level, feat in enumerate(maps):
        cells = head.class_towers[level](feat)  # (B, 6, H, W)
        expected = head.log_scales[level].exp() * torch.einsum('bdhw,kd->bkhw', cells, embeddings[0])
        assert_close(logits[level], expected + head.biases[level], rtol=1e-4, atol=1e-5)
    bias = math.log(5 / 80 / (640 / 16)**2)
    assert_close(TextYOLOv9Head(6, CHANNELS).biases[1].item(), bias)


def test_texts_folded_into_the_last_convolution_give_a_plain_head(head):
    maps, embeddings = feats(), texts(3)
    plain = YOLOv9Head(3, CHANNELS, class_channels=8)
    state = plain.state_dict() | {key: value for key, value in head.state_dict().items() if key in plain.state_dict()}
    for level in range(3):
        weight, bias = head.fold(level, embeddings[0])
        state |= {f'class_towers.{level}.2.weight': weight[..., None, None], f'class_towers.{level}.2.bias': bias}
    plain.load_state_dict(state)
    for expected, got in zip(head.eval()(maps, TextEmbeddings(embeddings)), plain.eval()(maps), strict=True):
        for one, other in zip(expected, got, strict=True):
            assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('training', [True, False])
def test_padding_of_texts_changes_nothing_and_is_never_found(head, training):
    maps, embeddings = feats(), texts(3, batch=2)
    head.train(training)
    valid = torch.tensor([[True, True, True], [True, False, False]])
    padded, _ = head(maps, TextEmbeddings(embeddings, valid))
    first, _ = head(maps, TextEmbeddings(embeddings[:, :1]))
    for one, other in zip(padded, first, strict=True):
        assert_close(one[:, :1], other)
        assert (one[1, 1:].sigmoid() == 0).all()
    head.eval()
    detections = head.predict_by_feat(*head(maps, TextEmbeddings(embeddings, valid)), METAS, dict(score_thr=0.))
    assert set(detections[1].labels.tolist()) == {0} and set(detections[0].labels.tolist()) == {0, 1, 2}


def test_losses_of_one_text_for_each_box_are_those_of_yolov9(head):
    plain, maps = YOLOv9Head(3, CHANNELS), feats()
    class_maps, box_maps = head(maps, TextEmbeddings(texts(3)))
    gts = [boxes([2, 0]), boxes([1])]
    expected = plain.loss_by_feat(class_maps, box_maps, gts, METAS)
    assert_close(head.loss_by_feat(class_maps, box_maps, gts, METAS), expected)
    for instances in gts:
        instances.text_targets = F.one_hot(instances.labels, 3).bool()
    assert_close(head.loss_by_feat(class_maps, box_maps, gts, METAS), expected)
    given = plain.assign(class_maps, box_maps, gts)
    assert_close(head.loss_by_feat(class_maps, box_maps, gts, METAS, assignment=given),
                 plain.loss_by_feat(class_maps, box_maps, gts, METAS, assignment=given))


def test_a_box_of_several_texts_or_of_none(head):
    class_maps, box_maps = head(feats(), TextEmbeddings(texts(3)))
    gts = [boxes([0, 0], text_targets=torch.tensor([[True, True, False], [False] * 3])), boxes([])]
    losses = head.loss_by_feat(class_maps, box_maps, gts, METAS)
    points = head.assign(class_maps, box_maps, gts).positives
    logits = head.predictions(class_maps, box_maps).class_logits
    first = points.targets == 0
    named = (logits[points.images, :2, points.points].sum(1) * points.scores)[first].sum()
    expected = (F.softplus(logits).sum() - named) / points.scores.sum().clamp(min=1)
    assert first.any() and not first.all()  # the box without a text is located too
    assert_close(losses['loss_cls'], expected * 0.5 * 2)


def test_every_parameter_learns(head):
    losses = head.loss_by_feat(*head(feats(), TextEmbeddings(texts(3))), [boxes([2, 0]), boxes([1])], METAS)
    sum(losses.values()).backward()
    assert [name for name, value in head.named_parameters() if value.grad is None] == []
    assert all(value.grad.any() for value in (*head.log_scales, *head.biases))


@pytest.mark.parametrize('options, message', [
    (dict(embed_dims=0), 'embed_dims and usual_texts should be at least 1, got 0 and 80'),
    (dict(embed_dims=4, num_classes=80), 'takes no num_classes, got 80')])
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        TextYOLOv9Head(in_channels=CHANNELS, **options)


def test_targets_of_more_texts_than_asked_for_are_refused(head):
    maps = head(feats(), TextEmbeddings(texts(2)))
    gts = [boxes([0], text_targets=torch.ones(1, 3, dtype=torch.bool)), boxes([1])]
    with pytest.raises(ValueError, match='text_targets are of 3 texts, and the head is asked for 2'):
        head.loss_by_feat(*maps, gts, METAS)
