"""`ExportedPredictor` on files of each format: what the detector itself predicts."""
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from torch.testing import assert_close

from export.files import OPTIONS, GraphSession, eager, file, onnx_model, shapes_config
from predict.images import CLASSES, smooth, write_images
from mmdet_ext.export.describe import describe
from mmdet_ext.export.yolov9 import YOLOv9Graph
from mmdet_ext.exported import ExportedPredictor, is_exported, open_predictor
from mmdet_ext.exported.evaluation import evaluate_exported, with_pipeline_of
from mmdet_ext.exported.metadata import KEY, Metadata
from mmdet_ext.exported.sessions import open_session

pytestmark = pytest.mark.usefixtures('shallow_blocks')

SUFFIXES = ('onnx', 'xml', 'torchscript')


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> list[str]:
    return write_images(tmp_path_factory.mktemp('images'))


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_it_predicts_what_the_detector_predicts(suffix, images):
    predictor = open_predictor(file(suffix))
    assert isinstance(predictor, ExportedPredictor)
    expected = eager()(images)
    for batch_size in (1, 2):
        results = predictor(images, batch_size=batch_size)
        for result, eager_result in zip(results, expected, strict=True):
            assert result.path == eager_result.path and result.shape == eager_result.shape
            assert len(result) == len(eager_result) and result.names == eager_result.names
            assert_close(result.boxes, eager_result.boxes, rtol=0, atol=0.01)
            assert_close(result.scores, eager_result.scores, rtol=0, atol=1e-4)
    assert sum(map(len, expected)) > 20


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_the_file_says_what_it_is(suffix):
    metadata = open_session(file(suffix)).metadata
    assert metadata.system == 'yolov9' and metadata.classes == CLASSES and metadata.image_size is None
    assert [step['type'] for step in metadata.pipeline] == ['LoadImageFromFile', 'YOLOResize', 'RectLetterbox',
                                                            'PackDetInputs']
    assert metadata.std == (255.0, ) * 3 and metadata.bgr_to_rgb and metadata.stride == 32
    assert metadata.outputs == ('num_dets', 'boxes', 'scores', 'labels') and metadata.nms
    assert metadata.file == file(suffix)


def test_other_programs_find_names_and_stride():
    properties = {entry.key: entry.value for entry in onnx.load(file('onnx')).metadata_props}
    assert properties['stride'] == '32' and eval(properties['names'])[3] == CLASSES[3]


def test_the_threshold_of_scores_is_that_of_above():
    image = smooth(90, 120)
    predictor = open_predictor(file('onnx'), cfg_options={'model.test_cfg.score_thr': 0.4})
    assert predictor(image).scores.tolist() == open_predictor(file('onnx'))(image).above(0.4).scores.tolist()


def test_its_metrics_are_the_detectors():
    predictor = ExportedPredictor(file('onnx'))
    cfg = with_pipeline_of(shapes_config(), predictor)
    exported = evaluate_exported(cfg, predictor, progress=False)
    assert exported == pytest.approx(evaluate_exported(eager().cfg, eager(), progress=False), abs=1e-3, nan_ok=True)
    assert 'coco/bbox_mAP' in exported


@pytest.mark.parametrize('form', [dict(nms=False), dict(decode=False)])
def test_what_a_file_leaves_out_is_done_after_it(form):
    options = replace(OPTIONS, **form)
    graph = YOLOv9Graph.from_model(eager().model, eager().cfg, options)
    metadata = describe(graph, eager().model, eager().cfg, options, OPTIONS.image_size)
    assert not metadata.nms
    image = smooth(90, 120)
    result, expected = ExportedPredictor(GraphSession(graph, metadata))(image), eager()(image)
    assert len(expected) and result.labels.tolist() == expected.labels.tolist()
    assert_close(result.boxes, expected.boxes, rtol=0, atol=0.01)


def test_a_file_of_a_fixed_batch_gets_full_batches_and_fixed_sizes_are_filled_below_and_right():
    graph, metadata, _ = onnx_model()
    shapes = []

    class Recording(GraphSession):
        def run(self, inputs):
            shapes.append(inputs['images'].shape)
            return super().run(inputs)

    image = smooth(96, 96)
    expected = eager()(image)
    predictor = ExportedPredictor(Recording(graph, replace(metadata, batch_size=2)))
    for result in predictor([image] * 3, batch_size=3):
        assert_close(result.boxes, expected.boxes, rtol=0, atol=0.01)
    assert shapes == [(2, 3, 96, 96)] * 2 and len(expected)
    predictor = ExportedPredictor(GraphSession(graph, replace(metadata, image_size=(128, 160), pad_value=0.5)))
    images, samples = predictor.collate([predictor.prepare(image)])
    assert images.shape == (1, 3, 128, 160) and samples[0].batch_input_shape == (128, 160)
    assert (images[..., 96:, :] == 0.5).all() and (images[..., 96:] == 0.5).all()
    assert images[..., :96, :96].equal(eager().collate([eager().prepare(image)])[0])


def test_metadata_come_back_from_json():
    metadata = onnx_model()[1]
    again = Metadata.from_json(metadata.to_json())
    assert Metadata.from_json(again.to_json()) == again
    with pytest.raises(ValueError, match="x.onnx: the value of the key 'mmdet_ext' is no json"):
        Metadata.from_json('{', Path('x.onnx'))
    with pytest.raises(ValueError, match='system should be one of yolov9, smca, mdetr'):
        Metadata.from_json(metadata.to_json().replace('"yolov9"', '"yolov7"'), Path('x.onnx'))


def test_a_config_opens_as_a_predictor(monkeypatch):
    monkeypatch.setattr('mmdet_ext.exported.Predictor', lambda *args, **kwargs: (args, kwargs))
    options = {'model.test_cfg.max_per_img': 2}
    assert open_predictor('a.py', 'a.pth', 'cpu', options) == (('a.py', 'a.pth', 'cpu'), dict(cfg_options=options))


def test_wrong_files_are_named(tmp_path):
    plain = onnx.load(file('onnx'))
    del plain.metadata_props[:]
    onnx.save(plain, tmp_path / 'plain.onnx')
    (tmp_path / 'text.onnx').write_text('nothing')
    (tmp_path / 'text.torchscript').write_text('nothing')
    (tmp_path / 'text.xml').write_text('nothing')
    for name, message in (('missing.onnx', 'there is no exported file'), ('text.onnx', 'ONNX Runtime cannot load it'),
                          ('text.torchscript', 'torch cannot load it'), ('text.xml', 'OpenVINO cannot load it'),
                          ('plain.onnx', f"has no metadata '{KEY}'")):
        with pytest.raises((ValueError, OSError), match=message):
            ExportedPredictor(tmp_path / name)


def test_arguments_that_do_not_fit_are_refused():
    predictor = ExportedPredictor(file('onnx'))
    with pytest.raises(ValueError, match='this file takes none'):
        predictor(smooth(40, 40), 'a dog')
    with pytest.raises(ValueError, match='takes no checkpoint weights.pth'):
        open_predictor(file('onnx'), 'weights.pth')
    with pytest.raises(ValueError, match='alone, got model.backbone'):
        open_predictor(file('onnx'), cfg_options={'model.backbone': 1})
    assert is_exported('a.engine') and not is_exported('a.pth') and not is_exported('configs')
