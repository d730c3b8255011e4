import sys
from pathlib import Path

import pytest
import torch
import torch.nn as nn

from benchmarks import prediction
from benchmarks.ultralytics_worker import SCORE_THR, make_sure

STAND_IN = '''
class YOLO:
    def __init__(self, name):
        import torch.nn as nn
        assert name == 'yolov9t.yaml'
        self.model = nn.Sequential(nn.Conv2d(3, 80, 1))

    def predict(self, path, **options):
        import types, torch
        open(LOG, 'a').write(f"{path} {options['conf']}\\n")
        return [types.SimpleNamespace(boxes=types.SimpleNamespace(xyxy=torch.zeros(2, 4)))]
'''


def test_a_random_network_is_made_sure_of_as_many_as_wanted():
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 80, 1)
    image = torch.rand(1, 3, 16, 16)
    make_sure([conv], conv, image, wanted=60)
    assert (conv(image).sigmoid() > SCORE_THR - 1e-4).sum() == 60


def test_all_ways_are_measured_and_ultralytics_is_asked_first(tmp_path, monkeypatch):
    """A stand-in of ultralytics' interface, since the package is not installed here."""
    log = tmp_path / 'asked'
    (tmp_path / 'ultralytics.py').write_text(STAND_IN.replace('LOG', repr(str(log))))
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    rows = dict(prediction.prediction(Path('configs/yolov9/yolov9t_shapes.py'), torch.device('cpu'), 1, shape=(60, 80),
                                      ultralytics_python=sys.executable))
    assert [label.split(': ')[1] for label in rows] == [
        'ultralytics, YOLOv9-T', 'DetInferencer', 'inference_detector', 'Predictor', 'network of Predictor alone']
    assert all(measured.seconds > 0 for measured in rows.values())
    asked = log.read_text().splitlines()
    assert len(asked) == 4 and all(line.endswith('0.jpg 0.25') for line in asked)  # two to warm up, one, its memory


def test_an_interpreter_without_ultralytics_is_named(tmp_path, monkeypatch):
    (tmp_path / 'ultralytics.py').write_text('raise ImportError')
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    with pytest.raises(ChildProcessError, match=f'the ultralytics of {sys.executable} ended'):
        list(prediction.prediction(Path('configs/yolov9/yolov9t_shapes.py'), torch.device('cpu'), 1, shape=(60, 80),
                                   ultralytics_python=sys.executable))
