"""What detectors cost side by side: the texts of a TextYOLOv9 and auxiliary branches are not counted."""
import pytest
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.deployment import with_classes
from mmdet_ext.experiments.costs import costs

pytestmark = pytest.mark.usefixtures('shallow_blocks')


def test_a_detector_asked_for_words_costs_what_yolov9_does(text_folder):
    cfg = Config.fromfile('configs/text_yolov9/text_yolov9t_shapes.py')
    cfg.model.text_encoder.name = text_folder
    cfg.model.classes = names = ('red circle', 'star', 'cross', 'dog', 'cat', 'cow')
    asked = MODELS.build(cfg.model).eval()
    yolov9 = MODELS.build(Config.fromfile('configs/yolov9/yolov9t_shapes.py').model).eval()
    _, plain = with_classes(cfg, asked, names)
    measured = costs(dict(yolov9=yolov9, asked=asked, plain=plain.eval()), 64, repeats=1)
    assert measured['plain'][:2] == measured['yolov9'][:2]
    parameters, gflops, milliseconds = measured['asked'].over(measured['yolov9'])
    assert 1 < parameters < 1.02 and 1 < gflops < 1.02 and milliseconds > 0
    assert sum(value.numel() for value in yolov9.parameters()) > measured['yolov9'].parameters == sum(
        value.numel() for name, value in yolov9.named_parameters() if 'aux_head' not in name)


def test_a_detector_that_knows_no_classes_needs_them(text_folder):
    cfg = Config.fromfile('configs/text_yolov9/text_yolov9t_shapes.py')
    cfg.model.text_encoder.name = text_folder
    with pytest.raises(ValueError, match='--classes should say what to look for: the checkpoint names no classes'):
        with_classes(cfg, MODELS.build(cfg.model), None)
