"""The logic around CUDA graphs, on the CPU: what is recorded, replayed, dropped and refused."""
import copy
import pickle
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from test_mdetr import CAPTIONS, either_decoder
from test_mdetr import build as build_mdetr
from test_mdetr import sample as captioned
from test_network_options import small
from test_pgi_detector import samples
from test_smca_detr import build as build_smca
from test_smca_detr import sample
from torch import Tensor
from torch.testing import assert_close
from torch.utils._pytree import tree_leaves

from mmdet_ext.models.dense_heads import YOLOv9Head
from mmdet_ext.models.detectors.cuda_graphs import CudaGraphs, Recording


class OwnHead(YOLOv9Head):

    def predict(self, *_: Any) -> list:
        return []


class FakeCapture:
    """Calls the function again in place of a replay, into the same outputs."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, function: Callable[..., Any], inputs: Sequence[Tensor]) -> Recording:
        static = [tensor.clone() for tensor in inputs]
        outputs = function(*static)
        self.captures += 1

        def replay() -> None:
            self.replays += 1
            for old, new in zip(tree_leaves(outputs), tree_leaves(function(*static))):
                if old is not None:
                    old.copy_(new)

        return Recording(static, outputs, replay)


def refuse(*_: Any) -> None:
    raise RuntimeError('operation not permitted when stream is capturing\nsecond line')


def double(x: Tensor) -> dict[str, Tensor]:
    return dict(doubled=x * 2)


def test_a_kind_of_input_is_recorded_once_and_replayed():
    capture = FakeCapture()
    graphs = CudaGraphs(capture=capture)
    for size in (2, 3, 2, 2):
        x = torch.rand(size)
        assert_close(graphs('double', double, x)['doubled'], x * 2)
    graphs('double', double, torch.rand(2, dtype=torch.float64))
    graphs('negate', torch.neg, torch.rand(2))
    assert (capture.captures, capture.replays) == (4, 6)


def test_what_is_no_tensor_is_part_of_the_kind():
    capture = FakeCapture()
    graphs = CudaGraphs(capture=capture)
    for shape in ((2, 3), (3, 2)):
        assert graphs('view', lambda x, parts: x[0].view(*parts['shape']), [torch.ones(6), None],
                      dict(shape=shape)).shape == shape
    assert capture.captures == 2


def test_results_outlive_the_next_replay():
    graphs = CudaGraphs(capture=FakeCapture())
    first = graphs('double', double, torch.tensor([1.]))['doubled']
    graphs('double', double, torch.tensor([5.]))
    assert first.tolist() == [2.]


def test_the_graphs_used_last_are_kept():
    capture = FakeCapture()
    graphs = CudaGraphs(max_graphs=2, capture=capture)
    for size in (1, 2, 1, 3, 1):  # 3 drops 2
        graphs('double', double, torch.rand(size))
    assert capture.captures == 3
    graphs('double', double, torch.rand(2))
    assert capture.captures == 4


def test_inputs_that_keep_changing_run_as_they_are_with_one_warning():
    capture = FakeCapture()
    graphs = CudaGraphs(max_graphs=2, max_captures=3, capture=capture)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('always')
        for size in range(1, 7):
            assert graphs('double', double, torch.ones(size))['doubled'].tolist() == [2.] * size
    assert capture.captures == 3 and capture.replays == 3
    assert [str(warning.message)[:28] for warning in caught] == ['3 CUDA graphs were recorded ']
    graphs.clear()
    graphs('double', double, torch.ones(6))
    assert capture.captures == 4


def test_what_cannot_be_recorded_runs_as_it_is_with_one_warning():
    graphs = CudaGraphs(capture=refuse)
    message = 'double cannot be recorded.*not permitted when stream is capturing$'
    with pytest.warns(UserWarning, match=message) as caught:
        for size in (1, 1, 2):
            assert graphs('double', double, torch.ones(size))['doubled'].tolist() == [2.] * size
    assert len(caught) == 1


def test_a_copy_has_no_graphs():
    graphs = CudaGraphs(max_graphs=3)
    graphs._recordings['key'] = None
    for twin in (copy.deepcopy(graphs), pickle.loads(pickle.dumps(graphs))):
        assert (twin.max_graphs, twin.max_captures, len(twin._recordings)) == (3, 32, 0)


def graphed(model: torch.nn.Module) -> FakeCapture:
    capture = FakeCapture()
    model._graphs = CudaGraphs(capture=capture)
    return capture


@torch.no_grad()
def test_a_deployed_detector_replays_its_network():
    cfg = dict(deployed=True, test_cfg=dict(score_thr=0., max_per_img=20))
    model, plain = (small(cuda_graph=on, **cfg).eval() for on in (True, False))
    capture = graphed(model)
    for seed in range(3):
        images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
        replayed, expected = (detector.predict(images, samples(0))[0].pred_instances for detector in (model, plain))
        assert len(replayed) == 20 and replayed.bboxes.equal(expected.bboxes) and replayed.scores.equal(expected.scores)
    assert (capture.captures, capture.replays) == (1, 3)
    model.half()  # whose weights no graph knows
    assert not model._graphs._recordings


@torch.no_grad()
def test_smca_replays_maps_and_transformer():
    model = build_smca('ms_r50_50e', cuda_graph=True).eval()
    capture = graphed(model)
    for _ in range(2):
        images, batch = torch.randn(2, 3, 128, 160), [sample((128, 160)), sample((64, 96), (128, 160))]
        replayed = model(images, batch)
        model.cuda_graph = False
        for output, expected in zip(replayed, model(images, batch)):
            assert_close(output, expected)
        model.cuda_graph = True
    assert (capture.captures, capture.replays) == (2, 4)


@either_decoder
@torch.no_grad()
def test_mdetr_replays_maps_encoder_and_decoder(text_folder, decoder):
    model = build_mdetr(text_folder, decoder=decoder, cuda_graph=True).eval()
    capture = graphed(model)
    for _ in range(2):
        images, batch = torch.randn(2, 3, 96, 128), [captioned(CAPTIONS[0]), captioned(CAPTIONS[0], shape=(64, 96))]
        outputs = model(images, batch)
        model.cuda_graph = False
        assert_close(outputs.boxes, model(images, batch).boxes)
        model.cuda_graph = True
    assert (capture.captures, capture.replays) == (3, 6)


def test_nothing_is_replayed_in_training_or_with_gradients():
    model = build_smca('r50_50e', cuda_graph=True).train()
    capture = graphed(model)
    images, batch = torch.randn(1, 3, 96, 128), [sample((96, 128))]
    model.loss(images, batch)
    model.eval()(images, batch)[0].sum().backward()
    assert capture.captures == 0


def test_a_cpu_is_named_when_images_come_not_before():
    for model in (small(deployed=True, cuda_graph=True).eval(), build_smca('r50_50e', cuda_graph=True).eval()):
        with torch.no_grad(), pytest.raises(ValueError, match='cuda_graph=True needs .* CUDA device, got cpu'):
            model.predict(torch.rand(1, 3, 96, 128), [sample((96, 128))])
    model = small(cuda_graph=True).train()
    assert model.compile_options == dict(dynamic=False, mode='reduce-overhead')
    with pytest.raises(ValueError, match='cuda_graph=True needs .* CUDA device, got cpu'):
        model.loss(torch.rand(1, 3, 64, 64), samples(1))


def test_gradients_of_graphed_training_are_copied_out_of_the_graphs():
    graphed, plain = small(cuda_graph=True), small()
    assert all(parameter._backward_hooks for parameter in graphed.parameters())
    assert not any(parameter._backward_hooks for parameter in plain.parameters())


def test_options_that_contradict_cuda_graphs_are_named():
    with pytest.raises(ValueError, match="reduce-overhead.* got compile={'mode': 'default'}"):
        small(cuda_graph=True, compile=dict(mode='default'))
    with pytest.raises(ValueError, match="bbox_head.type='OwnHead'"):
        small(deployed=True, cuda_graph=True, bbox_head=dict(type=OwnHead, num_classes=3, in_channels=(32, 64),
                                                                    strides=(4, 8)))
