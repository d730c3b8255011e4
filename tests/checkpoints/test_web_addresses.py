"""Checkpoints behind an address are read and loaded as files are: from a server of this machine."""
import pickle
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
import torch.nn as nn
from mmengine.runner import load_checkpoint
from torch.testing import assert_close

import mmdet_ext.compat.apply  # noqa: F401  what the configs import, and mmengine reads files by
from mmdet_ext.checkpoints.file_policy import follow_policy
from mmdet_ext.checkpoints.load import load_weights, read_weights


class _Quiet(SimpleHTTPRequestHandler):

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope='module')
def served(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """A folder, and the address of its files."""
    folder = tmp_path_factory.mktemp('served')
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(_Quiet, directory=str(folder)))
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield folder, f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def empty_download_folder(tmp_path, monkeypatch):
    """torch keeps what it downloads, and mmengine reads it there again."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))


def detector() -> nn.Module:
    model = nn.ModuleDict(dict(backbone=nn.Linear(2, 3), bbox_head=nn.Linear(3, 1)))
    follow_policy(model)
    return model


def by_mmengine(model: nn.Module, url: str) -> None:
    load_checkpoint(model, url, map_location='cpu')


ROADS = dict(ours=load_weights, mmengine=by_mmengine)
FORMS = {
    'bare': lambda state: state,
    'mmengine': lambda state: dict(state_dict=state, meta=dict(dataset_meta=dict(CLASSES=('cat', )))),
    'data parallel': lambda state: dict(state_dict={f'module.{name}': value for name, value in state.items()}),
}


@pytest.mark.parametrize('form', FORMS)
@pytest.mark.parametrize('road', ROADS)
def test_every_form_is_read(served, road, form):
    folder, address = served
    state = detector().state_dict()
    torch.save(FORMS[form](state), folder / 'x.pth')
    model = detector()
    ROADS[road](model, f'{address}/x.pth')
    assert_close(model.state_dict(), state, rtol=0, atol=0)
    classes = read_weights(f'{address}/x.pth').dataset_meta
    assert classes == (dict(classes=('cat', )) if form == 'mmengine' else {})


@pytest.mark.parametrize('road', ROADS)
def test_what_does_not_fit_is_refused_with_the_address(served, road):
    folder, address = served
    state = detector().state_dict()
    torch.save(state | {'backbone.weight': torch.zeros(3, 5)}, folder / 'wide.pth')
    with pytest.raises(ValueError, match=rf'{address}/wide.pth does not fit .* backbone.weight is \(3, 5\)'):
        ROADS[road](detector(), f'{address}/wide.pth')


@pytest.mark.parametrize('road', ROADS)
def test_a_file_that_is_cut_off_is_refused_with_the_address(served, road):
    folder, address = served
    torch.save(detector().state_dict(), folder / 'short.pth')
    (folder / 'short.pth').write_bytes((folder / 'short.pth').read_bytes()[:-100])
    kept = 'torch/hub/checkpoints/short.pth'
    with pytest.raises(ValueError, match=rf'{address}/short.pth: .*{kept} is no checkpoint, or only part of one'):
        ROADS[road](detector(), f'{address}/short.pth')


@pytest.mark.parametrize('road', ROADS)
def test_an_address_without_a_file_is_named(served, road):
    with pytest.raises(OSError, match=f'{served[1]}/none.pth cannot be downloaded: HTTP Error 404'):
        ROADS[road](detector(), f'{served[1]}/none.pth')


class _Runs:
    """Would run a command where it is unpickled."""

    def __reduce__(self) -> tuple:
        return exec, ('raise SystemExit("run from a file")', )


@pytest.mark.parametrize('road', ROADS)
def test_nothing_in_a_file_is_run(served, road):
    folder, address = served
    torch.save(dict(state_dict=detector().state_dict(), more=_Runs()), folder / 'zip.pth')
    (folder / 'bare.pth').write_bytes(pickle.dumps(_Runs(), protocol=2))
    for name in ('zip.pth', 'bare.pth'):
        with pytest.raises(ValueError, match=f'{address}/{name}: .* holds objects of another program'):
            ROADS[road](detector(), f'{address}/{name}')
