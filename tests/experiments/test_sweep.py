"""The configs of a sweep: they build what they say. Training and comparing: tests/tools/test_compare.py."""
from pathlib import Path

import pytest
from mmdet.registry import MODELS
from mmdet_ext import launch
from mmdet_ext.experiments.sweep import write_variants
from mmengine.config import Config

BASE = str(Path(__file__).resolve().parents[2] / 'configs/yolo_rd/yolov9t_rd_shapes.py')


def dictionaries(key: str, values: list[str], folder: Path) -> list:
    models = [MODELS.build(Config.fromfile(path).model.backbone) for path in write_variants(BASE, key, values, folder)]
    return [model.trunk.rd for model in models]


def test_each_option_of_the_ablations_reaches_the_dictionary(tmp_path):
    few, many = dictionaries('model.backbone.rd.num_atoms', ['16', '64'], tmp_path)
    assert (few['1'].num_atoms, many['1'].num_atoms) == (16, 64) and many['1'].alpha == 0.8
    light, heavy = dictionaries('model.backbone.rd.alpha', ['0.5', '1.0'], tmp_path)
    assert (light['1'].alpha, heavy['1'].alpha) == (0.5, 1.0)
    first, last = dictionaries('model.backbone.rd.stage', ['0', '3'], tmp_path)
    assert [*first] == ['0'] and [*last] == ['3']
    normal, free = dictionaries('model.backbone.rd.normalise', ['True', 'False'], tmp_path)
    assert normal['1'].normalise and not free['1'].normalise
    pair, dense = dictionaries('model.backbone.rd.dense', ['False', 'True'], tmp_path)
    assert not pair['1'].dense and dense['1'].generator.conv.kernel_size == (5, 5)


@pytest.mark.parametrize('key, values, message', [
    ('model.neck.rd.alpha', ['0', '1'], 'has no model.neck.rd, of which alpha would be a key'),
    ('model.backbone.rd.alpha', ['0.5'], 'two different values or more of .*alpha, got 0.5'),
    ('model.backbone.rd.alpha', ['0.5', '0.50'], 'two different values'),
    ('num_atoms', ['32', '64'], 'yolov9t_rd_shapes.py has no num_atoms'),
    ('model.backbone.rd', ['32', '64'], 'model.backbone.rd of .* is a dict: give one of its keys, such as model.back'),
])
def test_what_cannot_be_swept_is_said(key, values, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write_variants(BASE, key, values, tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_variable_of_the_config_can_be_swept(tmp_path):
    sizes = [launch.load_config(path).image_size for path in write_variants(BASE, 'image_size', ['64', '96'], tmp_path)]
    assert sizes == [64, 96]
