"""`python -m mmdet_ext.doctor`: it finds what is broken on a machine, and says how to mend it."""
import json
import os
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterable
from email.message import Message
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace

import mmcv
import pytest
import torch

from mmdet_ext.doctor import Finding, State, examine, machine, packages, report, storage
from mmdet_ext.doctor.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


def of_name(findings: list[Finding], name: str) -> Finding:
    return next(finding for finding in findings if finding.name == name)


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, '-m', 'mmdet_ext.doctor', *arguments], capture_output=True, text=True,
                          check=False, env=os.environ | environment, timeout=300)


def metadata_with(extras: Iterable[str]) -> Message:
    message = Message()
    for name in extras:
        message['Provides-Extra'] = name
    return message


def test_here_nothing_is_broken(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['doctor', '--json'])
    code, printed = main(), capsys.readouterr().out
    findings = [Finding(**row) for row in json.loads(printed)]
    assert code == 0, printed
    assert of_name(findings, 'torch').text == torch.__version__
    assert of_name(findings, "mmcv's operators").state == State.OK


def test_it_runs_where_the_package_itself_cannot_be_imported(tmp_path):
    (tmp_path / 'mmcv').mkdir()
    (tmp_path / 'mmcv' / '__init__.py').write_text("raise ImportError('undefined symbol: _ZN3c10')")
    result = doctor(PYTHONPATH=f'{tmp_path}{os.pathsep}{ROOT}')
    assert result.returncode == 1
    assert 'ERROR  mmcv                        mmdet_ext needs mmcv, which cannot be imported (und' in result.stdout
    assert 'try: pip uninstall -y mmcv mmcv-lite, and then pip install mmcv-lite==2.1.0' in result.stdout
    assert 'current folder' in result.stdout  # the checks after it


def test_a_check_that_fails_does_not_stop_the_others():
    def broken() -> list[Finding]:
        raise RuntimeError('no such thing')

    findings = examine([broken, packages.python])
    assert [finding.state for finding in findings][:1] == [State.WARNING]
    assert 'RuntimeError: no such thing' in findings[0].text and findings[1].name == 'Python'


def test_the_report_counts_errors_and_shows_remedies():
    text = report([Finding('Group', 'a', State.OK, 'fine'), Finding('Group', 'b', State.ERROR, 'bad', 'pip install b'),
                   Finding('Other', 'c', State.MISSING, 'not there', 'pip install c')])
    assert text.splitlines()[:3] == ['Group', '     ok  a                           fine',
                                     '  ERROR  b                           bad']
    assert 'try: pip install b' in text and 'to install: pip install c' in text
    assert text.endswith('errors: 1, warnings: 0')


@pytest.mark.parametrize('version, state', [('0.7.1', State.OK), ('1.0.0', State.ERROR), ('0.6.0', State.ERROR)])
def test_versions_out_of_range_are_errors(monkeypatch, version, state):
    monkeypatch.setattr('mmengine.__version__', version)
    finding = of_name(packages.required(), 'mmengine')
    assert finding.state is state and version in finding.text
    assert bool(finding.remedy) == (state is State.ERROR)


def test_a_missing_extra_names_its_command(monkeypatch):
    def version(name: str) -> str:
        if name == 'onnxruntime':
            raise PackageNotFoundError
        return '99'

    monkeypatch.setattr(packages, 'version', version)
    monkeypatch.setattr(packages, 'requires', lambda name: [
        'onnxruntime; extra == "export"', 'gradio<9; extra == "app"', 'numpy'])
    monkeypatch.setattr(packages, 'metadata', lambda name: metadata_with(packages.EXTRAS))
    missing, wrong = packages.extras()
    assert (missing.state, missing.remedy) == (State.MISSING, 'pip install "mmdet_ext[export]"')
    assert (wrong.state, wrong.text) == (State.WARNING, '99, but <9 is needed')


def test_an_install_that_is_older_than_the_code_is_named(monkeypatch):
    monkeypatch.setattr(packages, 'requires', lambda name: [])
    monkeypatch.setattr(packages, 'metadata', lambda name: metadata_with(set(packages.EXTRAS) - {'app', 'export'}))
    finding, = packages.extras()
    assert finding.state is State.WARNING and finding.remedy == 'pip install -e .'
    assert 'had the extras export, app, so' in finding.text


def test_operators_that_give_wrong_rows_are_errors(monkeypatch):
    monkeypatch.setattr('torchvision.ops.nms', lambda boxes, scores, threshold: torch.tensor([0, 1, 2]))
    finding = of_name(packages.operators(), 'torchvision nms, cpu')
    assert finding.state is State.ERROR and '[0, 1, 2] instead of [0, 2]' in finding.text


def test_known_traps_are_found(monkeypatch):
    Entry = namedtuple('Entry', 'metadata locate_file')
    folder = Path(mmcv.__file__).parents[1]
    monkeypatch.setattr(packages, 'distributions', lambda: [Entry({'Name': name}, folder.joinpath) for name in (
        'opencv-python', 'opencv_python_headless', 'mmcv')])
    monkeypatch.setattr(packages, '_version', dict(torch='2.14.1').get)
    monkeypatch.setitem(sys.modules, 'pkg_resources', None)
    names = [finding.name for finding in packages.known_traps()]
    assert names == ['setuptools', 'opencv-python and opencv-python-headless', 'torch']


@pytest.mark.parametrize('cuda, visible, text', [
    (None, None, 'is built for the CPU'), ('13.0', '', "CUDA_VISIBLE_DEVICES='' hides GPU X"),
    ('13.0', None, 'the driver is older than CUDA 13.0 asks for')])
def test_a_gpu_that_torch_cannot_use(monkeypatch, cuda, visible, text):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.version, 'cuda', cuda)
    monkeypatch.setattr(machine, '_nvidia_smi', lambda: ['GPU X'])
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    if visible is not None:
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', visible)
    finding, = machine.gpus()
    assert finding.state is not State.OK and text in finding.text and finding.remedy


def test_more_threads_than_cores(monkeypatch):
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 4096)
    finding = machine.threads()[0]
    assert finding.state is State.WARNING and finding.remedy.startswith('export OMP_NUM_THREADS=')


def test_little_shared_memory(monkeypatch):
    monkeypatch.setattr('shutil.disk_usage', lambda path: namedtuple('Usage', 'total used free')(64 << 20, 0, 64 << 20))
    finding, = machine.shared_memory()
    assert finding.state is State.WARNING and '--shm-size' in finding.remedy


def test_a_folder_that_is_not_writable(monkeypatch):
    def refuse(dir: Path) -> None:
        raise PermissionError(13, 'Permission denied')

    monkeypatch.setenv('HF_HOME', '/elsewhere')
    monkeypatch.setattr('tempfile.NamedTemporaryFile', refuse)
    finding = of_name(storage.folders(), 'Hugging Face cache')
    assert finding.state is State.ERROR and 'Permission denied' in finding.text and 'HF_HOME' in finding.remedy


def test_files_that_are_there_without_a_network(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    (tmp_path / 'checkpoints').mkdir()
    (tmp_path / 'checkpoints' / 'resnet18-f37072fd.pth').touch()
    findings = storage.backbones()
    assert of_name(findings, 'resnet18 of torchvision').state is State.OK
    assert of_name(findings, 'resnet50 of torchvision').state is State.MISSING
    monkeypatch.chdir(tmp_path)
    assert of_name(storage.text_encoders(), 'roberta-base').state is State.MISSING
    (tmp_path / 'roberta-base').mkdir()
    assert of_name(storage.text_encoders(), 'roberta-base').state is State.OK


@pytest.mark.parametrize('forbidden, writable, cached, why', [
    (True, True, False, 'PYTHONDONTWRITEBYTECODE is set'), (False, False, False, 'torch cannot be written'),
    (True, True, True, None), (False, False, True, None), (False, True, False, None)])
def test_modules_that_every_command_compiles_again_are_named(tmp_path, monkeypatch, forbidden, writable, cached, why):
    module = tmp_path / 'torch/__init__.py'
    compiled = module.parent / '__pycache__/compiled.pyc'
    compiled.parent.mkdir(parents=True)
    if cached:
        compiled.touch()
    monkeypatch.setattr(packages, 'find_spec', lambda name: SimpleNamespace(origin=str(module)))
    monkeypatch.setattr(packages, 'cache_from_source', lambda path: str(compiled))
    monkeypatch.setattr(packages.os, 'access', lambda folder, mode: writable)
    monkeypatch.setattr(sys, 'dont_write_bytecode', forbidden)
    findings = packages.bytecode()
    assert bool(findings) == (why is not None)
    assert not findings or (why in findings[0].text and findings[0].remedy.endswith(f'compileall -q {tmp_path}'))
