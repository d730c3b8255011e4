"""One training step of yolov9-t, from image to gradients, against the published implementation."""
import pytest
import torch
from golden.cases import Case, load_case
from golden.compare import assert_close, on_cpu
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet_ext.checkpoints import convert
from mmengine.config import Config

TERMS = ('loss_bbox', 'loss_cls', 'loss_dfl')


@pytest.fixture(scope='module')
def case() -> Case:
    return load_case('yolov9', 'yolov9_t_train')


def step(case: Case, dtype: torch.dtype, device: torch.device):
    """The model after one backward pass, its loss items, and each head's assignment."""
    cfg = Config.fromfile('configs/yolov9/yolov9t_coco.py')
    cfg.model.bbox_head.class_channels = cfg.model.aux_head.head.class_channels = None
    model = MODELS.build(cfg.model)
    model.load_state_dict(convert('yolov9', case.state_dict), strict=True)
    model.to(device, dtype).train()
    samples = [DetDataSample(gt_instances=instances.to(device)) for instances in case.instances(dtype)]
    assignments = {}
    for name, head in (('main', model.bbox_head), ('aux', model.aux_head.head)):
        assigner = head.assigner
        head.assigner = lambda *args, name=name, assigner=assigner: assignments.setdefault(name, assigner(*args))
    losses = model.loss(case.image().to(device, dtype), samples)
    items = torch.stack([losses[term] + losses[f'aux.{term}'] for term in TERMS])
    items.sum().backward()
    return model, items.detach() / len(samples), assignments


def gradient_of(model, case: Case, key: str) -> torch.Tensor:
    return model.get_parameter(case.our_name(convert, 'yolov9', key)).grad


def test_a_training_step_in_double_precision_is_the_published_one(case, device):
    model, items, assignments = step(case, torch.float64, device)
    assert_close(items.float(), case['loss_items'], rtol=1e-5, atol=0)
    assert_close(items.sum() * 2, case['loss_total'], rtol=1e-5, atol=0, check_dtype=False)
    norms = torch.stack([gradient_of(model, case, key).norm() for key in case.inputs['grad_names']])
    assert_close(norms, case['grad_l2_norms'], rtol=1e-4, atol=0)
    total = torch.stack([p.grad.norm() for p in model.parameters()]).norm()
    assert_close(total, case['grad_l2_norm_all_parameters'].view(()), rtol=1e-4, atol=0)
    for i, key in enumerate(case.inputs['grad_full_names']):
        published = case[f'grad_full_{i}']
        gradient = gradient_of(model, case, key).float().view_as(published)
        assert_close(gradient, published, rtol=1e-4, atol=1e-6 * published.abs().max().item())
    for name, assignment in assignments.items():
        assignment = on_cpu(assignment)
        order = (assignment.images * 10_000 + assignment.points).argsort()
        assert torch.stack([assignment.images, assignment.points], dim=1)[order].equal(case[f'assign_{name}_fg'])
        assert assignment.targets[order].equal(case[f'assign_{name}_gt'])
        assert_close(assignment.scores[order].float(), case[f'assign_{name}_score'], rtol=2e-5, atol=2e-6)
    norm = model.backbone.trunk.blocks[3].merge.bn
    assert_close(norm.running_mean.float(), case['bn_running_mean_after'], rtol=0, atol=1e-5)
    assert_close(norm.running_var.float(), case['bn_running_var_after'], rtol=0, atol=1e-5)


def test_a_training_step_in_single_precision_stays_close(case, device):
    model, items, _ = step(case, torch.float32, device)
    assert_close(items, case['loss_items'], rtol=2e-3, atol=0)
    norms = torch.stack([gradient_of(model, case, key).norm() for key in case.inputs['grad_names']])
    assert_close(norms, case['grad_l2_norms'].float(), rtol=5e-2, atol=0)
