"""tools/export.py: the file that it writes, and what it refuses."""
import sys
from dataclasses import replace

import pytest

from export.files import eager, folder, shapes_config, weights
from mmdet_ext.exported import ExportedPredictor
from predict.images import smooth

pytestmark = pytest.mark.usefixtures('shallow_blocks')

TOOL = 'tools/export.py'
CONFIG = 'configs/yolov9/yolov9t_shapes.py'


@pytest.fixture(scope='module')
def config() -> str:
    shapes_config().dump(folder() / 'config.py')
    return str(folder() / 'config.py')


def test_the_file_is_checked_timed_and_evaluated_before_it_is_written(in_process, config, tmp_path):
    out = tmp_path / 'model.onnx'
    message, printed = in_process(TOOL, config, weights(), '--out', out, '--image-size', 96, '--score-thr', 0.2,
                                  '--max-per-img', 50, '--evaluate')
    assert message == ''
    for text in ('ONNX graph: ', 'check on ', 'largest difference', 'of eager, and ', 'coco/bbox_mAP ', f'wrote {out}'):
        assert text in printed
    assert list(tmp_path.iterdir()) == [out]
    image = smooth(90, 90)
    assert len(ExportedPredictor(out)(image)) == len(eager()(image)) > 0


def test_a_file_that_disagrees_is_not_written(in_process, config, tmp_path, monkeypatch):
    predict = ExportedPredictor.__call__

    def predict_elsewhere(*args, **kwargs):
        detections = predict(*args, **kwargs)
        return replace(detections, boxes=detections.boxes + 0.1)

    monkeypatch.setattr(ExportedPredictor, '__call__', predict_elsewhere)
    message, _ = in_process(TOOL, config, weights(), '--format', 'torchscript', '--image-size', 96, '--score-thr', 0.2,
                            '--out', tmp_path / 'model.torchscript')
    assert 'does not agree with the detector' in message and 'nothing was written' in message
    assert list(tmp_path.iterdir()) == []


def test_without_tensorrt_the_onnx_file_and_the_command_are_given(in_process, config, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'tensorrt', None)
    message, _ = in_process(TOOL, config, weights(), '--format', 'engine', '--out', tmp_path / 'model.engine', '--half',
                            '--image-size', 96, '--score-thr', 0.2, '--dynamic-batch')
    shapes = '--minShapes=images:1x3x96x96 --optShapes=images:1x3x96x96 --maxShapes=images:16x3x96x96'
    command = f'trtexec --onnx={tmp_path}/model.onnx --saveEngine={tmp_path}/model.engine --fp16 '
    assert command + shapes in message
    assert sorted(path.name for path in tmp_path.iterdir()) == ['model.json', 'model.onnx']


@pytest.mark.parametrize(('arguments', 'message'), [
    (('--half', '--format', 'torchscript'), '--half: a TorchScript file is written in fp32'),
    (('--int8', '--format', 'engine'), '--int8: engine is not written in 8 bits'),
    (('--batch-size', 0), '--batch-size should be at least 1, got 0'),
    (('--out', 'model.pth'), '--out of the format onnx should end in .onnx, got model.pth'),
    (('--image-size', 100), 'image_size should be multiples of 32, got 100 x 100'),
    (('--score-thr', 2), 'score_thr should be between 0 and 1, got 2'),
])
def test_wrong_arguments_are_named(in_process, arguments, message):
    assert message in in_process(TOOL, CONFIG, weights(), *arguments)[0]


def test_other_detectors_are_refused_with_those_that_can_be_exported(in_process, tmp_path):
    import torch
    from mmdet.registry import MODELS
    from mmengine.config import Config

    config = 'configs/mix/rd_rtmdet_tiny_8xb32-300e_coco.py'
    cfg = Config.fromfile(config)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'rtmdet.pth')
    message, _ = in_process(TOOL, config, tmp_path / 'rtmdet.pth')
    assert 'RTMDet with RTMDetSepBNHead cannot be exported. Those that can: PGIDetector with YOLOv9Head' in message
