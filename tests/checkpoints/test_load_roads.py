"""The same files on each road from a file to a model: training, testing, prediction, deployment, dictionaries, figures.

More forms and broken files are in `test_load`.
"""
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from mmdet.apis import DetInferencer, init_detector
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from torch.testing import assert_close

from mmdet_ext.checkpoints import load
from mmdet_ext.deployment import load_for_deployment
from mmdet_ext.dictionary.compressed_files import load_trained
from mmdet_ext.predict import Predictor
from mmdet_ext.predict.loading import load_model

pytestmark = pytest.mark.usefixtures('shallow_blocks')

PGI, RD, SMCA = 'yolov9/yolov9t_shapes', 'yolo_rd/yolov9t_rd_shapes', 'smca/smca_r18_shapes'
STEM = dict.fromkeys((PGI, RD), 'backbone.trunk.downs.0.conv.weight') | {SMCA: 'backbone.conv1.weight'}


def config(name: str) -> Config:
    init_default_scope('mmdet')
    return Config.fromfile(f'configs/{name}.py')


def runner(name: str, path: str, work_dir: Path, *, train: bool, resume: bool = False,
           options: dict | None = None) -> Runner:
    """As far as mmengine's runner loads a file, without data."""
    cfg = config(name)
    cfg.merge_from_dict(options or {})
    hooks = [hook for hook in cfg.default_hooks.values() if 'EMA' in hook['type']]
    run = Runner(cfg.model, str(work_dir), load_from=path, default_scope='mmdet', custom_hooks=hooks,
                 default_hooks=dict(checkpoint=dict(type='WholeCheckpointHook')),
                 experiment_name=f'{work_dir}{len(list(work_dir.iterdir()))}')
    run._resume = resume
    run.call_hook('before_run')
    if train:
        run._init_model_weights()
    run.load_or_resume()
    return run


def trained(name: str, path: str, folder: Path) -> nn.Module:
    return runner(name, path, folder, train=True).model


def evaluated(name: str, path: str, folder: Path) -> nn.Module:
    """The weights that are tested: the averages, if there are any."""
    run = runner(name, path, folder, train=False)
    run.call_hook('before_test_epoch')
    return run.model


def inferencer(name: str, path: str, _) -> nn.Module:
    return DetInferencer(config(name), path, device='cpu', show_progress=False).model


ROADS: dict[str, tuple[Callable, str]] = {
    'train load_from': (trained, PGI),
    'train load_from, SMCA': (trained, SMCA),
    'test': (evaluated, PGI),
    'init_detector': (lambda name, path, _: init_detector(config(name), path, device='cpu'), PGI),
    'DetInferencer': (inferencer, PGI),
    'Predictor': (lambda name, path, _: Predictor(config(name), path, 'cpu', deployed=False).model, PGI),
    'deploy': (lambda name, path, _: load_for_deployment(config(name), path), PGI),
    'dictionary compression': (lambda name, path, _: load_trained(config(name), path), RD),
    'figures of SMCA': (lambda name, path, _: load_model(config(name), path, torch.device('cpu')), SMCA),
}
FORMS = {
    'bare': lambda state: state,
    'data parallel': lambda state: dict(state_dict={f'module.{key}': value for key, value in state.items()}),
}


@pytest.fixture(scope='module')
def states() -> dict[str, OrderedDict]:
    torch.manual_seed(0)
    return {name: MODELS.build(config(name).model).state_dict() for name in (PGI, RD, SMCA)}


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('road', ROADS)
def test_every_road_takes_every_form(states, tmp_path, road, form):
    build, name = ROADS[road]
    torch.save(FORMS[form](states[name]), tmp_path / 'x.pth')
    assert_close(build(name, str(tmp_path / 'x.pth'), tmp_path).state_dict(), states[name], rtol=0, atol=0)


def half(state: dict) -> dict:
    return {name: value for number, (name, value) in enumerate(state.items()) if number % 2}


def reshaped(state: dict) -> dict:
    """Right names, other shapes: all convolutions without groups or of another width."""
    return {name: value.repeat(1, 2, 1, 1) if value.dim() == 4 and '.dictionary.' not in name else value
            for name, value in state.items()}


BROKEN = {
    'cut off': (lambda path, state: (torch.save(state, path), path.write_bytes(path.read_bytes()[:-999])),
                'x.pth is no checkpoint, or only part of one'),
    'other shapes': (lambda path, state: torch.save(reshaped(state), path),
                     r'x.pth does not fit .*tensors differ, {stem} is \(\d+, 6, \d, \d\), should be \(\d+, 3, '),
    'half of it': (lambda path, state: torch.save(half(state), path),
                   'x.pth does not fit .*tensors differ, .* is missing'),
}


@pytest.mark.parametrize('kind', BROKEN)
@pytest.mark.parametrize('road', ROADS)
def test_every_road_names_what_is_wrong(states, tmp_path, road, kind):
    build, name = ROADS[road]
    write, message = BROKEN[kind]
    write(tmp_path / 'x.pth', states[name])
    with pytest.raises(ValueError, match=message.replace('{stem}', STEM[name])):
        build(name, str(tmp_path / 'x.pth'), tmp_path)


def test_weights_for_other_classes_are_fine_tuned_and_not_predicted_with(states, tmp_path, monkeypatch, capsys):
    torch.save(states[PGI], tmp_path / 'x.pth')
    options = {'model.bbox_head.num_classes': 3, 'model.aux_head.head.num_classes': 3}
    lines = []
    monkeypatch.setattr(load, 'print_log', lambda text, *_, **__: lines.append(text))
    run = runner(PGI, str(tmp_path / 'x.pth'), tmp_path, train=True, options=options)
    towers = [f'{head}.class_towers.{level}.2' for head in ('bbox_head', 'aux_head.head') for level in range(3)]
    line, = lines
    assert line == f'{tmp_path / "x.pth"}: these layers have another shape there and start afresh: {", ".join(towers)}'
    assert 'do not match exactly' not in capsys.readouterr().out
    for name, value in run.model.state_dict().items():
        assert value.equal(states[PGI][name]) or any(tower in name for tower in towers), name
    with pytest.raises(ValueError, match='does not fit the config: 12 tensors differ, bbox_head.class_towers.0.2'):
        init_detector(config(PGI), str(tmp_path / 'x.pth'), device='cpu', cfg_options=options)


def test_a_dictionary_is_put_into_a_trained_network(states, tmp_path, monkeypatch):
    torch.save(states[PGI], tmp_path / 'x.pth')
    lines = []
    monkeypatch.setattr(load, 'print_log', lambda text, *_, **__: lines.append(text))
    rd = dict(stage=1, num_atoms=8, gate=0.)
    run = runner(PGI, str(tmp_path / 'x.pth'), tmp_path, train=True, options={'model.backbone.rd': rd})
    assert lines == [f'{tmp_path / "x.pth"}: these are missing there and start afresh: backbone.trunk.rd']
    assert all(value.equal(states[PGI][name]) for name, value in run.model.state_dict().items() if '.rd.' not in name)


@pytest.mark.parametrize('name, options, layer', [
    (PGI, {'model.bbox_head.num_classes': 3, 'model.aux_head.head.num_classes': 3},
     'bbox_head.class_towers.0.2.weight'),
    (SMCA, {'model.bbox_head.num_classes': 3}, 'bbox_head.fc_cls.weight'),
])
def test_a_run_does_not_go_on_with_layers_that_start_afresh(states, tmp_path, name, options, layer):
    torch.save(dict(state_dict=states[name], meta=dict(epoch=1, iter=2)), tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=fr'x.pth is of a run with another model: \d+ tensors differ, {layer}'):
        runner(name, str(tmp_path / 'x.pth'), tmp_path, train=True, resume=True, options=options)


def test_a_run_does_not_go_on_from_weights_alone(states, tmp_path):
    torch.save(states[PGI], tmp_path / 'x.pth')
    with pytest.raises(ValueError, match='x.pth holds weights alone, and a run goes on from a checkpoint of a run'):
        runner(PGI, str(tmp_path / 'x.pth'), tmp_path, train=True, resume=True)
