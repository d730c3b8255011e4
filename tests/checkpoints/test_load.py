"""Reading files of every form, and what may be missing or of another shape when they are loaded."""
import logging
import pickle
from collections import OrderedDict

import pytest
import torch
import torch.nn as nn
from mmengine.logging import HistoryBuffer
from mmengine.model import BaseModule, ExponentialMovingAverage
from mmengine.runner import CheckpointLoader, load_checkpoint
from torch.testing import assert_close

import mmdet_ext.compat.apply  # noqa: F401  what the configs import, and mmengine reads files by
from mmdet_ext.checkpoints.file_policy import follow_policy
from mmdet_ext.checkpoints.load import load_weights, misfits, read_weights
from mmdet_ext.compat import allow_mmengine_checkpoints
from mmdet_ext.models.detectors.file_weights import FileWeights


class Tiny(FileWeights, BaseModule):
    """A detector in names and shapes."""

    def __init__(self, width: int = 4, classes: int = 3, aux: bool = False, rd: bool = False) -> None:
        super().__init__()
        layers = [nn.Conv2d(3, width, 1) for _ in range(12)] + ([nn.Conv2d(width, width, 1, bias=False)] if rd else [])
        self.backbone = nn.Sequential(*layers)
        self.neck = nn.BatchNorm2d(width)
        self.bbox_head = nn.ModuleDict(dict(boxes=nn.Linear(width, 4), classes=nn.Linear(width, classes)))
        if aux:
            self.aux_head = nn.Linear(width, 2)


@pytest.fixture
def log(monkeypatch) -> list[str]:
    """What is written to the log."""
    lines = []
    monkeypatch.setattr('mmdet_ext.checkpoints.load.print_log', lambda text, *_, **__: lines.append(text))
    return lines


def initialised(**arguments) -> Tiny:
    model = Tiny(**arguments)
    model.init_weights()
    return model


META = dict(dataset_meta=dict(CLASSES=('cat', 'dog', 'owl')))
FORMS = {
    'mmengine': lambda state, averaged: dict(state_dict=state, ema_state_dict=averaged, meta=META, optimizer={},
                                             message_hub=dict(log_scalars=dict(loss=HistoryBuffer([1.], [1])))),
    'bare': lambda state, averaged: state,
    'plain dict': lambda state, averaged: dict(state),
    'data parallel': lambda state, averaged: dict(state_dict={f'module.{key}': value for key, value in state.items()}),
    'averaged model': lambda state, averaged: averaged,
    'averages alone': lambda state, averaged: dict(ema_state_dict=averaged, epoch=3),
    'entry model': lambda state, averaged: dict(model=state, optimizer={}, epoch=3),
    'entries ema and model': lambda state, averaged: dict(model={'backbone.0.weight': torch.ones(1)}, ema=state),
    'entry that is None': lambda state, averaged: dict(model=state, ema=None),
}


@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'before torch 1.6'])
@pytest.mark.parametrize('form', FORMS)
def test_every_form_of_a_file_is_read(tmp_path, form, zipped):
    source = Tiny(aux=True)
    averaged = ExponentialMovingAverage(source).state_dict()
    assert 'steps' in averaged
    torch.save(FORMS[form](source.state_dict(), averaged), tmp_path / 'x.pth', _use_new_zipfile_serialization=zipped)
    weights = read_weights(tmp_path / 'x.pth')
    assert_close(dict(weights.state_dict), dict(source.state_dict()), rtol=0, atol=0)
    assert weights.dataset_meta == (dict(classes=('cat', 'dog', 'owl')) if form == 'mmengine' else {})

    for load in (load_weights, lambda model, path: load_checkpoint(model, str(path))):
        model = Tiny(aux=True)
        load(model, tmp_path / 'x.pth')
        assert_close(model.state_dict(), source.state_dict(), rtol=0, atol=0)


class Foreign:
    """A class that no checkpoint of ours holds."""


def cut(path) -> None:
    torch.save(Tiny().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-200])


def flip(path) -> None:
    state = Tiny().state_dict()
    torch.save(dict(state_dict=state), path)
    content = bytearray(path.read_bytes())
    content[content.find(state['backbone.0.weight'].numpy().tobytes())] ^= 1
    path.write_bytes(content)


def old_and_cut(path) -> None:
    torch.save(Tiny().state_dict(), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-200])


BROKEN = {
    'empty': (lambda path: path.write_bytes(b''), 'is empty'),
    'text': (lambda path: path.write_text('<html>not found</html>'), 'is no checkpoint, or only part of one'),
    'cut off': (cut, 'is no checkpoint, or only part of one'),
    'cut off, of before torch 1.6': (old_and_cut, 'is no checkpoint, or a damaged one'),
    'a flipped bit': (flip, 'is damaged'),
    'a pickle': (lambda path: path.write_bytes(pickle.dumps([1, 2])),
                 r'is no checkpoint, or a damaged one \(UnpicklingError\)'),
    'an object': (lambda path: torch.save(Foreign(), path), 'holds objects of another program .*Foreign'),
    'an object, of before torch 1.6': (
        lambda path: torch.save(dict(model=Foreign()), path, _use_new_zipfile_serialization=False),
        'holds objects of another program .*Foreign'),
    'a list': (lambda path: torch.save([torch.ones(1)], path), 'is no checkpoint of a model, but holds a list'),
    'a tensor': (lambda path: torch.save(torch.ones(1), path), 'is no checkpoint of a model, but holds a Tensor'),
    'an empty dict': (lambda path: torch.save({}, path), 'is no checkpoint of a model: .* but it is empty'),
    'an empty state dict': (lambda path: torch.save(dict(state_dict={}), path), '.*but it is empty'),
    'numbers': (lambda path: torch.save(dict(epoch=3), path), ".*but 'epoch' is the name of a int"),
    'a list among tensors': (lambda path: torch.save(dict(state_dict={'a.b': [1.]}), path),
                             ".*but 'a.b' is the name of a list"),
    'a number for a name': (lambda path: torch.save({1: torch.ones(1)}, path), '.*but 1 is the name of a Tensor'),
    'another model': (lambda path: torch.save({'model.0.conv.weight': torch.ones(1)}, path),
                      "is of another model: .* the first is 'model.0.conv.weight'; tools/convert_checkpoint.py"),
    'not a number': (lambda path: torch.save(Tiny().state_dict() | {'neck.bias': torch.full((4, ), torch.nan)}, path),
                     r'1 tensors have values that are not a number \(NaN\), such as neck.bias'),
}


@pytest.mark.parametrize('road', ['ours', "mmengine's"])
@pytest.mark.parametrize('kind', BROKEN)
def test_what_is_no_checkpoint_is_named(tmp_path, kind, road):
    write, message = BROKEN[kind]
    write(tmp_path / 'x.pth')
    allow_mmengine_checkpoints()
    load = load_weights if road == 'ours' else lambda model, path: load_checkpoint(model, str(path))
    with pytest.raises(ValueError, match=f'x.pth:? {message}'):
        load(Tiny(), tmp_path / 'x.pth')


def test_a_file_that_is_missing_is_named():
    with pytest.raises(FileNotFoundError, match='there is no checkpoint gone.pth'):
        read_weights('gone.pth')
    allow_mmengine_checkpoints()
    with pytest.raises(FileNotFoundError, match='there is no checkpoint gone.pth'):
        load_checkpoint(Tiny(), 'gone.pth')


def without(state: dict, *parts: str) -> OrderedDict:
    return OrderedDict((name, value) for name, value in state.items() if not any(part in name for part in parts))


# what a file has, and the message for a model that predicts; '' if it fits
FITS = {
    'the same': (lambda: Tiny(), ''),
    'without counters': (lambda: without(Tiny().state_dict(), 'num_batches_tracked'), ''),
    'with an auxiliary head': (lambda: Tiny(aux=True), ''),
    'with another part': (lambda: Tiny().state_dict() | {'mask_head.weight': torch.ones(1)}, ''),
    'a scalar as a vector': (lambda: Tiny().state_dict() | {'neck.num_batches_tracked': torch.ones(1).long()}, ''),
    'other classes': (lambda: Tiny(classes=5), r'2 tensors differ, bbox_head.classes.weight is \(5, 4\), should be '
                                               r'\(3, 4\); bbox_head.classes.bias is \(5,\), should be \(3,\)'),
    'another width': (lambda: Tiny(width=6),
                      r'30 tensors differ, backbone.0.weight is \(6, 3, 1, 1\), should be \(4, 3, 1, 1\)'),
    'a layer less': (lambda: without(Tiny().state_dict(), 'bbox_head.boxes'),
                     '2 tensors differ, bbox_head.boxes.weight is missing; bbox_head.boxes.bias is missing'),
    'no head': (lambda: without(Tiny().state_dict(), 'bbox_head'),
                '4 tensors differ, bbox_head.boxes.weight is missing'),
    'half of it': (lambda: without(Tiny().state_dict(), *(f'.{i}.' for i in range(6))),
                   '12 tensors differ, backbone.0.weight is missing'),
    'a layer more': (lambda: Tiny(rd=True), '1 tensor differs, backbone.12.weight is unknown'),
}


@pytest.mark.parametrize('road', ['ours', "mmengine's"])
@pytest.mark.parametrize('kind', FITS)
def test_prediction_needs_all_that_predicts(tmp_path, kind, road):
    make, message = FITS[kind]
    state = make()
    torch.save(state if isinstance(state, dict) else state.state_dict(), tmp_path / 'x.pth')
    allow_mmengine_checkpoints()
    load = load_weights if road == 'ours' else lambda model, path: load_checkpoint(model, str(path))
    if message:
        with pytest.raises(ValueError, match=f'x.pth does not fit the config: {message}'):
            load(Tiny(), tmp_path / 'x.pth')
    else:
        model = Tiny()
        load(model, tmp_path / 'x.pth')
        saved = torch.load(tmp_path / 'x.pth')
        assert all(value.equal(saved[name].view(value.shape)) for name, value in model.state_dict().items()
                   if name in saved)


def test_an_auxiliary_head_may_be_missing_in_the_file_but_not_of_another_shape(tmp_path):
    load_weights(Tiny(aux=True), read_of(tmp_path, Tiny().state_dict()))
    state = Tiny(aux=True).state_dict() | {'aux_head.weight': torch.ones(7, 4)}
    with pytest.raises(ValueError, match=r'x.pth does not fit my.py: 1 tensor differs, aux_head.weight is \(7, 4\)'):
        load_weights(Tiny(aux=True), read_of(tmp_path, state), config='my.py')


def read_of(folder, state: dict):
    torch.save(state, folder / 'x.pth')
    return read_weights(folder / 'x.pth')


def test_misfits_are_one_line_each():
    state = without(Tiny(classes=5).state_dict(), 'neck.bias') | {'neck.extra': torch.ones(1)}
    assert misfits(Tiny(), state) == [
        'bbox_head.classes.weight is (5, 4), should be (3, 4)', 'bbox_head.classes.bias is (5,), should be (3,)',
        'neck.bias is missing', 'neck.extra is unknown']


# what a file has, a model that is fine-tuned, and what the log says after the file's name
FRESH = {
    'the same': (lambda: Tiny(), dict(), None),
    'other classes': (lambda: Tiny(classes=5), dict(),
                      'these layers have another shape there and start afresh: bbox_head.classes'),
    'a new part': (lambda: Tiny(), dict(aux=True), 'these are missing there and start afresh: aux_head'),
    'a new layer in the backbone': (lambda: Tiny(), dict(rd=True),
                                    'these are missing there and start afresh: backbone.12'),
    'a backbone alone': (lambda: without(Tiny().state_dict(), 'neck', 'bbox_head'), dict(),
                         'these are missing there and start afresh: neck, bbox_head'),
    'more than is used': (lambda: Tiny(aux=True), dict(), 'these of the file are not used: aux_head'),
    'all at once': (lambda: without(Tiny(classes=5, aux=True).state_dict(), 'boxes.bias'), dict(),
                    'these layers have another shape there and start afresh: bbox_head.classes; these are missing '
                    'there and start afresh: bbox_head.boxes.bias; these of the file are not used: aux_head'),
}


@pytest.mark.parametrize('road', ['ours', "mmengine's", 'another package'])
@pytest.mark.parametrize('kind', FRESH)
def test_fine_tuning_says_in_one_line_which_layers_start_afresh(tmp_path, log, capsys, kind, road):
    make, arguments, line = FRESH[kind]
    state = make()
    state = state if isinstance(state, dict) else state.state_dict()
    torch.save(state, tmp_path / 'x.pth')
    allow_mmengine_checkpoints()
    model = initialised(**arguments)
    if road == 'another package':
        model.__class__ = type('Other', (BaseModule, ), {})
        follow_policy(model)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    if road == 'ours':
        load_weights(model, tmp_path / 'x.pth', fine_tuning=True)
    else:
        load_checkpoint(model, str(tmp_path / 'x.pth'))
    assert log == ([] if line is None else [f'{tmp_path / "x.pth"}: {line}'])
    assert 'do not match exactly' not in capsys.readouterr().out  # mmengine's own list
    for name, value in model.state_dict().items():
        fits = name in state and state[name].shape == value.shape
        assert value.equal(state[name] if fits else initial[name]), name


@pytest.mark.parametrize('make, message', [
    (lambda: Tiny(width=6), r'28 tensors differ, backbone.0.weight is \(6, 3, 1, 1\), should be \(4, 3, 1, 1\)'),
    (lambda: without(Tiny().state_dict(), *(f'.{i}.' for i in range(6))),
     '12 tensors differ, backbone.0.weight is missing'),
    (lambda: without(Tiny().state_dict(), 'backbone', 'neck'), '28 tensors differ, backbone.0.weight is missing'),
    (lambda: without(Tiny().state_dict(), '.0.', '.2.'), '4 tensors differ, backbone.0.weight is missing'),
    (lambda: dict(Tiny().state_dict(), **{'neck.weight': torch.ones(5)}), r'1 tensor differs, neck.weight is \(5,\)'),
], ids=['another width', 'half of it', 'a head alone', 'two layers less', 'one shape'])
def test_a_network_that_does_not_fit_is_not_fine_tuned(tmp_path, make, message):
    state = make()
    torch.save(state if isinstance(state, dict) else state.state_dict(), tmp_path / 'x.pth')
    allow_mmengine_checkpoints()
    with pytest.raises(ValueError, match=f'x.pth does not fit the config: {message}'):
        load_weights(initialised(), tmp_path / 'x.pth', fine_tuning=True)
    with pytest.raises(ValueError, match=f'x.pth does not fit the config: {message}'):
        load_checkpoint(initialised(), str(tmp_path / 'x.pth'))


def test_a_file_can_be_read_on_and_saved_again(tmp_path):
    allow_mmengine_checkpoints()
    torch.save(dict(state_dict=Tiny().state_dict(), meta=META, optimizer=dict(step=3)), tmp_path / 'x.pth')
    content = CheckpointLoader.load_checkpoint(str(tmp_path / 'x.pth'))
    assert content['optimizer'] == dict(step=3) and content['meta'] == META
    torch.save(content, tmp_path / 'again.pth')
    assert torch.load(tmp_path / 'again.pth')['state_dict'].keys() == Tiny().state_dict().keys()
    load_weights(Tiny(), tmp_path / 'again.pth')


def test_the_log_is_the_current_logger_of_mmengine(tmp_path, caplog):
    from mmengine.logging import MMLogger

    model, logger = initialised(), MMLogger.get_instance('load')
    logger.addHandler(caplog.handler)
    load_weights(model, read_of(tmp_path, Tiny(classes=5).state_dict()), fine_tuning=True)
    logger.removeHandler(caplog.handler)
    record = caplog.records[0]
    assert record.levelno == logging.WARNING and record.getMessage().endswith('start afresh: bbox_head.classes')
