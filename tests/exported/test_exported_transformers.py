"""Exported files of SMCA-DETR and MDETR find what `Predictor` finds, captions as `texts`."""
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from numpy.testing import assert_allclose

from mmdet_ext.export.graph import GraphOptions
from mmdet_ext.export.run import Job, export
from mmdet_ext.exported import ExportedPredictor
from mmdet_ext.predict import Detections, Predictor

SMCA, MDETR = 'configs/smca/smca_r18_shapes.py', 'configs/mdetr/mdetr_r18_shapes.py'
TEXTS = ['a red circle left of the blue square', 'the small cat sits', 'two dogs']


@pytest.fixture(scope='module')
def images(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp('images')
    generator = np.random.default_rng(0)
    for row, (height, width) in enumerate([(90, 120), (120, 90), (64, 130)]):
        blobs = generator.integers(0, 256, (6, 7, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f'{row}.png'), cv2.resize(blobs, (width, height)))
    return [str(folder / f'{row}.png') for row in range(3)]


@torch.no_grad()
def write_weights(config: str, file: Path, options: dict | None = None) -> str:
    init_default_scope('mmdet')
    cfg = Config.fromfile(config)
    cfg.merge_from_dict(options or {})
    model = MODELS.build(cfg.model)
    model.query_embedding.weight.normal_(std=10)
    torch.nn.init.normal_(model.bbox_head.fc_cls.weight, std=0.3)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('star', 'circle')))), file)
    return str(file)


def assert_same(file: Detections, eager: Detections) -> None:
    assert len(file) == len(eager) > 0
    assert_allclose(file.boxes, eager.boxes, rtol=0, atol=0.01)
    assert_allclose(file.scores, eager.scores, rtol=0, atol=1e-4)
    assert file.names == eager.names and file.labels.tolist() == eager.labels.tolist()


def test_smca_in_batches_of_several_sizes(images, tmp_path):
    pytest.importorskip('onnxruntime')
    weights = write_weights(SMCA, tmp_path / 'smca.pth')
    file = export(Job(SMCA, weights, options=GraphOptions(dynamic_batch=True)))
    eager = Predictor(SMCA, weights, 'cpu')(images, batch_size=3)
    for detections, expected in zip(ExportedPredictor(file)(images, batch_size=3), eager, strict=True):
        assert_same(detections, expected)


@pytest.mark.parametrize('text', [None, TEXTS[0]], ids=['texts come in', 'text encoded once'])
def test_mdetr_names_phrases(images, text_folder, tmp_path, text):
    options = {'model.text_encoder.name': text_folder}
    weights = write_weights(MDETR, tmp_path / 'mdetr.pth', options)
    eager = Predictor(MDETR, weights, 'cpu', cfg_options=options)(images, text or TEXTS, batch_size=3)
    file = export(Job(MDETR, weights, 'torchscript', options=GraphOptions(dynamic_batch=True, text=text),
                      cfg_options=options))
    predictor = ExportedPredictor(file)
    assert file.with_suffix('.tokenizer').is_dir() == (text is None)
    for detections, expected in zip(predictor(images, None if text else TEXTS, batch_size=3), eager, strict=True):
        assert_same(detections, expected)
    with pytest.raises(ValueError, match='texts: this file takes none' if text else 'texts is missing'):
        predictor(images[0], 'a dog' if text else None)


def test_a_tokenizer_that_was_left_behind_is_named(images, text_folder, tmp_path):
    options = {'model.text_encoder.name': text_folder}
    weights = write_weights(MDETR, tmp_path / 'mdetr.pth', options)
    file = export(Job(MDETR, weights, 'torchscript', cfg_options=options))
    alone = file.rename(tmp_path / 'moved.torchscript')
    with pytest.raises(FileNotFoundError, match=r'moved\.tokenizer: copy both'):
        ExportedPredictor(alone)(images[0], TEXTS[0])
