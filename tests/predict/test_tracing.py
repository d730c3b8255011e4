"""The TorchScript graph of a folded network against the network itself."""
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from torch.testing import assert_close

from mmdet_ext.deployment import deploy
from mmdet_ext.predict.tracing import trace_network

pytestmark = pytest.mark.usefixtures('shallow_blocks')

CONFIGS = ('configs/yolov9/yolov9t_coco.py', 'configs/yolo_rd/yolov9t_rd_coco.py')


@pytest.mark.parametrize('config', CONFIGS)
def test_it_gives_the_same_maps_for_images_of_any_size(config):
    model = deploy(MODELS.build(Config.fromfile(config).model).eval())
    traced = trace_network(model)
    with torch.inference_mode():
        for shape in ((1, 3, 96, 64), (2, 3, 64, 160), (1, 3, 64, 96)):
            images = torch.rand(shape).contiguous(memory_format=torch.channels_last)
            assert_close(traced(images), model._forward(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('change', [dict(cuda_graph=True), dict(compile=dict(backend='eager'))])
def test_other_ways_to_run_a_network_are_left_alone(change):
    cfg = Config.fromfile(CONFIGS[0]).model
    cfg.update(deployed=True, aux_head=None, **change)
    assert trace_network(MODELS.build(cfg).eval()) is None


def test_what_is_not_folded_is_not_traced():
    assert trace_network(MODELS.build(Config.fromfile(CONFIGS[0]).model).eval()) is None
