"""`type='PGI'` beside detectors of mmdet of all kinds: what learns, what is left without it, and what does not fit."""
import copy
import pickle
from pathlib import Path

import mmdet
import numpy as np
import pytest
import torch
import torch.nn as nn
from mmdet.models.detectors import FasterRCNN
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config, ConfigDict
from mmengine.model import ExponentialMovingAverage
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch._dynamo.testing import CompileCounterWithBackend

from mmdet_ext.models.detectors.pgi import recorded

SIZE = (64, 96)
CHANNELS = (128, 256, 512)  # of ResNet-18 at strides 8, 16, 32
YOLO = dict(type='YOLOv9Head', num_classes=80, in_channels=(64, 96, 128), sum_over_images=False)
PYRAMID = dict(type='PyramidBranch', arch='t', in_channels=CHANNELS, in_indices=(1, 2, 3))
FPN = dict(type='FPN', in_channels=[64, 96, 128], out_channels=256, num_outs=5, add_extra_convs='on_output')


def of_mmdet(name: str, **options: object) -> ConfigDict:
    """The model of a config of mmdet on a ResNet-18 that is not frozen, with `options` in the form of --cfg-options."""
    cfg = Config.fromfile(Path(mmdet.__path__[0]) / f'.mim/configs/{name}.py')
    if cfg.model.backbone.type == 'ResNet':
        cfg.merge_from_dict({'model.backbone.depth': 18, 'model.backbone.frozen_stages': -1})
        indices = cfg.model.backbone.out_indices
        cfg.model.neck.in_channels = [(64, *CHANNELS)[i] for i in indices]
    cfg.model.backbone.init_cfg = None
    cfg.merge_from_dict({f'model.{key}': value for key, value in options.items()})
    return cfg.model


def aux(branch: dict = PYRAMID, head: dict = YOLO, **options: object) -> dict:
    return dict(type='PGIAuxHead', branch=branch, head=head, **options)


def pgi(model: ConfigDict, aux_head: dict | list[dict]) -> ConfigDict:
    model = copy.deepcopy(model)
    model.update(detector=model.type, type='PGI', aux_head=aux_head)
    return model


def samples() -> list[DetDataSample]:
    batch = []
    for boxes, labels in (([[8.0, 8, 40, 50], [20, 4, 90, 60]], [1, 5]), ([[5.0, 5, 60, 50]], [7])):
        masks = np.zeros((len(boxes), *SIZE), np.uint8)
        for mask, (x1, y1, x2, y2) in zip(masks, np.int64(boxes)):
            mask[y1:y2, x1:x2] = 1
        sample = DetDataSample(gt_instances=InstanceData(bboxes=torch.tensor(boxes), labels=torch.tensor(labels),
                                                         masks=BitmapMasks(masks, *SIZE)))
        sample.set_metainfo(dict(img_shape=SIZE, ori_shape=SIZE, pad_shape=SIZE, batch_input_shape=SIZE,
                                 scale_factor=(1.0, 1.0)))
        batch.append(sample)
    return batch


def faster_rcnn() -> ConfigDict:
    roi = 'roi_head.bbox_head'
    return of_mmdet('faster_rcnn/faster-rcnn_r50_fpn_1x_coco', **{
        'neck.out_channels': 32, 'rpn_head.in_channels': 32, 'rpn_head.feat_channels': 32,
        'roi_head.bbox_roi_extractor.out_channels': 32, f'{roi}.in_channels': 32, f'{roi}.fc_out_channels': 32})


def retinanet() -> ConfigDict:
    return of_mmdet('retinanet/retinanet_r50_fpn_1x_coco', **{
        'neck.out_channels': 32, 'bbox_head.in_channels': 32, 'bbox_head.feat_channels': 32})


def own_head() -> ConfigDict:
    model = retinanet()
    return pgi(model, aux(head=model.bbox_head, neck=dict(FPN, out_channels=32)))


def own_rpn_head() -> ConfigDict:
    model = faster_rcnn()
    return pgi(model, aux(dict(type='IdentityBranch'), model.rpn_head, neck=model.neck))


def deformable_detr() -> ConfigDict:
    model = of_mmdet('deformable_detr/deformable-detr_r50_16xb2-50e_coco', **{
        'encoder.num_layers': 1, 'decoder.num_layers': 1, 'num_queries': 20})
    head = dict(YOLO, in_channels=(256, 256, 256))
    return pgi(model, [aux(dict(PYRAMID, in_indices=(0, 1, 2))),
                       aux(dict(type='IdentityBranch', in_indices=(0, 1, 2)), head, source='neck')])


def rtmdet_ins() -> ConfigDict:
    model = of_mmdet('rtmdet/rtmdet-ins_tiny_8xb32-300e_coco', **{
        'backbone.widen_factor': 0.125, 'neck.in_channels': [32, 64, 128], 'neck.out_channels': 32,
        'bbox_head.in_channels': 32, 'bbox_head.feat_channels': 32})
    branch = dict(type='PyramidBranch', arch='t', in_channels=(32, 64, 128), out_channels=(32, 32, 32))
    return pgi(model, aux(branch, model.bbox_head))


KINDS = dict(two_stage=lambda: pgi(faster_rcnn(), aux()), own_rpn_head=own_rpn_head, own_head_of_five_levels=own_head,
             detr=deformable_detr, instances=rtmdet_ins)


@pytest.fixture(scope='module', params=KINDS)
def trained(request) -> tuple[ConfigDict, nn.Module, dict]:
    """Config, detector with gradients, and its losses."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    config = KINDS[request.param]()
    before = copy.deepcopy(config)
    model = MODELS.build(config).train()
    assert config == before
    if hasattr(model, 'level_embed'):  # uninitialised memory in mmdet until init_weights
        torch.nn.init.normal_(model.level_embed)
    losses = model(torch.randn(2, 3, *SIZE), samples(), mode='loss')
    model.parse_losses(losses)[0].backward()
    return config, model, losses


def test_the_whole_branch_learns_and_the_losses_are_finite(trained):
    _, model, losses = trained
    assert any(name.startswith('aux') for name in losses)
    assert all(torch.as_tensor(x).isfinite() for value in losses.values()
               for x in (value if isinstance(value, list) else [value]))
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


def test_it_is_the_detector_with_its_name_and_predicts_as_the_plain_one(trained):
    config, model, _ = trained
    kind = MODELS.get(config.detector)
    assert isinstance(model, kind) and type(model).__name__ == kind.__name__
    plain_config = copy.deepcopy(config)
    plain_config.update(type=plain_config.pop('detector'))
    del plain_config['aux_head']
    plain = MODELS.build(plain_config)
    weights = {name: value for name, value in model.state_dict().items() if not name.startswith('aux_head.')}
    plain.load_state_dict(weights, strict=True)
    images = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(1))
    twin = MODELS.build(config)  # a detector whose heads keep tensors of the training step cannot be copied
    twin.load_state_dict(model.state_dict(), strict=True)
    results = []
    with torch.no_grad():
        for form in (plain, twin):
            results.append(form.eval()(images, samples(), mode='predict'))
    for expected, result in zip(*results):
        assert result.pred_instances.bboxes.equal(expected.pred_instances.bboxes)
        assert result.pred_instances.scores.equal(expected.pred_instances.scores)


def test_the_backbone_learns_from_the_auxiliary_losses():
    model = MODELS.build(pgi(faster_rcnn(), aux())).train()
    losses = model(torch.randn(2, 3, *SIZE), samples(), mode='loss')
    sum(value for name, value in losses.items() if name.startswith('aux.')).backward()
    assert model.backbone.conv1.weight.grad.any() and model.rpn_head.rpn_conv.weight.grad is None


def test_the_backbone_runs_once():
    model = MODELS.build(own_rpn_head()).train()
    calls = []
    model.backbone.register_forward_hook(lambda *_: calls.append(1))
    model(torch.randn(2, 3, *SIZE), samples(), mode='loss')
    assert len(calls) == 1 and len(model.backbone._forward_hooks) == 1 and not model.neck._forward_hooks


def test_calls_of_a_compiled_part_are_recorded_without_a_new_compilation():

    class Part(nn.Module):

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.relu() + 1

    torch._dynamo.reset()
    counter, part = CompileCounterWithBackend('eager'), Part()
    part.compile(backend=counter, fullgraph=True)
    images = torch.rand(1, 3, 8, 8)
    part(images)
    for _ in range(3):
        with recorded(part) as calls:
            output = part(images)
        assert len(calls) == 1 and calls[0][0] is images and calls[0][1] is output
    assert counter.frame_count == 1 and not part._forward_hooks


def test_averages_copies_and_pickles_have_the_branch():
    model = MODELS.build(pgi(faster_rcnn(), aux()))
    average = ExponentialMovingAverage(model)
    for twin in (average.module, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert type(twin) is type(model) and isinstance(twin, FasterRCNN)
        assert all(value.equal(twin.state_dict()[name]) for name, value in model.state_dict().items())


def test_without_auxiliary_head_it_is_the_plain_detector():
    model = MODELS.build(pgi(faster_rcnn(), None)).train()
    assert not any(name.startswith('aux') for name in model.state_dict())
    assert not any(name.startswith('aux') for name in model(torch.randn(2, 3, *SIZE), samples(), mode='loss'))


def test_a_head_of_one_class_is_given_all_objects_as_that_class_and_the_samples_stay():
    model, batch = MODELS.build(own_rpn_head()).train(), samples()
    seen = []
    model.aux_head.head.loss = lambda maps, given: seen.extend(given) or {}
    model(torch.randn(2, 3, *SIZE), batch, mode='loss')
    assert [sample.gt_instances.labels.tolist() for sample in seen] == [[0, 0], [0]]
    assert [sample.gt_instances.labels.tolist() for sample in batch] == [[1, 5], [7]]


RETINA = dict(type='RetinaHead', num_classes=80, in_channels=256, anchor_generator=dict(
    type='AnchorGenerator', scales=[4], ratios=[1.0], strides=[8, 16, 32, 64, 128]))
RPN = dict(type='RPNHead', in_channels=256, anchor_generator=dict(
    type='AnchorGenerator', scales=[8], ratios=[1.0], strides=[4, 8, 16, 32, 64]))
MISFITS = dict(
    levels=(aux(head=RETINA),
            r'RetinaHead reads 5 maps, of strides 8, 16, 32, 64, 128, but PyramidBranch gives 3 maps of 64, 96, 128 '
            r"channels: .*type='FPN', in_channels=\[64, 96, 128\].*num_outs=5"),
    strides=(aux(head=RPN, neck=FPN),
             'RPNHead reads maps of strides 4, 8, 16, 32, 64, but FPN gives maps of strides 8, 16, 32, 64'),
    head_channels=(aux(head=dict(YOLO, in_channels=(64, 96, 256))),
                   'YOLOv9Head reads maps of 64, 96, 256 channels, but PyramidBranch gives 3 maps of 64, 96, 128'),
    neck_channels=(aux(head=RETINA, neck=dict(FPN, in_channels=[64, 96, 96])),
                   r'FPN has in_channels=\[64, 96, 96\], but PyramidBranch gives 3 maps of 64, 96, 128 channels'),
    branch_channels=(aux(dict(PYRAMID, in_channels=(512, 1024, 2048))),
                     r'PyramidBranch has in_channels=\[512, 1024, 2048\] for maps \[1, 2, 3\] of the backbone, whose '
                     'maps have 64, 128, 256, 512 channels'),
    branch_maps=(aux(dict(PYRAMID, in_indices=(2, 3, 4))),
                 r'in_indices=\[2, 3, 4\]: the backbone gives 4 maps, numbers 0 to 3, to PyramidBranch'),
    images=(aux(), 'an auxiliary head needs a map of each image, got maps of 2 for 1 images'))


@pytest.mark.parametrize('name', MISFITS)
def test_parts_that_do_not_fit_are_named_at_the_first_step(name):
    config, message = MISFITS[name]
    images = torch.rand(1 if name == 'images' else 2, 3, *SIZE)
    feats = [torch.rand(2, channels, SIZE[0] // stride, SIZE[1] // stride)
             for channels, stride in zip((64, *CHANNELS), (4, 8, 16, 32))]
    with pytest.raises(ValueError, match=message):
        MODELS.build(config).loss(images, feats, samples())


def beside_yolo(aux_head: dict) -> dict:
    return dict(type='PGI', detector='SingleStageDetector', aux_head=aux_head, bbox_head=YOLO,
                backbone=dict(type='GELAN', arch='t'))


REFUSED = dict(
    no_detector=(dict(type='PGI', detector='ResNet', aux_head=aux()), "detector should be the type.*'ResNet'"),
    unknown=(dict(type='PGI', detector='FasterRCN', aux_head=aux()), "detector should be.*'FasterRCN'"),
    two_models=(dict(type='PGI', detector='SoftTeacher', aux_head=aux(), semi_train_cfg=None),
                "SoftTeacher' has no backbone of its own: give type='PGI' to the detector inside it"),
    decoder_head=(beside_yolo(aux(head=dict(type='DINOHead', num_classes=80))),
                  "aux_head.head.type should be a head that reads maps, got 'DINOHead'"),
    assigner=(beside_yolo(aux(head=RETINA)), 'aux_head.head.train_cfg is missing: RetinaHead cannot assign .* no head '
              'of SingleStageDetector is of this class'),
    neck=(beside_yolo(aux(source='neck')), "aux_head.source='neck': this SingleStageDetector has no neck"),
    source=(beside_yolo(aux(source='head')), "aux_head.source should be .*backbone, neck, got 'head'"),
    text=(beside_yolo('PGIAuxHead'), "aux_head should be a dict such as .*, got 'PGIAuxHead'"),
    branch=(beside_yolo(aux(branch='PyramidBranch')), "aux_head.branch should be a dict with a type, got 'PyramidBr"),
    head=(beside_yolo(aux(head=dict(num_classes=3))), "aux_head.head should be a dict with a type, got {'num_classes"),
    weight=(beside_yolo(aux(loss_weight='1')), "loss_weight should be a positive number, got '1'"),
    lead=(beside_yolo(aux(head=dict(YOLO, strides=(4, 8, 16)), lead_guided=True)),
          r'lead_guided=True needs two YOLOv9Head of the same strides, got .*\(8, 16, 32\) and .*\(4, 8, 16\)'))


@pytest.mark.parametrize('name', REFUSED)
def test_what_cannot_have_a_branch_is_refused_when_it_is_built(name):
    config, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        MODELS.build(config)


def test_a_detector_inside_another_one_takes_it():
    inner = pgi(faster_rcnn(), aux())
    outer = ConfigDict(type='SoftTeacher', detector=inner,
                       semi_train_cfg=dict(freeze_teacher=True), semi_test_cfg=dict(predict_on='teacher'))
    model = MODELS.build(outer)
    assert model.student.with_aux and isinstance(model.teacher, FasterRCNN)


def test_yolov9_itself_takes_it_too():
    model = Config.fromfile('configs/yolov9/yolov9t_coco.py').model
    names = MODELS.build(model).state_dict().keys()
    assert MODELS.build(pgi(model, model.aux_head)).state_dict().keys() == names
