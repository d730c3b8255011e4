"""The graph of SMCA-DETR: eager's detections, in TorchScript and ONNX too, for batches and sizes other than its
example's."""
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from small_smca import build, sample
from torch import Tensor
from torch.testing import assert_close

from mmdet_ext.export.graph import GraphOptions
from mmdet_ext.export.sizes import map_padding, with_image_size
from mmdet_ext.export.smca import SMCAGraph
from mmdet_ext.export.systems import graph_class
from mmdet_ext.export.write import to_onnx
from mmdet_ext.exported import smca
from mmdet_ext.models.detectors.image_sizes import image_sizes

CONFIG = 'configs/smca/smca_r18_shapes.py'


@torch.no_grad()
def eager(model: torch.nn.Module, images: Tensor, sizes: Tensor) -> list[Tensor]:
    """Boxes, scores and labels of the detector."""
    samples = [sample(tuple(size), tuple(images.shape[2:])) for size in sizes.tolist()]
    instances = [result.pred_instances for result in model.predict(images, samples, rescale=False)]
    return [torch.stack([one[name] for one in instances]) for name in ('bboxes', 'scores', 'labels')]


def apart(model: torch.nn.Module) -> torch.nn.Module:
    """The model with scores that are not almost equal, so that rounding does not change their order."""
    torch.nn.init.normal_(model.bbox_head.fc_cls.weight, std=0.1)
    return model.eval()


def assert_same(outputs: list[Tensor], expected: list[Tensor]) -> None:
    assert_close(outputs[0], expected[0], rtol=0, atol=1e-3)
    assert_close(outputs[1], expected[1], rtol=0, atol=1e-5)
    assert outputs[2].tolist() == expected[2].tolist()


@pytest.mark.parametrize('name', ['r50_50e_type4', 'ms_r50_50e_pooled', 'ms_conv_r50_50e'])
def test_maps_in_any_number_give_eagers_detections_with_padding(name):
    model = apart(build(name))
    images, sizes = torch.randn(2, 3, 128, 160), torch.tensor([[128, 160], [100, 90]])
    assert_same(SMCAGraph(model)(images, sizes), eager(model, images, sizes))


def test_detrs_softmax_chooses_queries_and_keeps_boxes_inside():
    cfg = Config.fromfile('configs/mix/smca_detr_r50_8xb2-150e_coco.py').model
    cfg.backbone.update(depth=18, init_cfg=None)
    cfg.neck.in_channels = [512]
    model = apart(MODELS.build(cfg))
    torch.nn.init.constant_(model.bbox_head.fc_reg.bias[2:], 9.)  # large boxes, so that some are cut
    images, sizes = torch.randn(2, 3, 96, 128), torch.tensor([[96, 128], [64, 90]])
    expected = eager(model, images, sizes)
    assert (expected[0][1, :, 2:] == torch.tensor([90., 64.])).any()
    assert_same(SMCAGraph(model)(images, sizes), expected)


def test_torchscript_takes_other_batches_and_sizes(tmp_path):
    model = apart(build('ms_r50_50e'))
    graph = SMCAGraph(model)
    with torch.no_grad():
        torch.jit.trace(graph, graph.example_inputs(2, 128, 160), check_trace=False).save(tmp_path / 'smca.pt')
        traced = torch.jit.load(tmp_path / 'smca.pt')
        for shape, sizes in (((1, 3, 97, 150), [[97, 150]]), ((3, 3, 200, 130), [[200, 130], [120, 130], [64, 70]])):
            images, sizes = torch.randn(shape), torch.tensor(sizes)
            assert_same(traced(images, sizes), eager(model, images, sizes))


def test_onnx_takes_other_batches_and_sizes(tmp_path):
    ort = pytest.importorskip('onnxruntime')
    model = build('r50_50e')
    graph = SMCAGraph(apart(model))
    file = tmp_path / 'smca.onnx'
    file.write_bytes(to_onnx(graph, GraphOptions(dynamic_batch=True, dynamic_size=True), (96, 128)).SerializeToString())
    session = ort.InferenceSession(file)
    for shape, sizes in (((1, 3, 97, 150), [[97, 150]]), ((3, 3, 130, 100), [[130, 100], [120, 64], [64, 70]])):
        images, sizes = torch.randn(shape), torch.tensor(sizes)
        outputs = session.run(None, dict(images=images.numpy(), sizes=sizes.numpy()))
        assert_same([torch.from_numpy(array) for array in outputs], eager(model, images, sizes))


def test_the_graph_is_found_and_leaves_the_detector_as_it_is():
    model = build('r50_50e', channels_last=True).train()
    graph = SMCAGraph(model)
    assert graph_class(model) is SMCAGraph
    assert model.training and model.channels_last and not graph.model.channels_last
    assert all(parameter.requires_grad for parameter in model.bbox_head.parameters())


@pytest.mark.parametrize('extra_maps', [0, 1])
def test_padding_of_maps_is_that_of_the_detector(extra_maps):
    images, shapes = torch.zeros(4, 3, 333, 801), [(42, 101), (21, 51), (11, 26), (6, 13)]
    sizes = torch.tensor([[333, 801], [1, 1], [170, 799], [332, 400]])
    samples = [sample(tuple(size), (333, 801)) for size in sizes.tolist()]
    expected = image_sizes(samples, shapes, torch.device('cpu'), extra_maps).padding
    for mask, other in zip(map_padding(sizes, images, shapes, extra_maps), expected, strict=True):
        assert mask.equal(other)


def test_a_fixed_size_is_a_square_that_any_image_fits_into():
    cfg = with_image_size(Config.fromfile(CONFIG), GraphOptions(image_size=(96, 96)))
    assert cfg.model.data_preprocessor.pad_size_divisor == 96
    for loader in (cfg.val_dataloader, cfg.test_dataloader):
        assert [step.scale for step in loader.dataset.pipeline if step.type == 'Resize'] == [(96, 96)]
    with pytest.raises(ValueError, match='square .* got 96 x 128'):
        with_image_size(cfg, GraphOptions(image_size=(96, 128)))


def test_a_dynamic_size_bounds_the_short_and_the_long_side():
    cfg = with_image_size(Config.fromfile(CONFIG), GraphOptions(image_size=(128, 96), dynamic_size=True))
    steps = [step for step in cfg.test_dataloader.dataset.pipeline if 'Resize' in step.type]
    assert steps == [dict(type='FloorResize', scales=[(96, 128)])]


@pytest.mark.parametrize('option', [dict(score_thr=0.1), dict(iou_thr=0.5), dict(decode=False)])
def test_options_of_yolov9_are_refused(option):
    with pytest.raises(ValueError, match=next(iter(option))):
        SMCAGraph.adapt(Config.fromfile(CONFIG), GraphOptions(**option))


def test_as_many_boxes_as_the_options_say(tmp_path: Path):
    cfg = SMCAGraph.adapt(Config.fromfile(CONFIG), GraphOptions(max_per_img=7))
    graph = SMCAGraph.from_model(MODELS.build(cfg.model).eval(), cfg, GraphOptions())
    boxes, scores, labels = graph(*graph.example_inputs(2, 64, 64))
    assert boxes.shape == (2, 7, 4) and scores.shape == labels.shape == (2, 7)


def test_boxes_are_returned_in_pixels_of_the_original_image():
    one = sample((50, 80))
    one.set_metainfo(dict(scale_factor=(0.5, 0.25)))
    outputs = dict(boxes=[[[10., 20, 30, 40]]], scores=[[0.5]], labels=[[3]])
    instances, = smca.instances(None, {name: torch.tensor(value).numpy() for name, value in outputs.items()}, [one])
    assert_close(instances.bboxes, torch.tensor([[20., 80, 60, 160]]))
    assert instances.labels.tolist() == [3] and instances.scores.tolist() == [0.5]
