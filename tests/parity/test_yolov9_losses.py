"""Losses, gradients, assignment and post-processing against the published implementation."""
import pytest
import torch
from golden.cases import Case, load_case
from golden.compare import assert_close, on_cpu
from mmdet_ext.models.dense_heads import YOLOv9Head
from mmdet_ext.models.dense_heads.postprocess import to_original_image
from mmengine.structures import InstanceData

CASES = [('yolov9_dual_loss_a', 'aux'), ('yolov9_dual_loss_a', 'main'), ('yolov9_single_loss_a', 'main')]
NMS = dict(
    val=dict(),
    detect=dict(score_thr=0.25, nms=dict(iou_threshold=0.45), multi_label=False, max_per_img=1000),
    agnostic=dict(
        score_thr=0.25, nms=dict(iou_threshold=0.45, class_agnostic=True), multi_label=False, max_per_img=100))


@pytest.fixture
def head(device) -> YOLOv9Head:
    return YOLOv9Head(80, (8, 8, 8), box_channels=4, class_channels=4).to(device)


def truth(case: Case, device: torch.device, boxes: bool = True) -> list[InstanceData]:
    return [instances.to(device) for instances in (case.instances() if boxes else case.no_instances())]


def items(losses: dict) -> torch.Tensor:
    return torch.stack([losses['loss_bbox'], losses['loss_cls'], losses['loss_dfl']])


@pytest.mark.parametrize('name, which', CASES)
def test_losses_of_each_head_are_the_published_ones(head, name, which, device):
    case = load_case('yolov9', name)
    maps = case.raw_maps(which, -5, device)
    instances = truth(case, device)
    published = case[f'{which}_alone_items']
    assert_close(items(head.loss_by_feat(*maps, instances, None)) / len(instances), published, rtol=2e-5, atol=0)


@pytest.mark.parametrize('name, which', CASES)
def test_assignment_is_the_published_one(head, name, which, device):
    case = load_case('yolov9', name)
    assignment = head.assign(*case.raw_maps(which, -5, device), truth(case, device))
    assignment = on_cpu(assignment)
    order = (assignment.images * 10_000 + assignment.points).argsort()
    assert torch.stack([assignment.images, assignment.points], dim=1)[order].equal(case[f'assign_{which}_fg'])
    assert assignment.targets[order].equal(case[f'assign_{which}_gt'])
    assert_close(assignment.scores[order], case[f'assign_{which}_score'], rtol=2e-5, atol=2e-6)
    assert_close(assignment.scores.sum(), case[f'assign_{which}_scores_sum'], rtol=2e-5, atol=0)


@pytest.mark.parametrize('name', ['yolov9_dual_loss_a', 'yolov9_single_loss_a'])
@pytest.mark.parametrize('suffix', ['', '_no_boxes'])
def test_total_and_gradients_are_the_published_ones(head, name, suffix, device):
    case = load_case('yolov9', name)
    instances = truth(case, device, boxes=not suffix)
    heads = case.inputs['raw_maps']['names']
    maps = {which: case.raw_maps(which, -5, device) for which in heads}
    weights = dict(aux=0.25, main=1.0)
    total = sum(weights[which] * items(head.loss_by_feat(*maps[which], instances, None)) for which in heads)
    assert_close(total / len(instances), case[f'loss_items{suffix}'], rtol=2e-5, atol=0)
    assert_close(total.sum(), case[f'loss_total{suffix}'], rtol=2e-5, atol=0)
    total.sum().backward()
    grads = {
        which: [torch.cat([box.grad, cls.grad], dim=1) for cls, box in zip(*maps[which])]
        for which in heads
    }
    norms = torch.tensor([[grad.norm().item() for grad in grads[which]] for which in heads])
    assert_close(norms, case[f'grad_l2_norms{suffix}'], rtol=1e-4, atol=0)
    if not suffix:
        for which in heads:
            published = case[f'grad_{which}_P4']
            assert_close(grads[which][1], published, rtol=1e-4, atol=1e-6 * published.abs().max().item())


def test_decoded_boxes_are_the_published_ones(head, device):
    case = load_case('yolov9', 'yolov9_postprocess_a')
    predictions = head.predictions(*case.raw_maps('main', -4, device))
    assert_close(predictions.boxes().mT, case['boxes'], rtol=0, atol=2e-4)
    assert_close(predictions.class_logits[:, 0].sigmoid(), case['scores_first_class'], rtol=0, atol=1e-6)


@pytest.mark.parametrize('setting', NMS)
def test_detections_are_the_published_ones(head, setting, device):
    case = load_case('yolov9', 'yolov9_postprocess_a')
    with torch.no_grad():
        maps = case.raw_maps('main', -4, device)
        detections = head.predict_by_feat(*maps, [{}, {}], cfg=NMS[setting])
    for i, image_detections in enumerate(detections):
        published = case[f'nms_{setting}_{i}']
        assert_close(image_detections.bboxes, published[:, :4], rtol=0, atol=2e-4)
        assert_close(image_detections.scores, published[:, 4], rtol=0, atol=1e-6)
        assert image_detections.labels.cpu().equal(published[:, 5].long())


def test_boxes_go_back_to_the_original_image_as_published(device):
    case = load_case('yolov9', 'yolov9_postprocess_a')
    facts = case.inputs['rescale']
    meta = dict(ori_shape=facts['original_hw'], scale_factor=(facts['gain'], ) * 2, pad_param=facts['pad_xy'])
    boxes = to_original_image(case['nms_val_0'][:, :4].to(device), meta)
    assert_close(boxes, case['rescaled_val_0'], rtol=0, atol=2e-4)
