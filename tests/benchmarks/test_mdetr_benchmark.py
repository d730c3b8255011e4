"""MDETR's benchmarks, on a model that is small enough for a test: both sides of each give the same."""
from pathlib import Path

import pytest
import torch
from benchmarks import mdetr
from mmengine.config import Config
from torch.testing import assert_close

CPU, SHAPE = torch.device('cpu'), (32, 64)


def small(cfg: Config) -> None:
    cfg.num_queries = 5
    cfg.backbone.update(depth=18, base_channels=8)
    cfg.neck.in_channels = [64]
    cfg.text_encoder.config = dict(vocab_size=2000, num_hidden_layers=2, hidden_size=32, num_attention_heads=2,
                                   intermediate_size=64)
    for part in (cfg.encoder, cfg.decoder):
        part.num_layers = 2
        part.layer_cfg.ffn_cfg.feedforward_channels = 64


@pytest.fixture(scope='module')
def config() -> Config:
    config = Config.fromfile(Path(__file__).parents[2] / 'configs/_base_/mdetr_model.py')
    small(config.model)
    return config


@pytest.fixture
def works(monkeypatch):
    """What a benchmark would measure."""
    taken = []

    def take(name, forms, *_) -> list:
        taken.extend(forms.values())
        return []

    monkeypatch.setattr(mdetr, 'measure', take)
    return taken


def test_all_of_them_are_measured(config, monkeypatch):
    monkeypatch.setattr(mdetr, 'CAPTIONS', mdetr.CAPTIONS[:2])
    for benchmark in (lambda: mdetr.prompts(config, CPU, 1, SHAPE, count=3, chunk=2),
                      lambda: mdetr.prompted_detection(config, CPU, 1, SHAPE, names=('cat', 'dog')),
                      lambda: mdetr.text_cache(config, CPU, 1, SHAPE)):
        rows = dict(benchmark())
        assert len(rows) == 2 and all(row.seconds > 0 and row.peak_bytes > 0 for row in rows.values())


def test_the_two_steps_find_what_full_passes_find(config, works):
    list(mdetr.prompts(config, CPU, 1, SHAPE, count=5, chunk=2))
    passes, steps = (work() for work in works)
    for expected, instances in zip(passes, steps, strict=True):
        assert_close(instances.scores, expected.scores, rtol=1e-4, atol=1e-5)
        assert_close(instances.bboxes, expected.bboxes, rtol=1e-4, atol=1e-3)
        assert instances.phrases == expected.phrases


def test_prompted_detection_finds_what_full_passes_find(config, works):
    names = ('cat', 'traffic light', 'dog')
    list(mdetr.prompted_detection(config, CPU, 1, SHAPE, names=names))
    passes, detections = (work() for work in works)
    for label, expected in enumerate(passes):
        instances = detections[detections.labels == label]
        assert_close(instances.scores, expected.scores, rtol=1e-4, atol=1e-5)
        assert_close(instances.bboxes, expected.bboxes, rtol=1e-4, atol=1e-3)


def test_with_known_features_the_text_encoder_does_not_run(config, works, monkeypatch):
    models, build = [], mdetr.build_model
    monkeypatch.setattr(mdetr, 'build_model',
                        lambda *args, **options: models.append(build(*args, **options)) or models[-1])
    list(mdetr.text_cache(config, CPU, 1, SHAPE))
    counts = []
    for work, model in zip(works, models, strict=True):
        calls = []
        model.text_encoder.language_model.register_forward_hook(lambda *_, calls=calls: calls.append(1))
        epochs = []
        for _ in range(2):
            work()
            epochs.append(len(calls))
        counts.append(epochs)
    assert counts == [[4, 8], [4, 4]]
