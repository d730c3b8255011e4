"""tools/compress_dictionary.py from the shell: files, report, going on after an interruption, what it refuses."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'compress_dictionary.py'
CONFIG = ROOT / 'configs' / 'yolo_rd' / 'yolov9t_rd_shapes.py'
TINY = ['--cfg-options', 'model.backbone.rd.num_atoms=8', *(
    f'{split}_dataloader.{option}' for split in ('train', 'val', 'test')
    for option in ('num_workers=0', 'persistent_workers=False'))]
SHORT = ['--iters', '3', '--batch-size', '2', '--usage-images', '3', '--pixels', '16']


@pytest.fixture(scope='module')
def trained(workplace) -> Path:
    torch.manual_seed(0)
    init_default_scope('mmdet')
    cfg = Config.fromfile(CONFIG)
    cfg.model.backbone.rd.num_atoms = 8
    path = workplace / 'trained' / 'trained.pth'
    path.parent.mkdir()
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict(), meta={}), path)
    return path


def test_the_compressed_model_is_tested_like_any_other(call, trained):
    out = trained.parent / 'compressed'
    printed = call(sys.executable, TOOL, CONFIG, trained, '--keep', 0.5, *SHORT, *TINY)
    report = json.loads((out / 'report.json').read_text())
    assert list(report['metrics']) == ['before', 'pruned', 'distilled'] and len(report['losses']) == 3
    assert report['dictionaries']['backbone.trunk.rd.1']['atoms'] == [8, 4] and '| backbone.trunk.rd.1: atoms | 8 | 4 |' in printed
    assert f'{report["after"]["parameters"]:,}' in printed and not (out / 'state.pth').exists()
    assert torch.load(out / 'compressed.pth')['meta']['dataset_meta']['classes'][0] == 'circle'
    tested = call(sys.executable, ROOT / 'tools' / 'test.py', out / 'compressed.py', out / 'compressed.pth')
    assert 'coco/bbox_mAP' in tested and 'unexpected key' not in tested and 'missing keys' not in tested
    refused = call(sys.executable, TOOL, CONFIG, trained, '--keep', 0.5, *SHORT, *TINY, code=1)
    assert 'holds a finished compression: --overwrite replaces it' in refused and 'Traceback' not in refused


def test_an_interrupted_run_goes_on_with_the_same_command(workplace, call, trained, tmp_path):
    command = [sys.executable, TOOL, CONFIG, trained, '--keep', '4', '--no-eval', '--out', tmp_path / 'out', '--iters', '300',
               *SHORT[2:], *TINY]
    running = subprocess.Popen(list(map(str, command)), cwd=workplace, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
                               text=True, env=os.environ | dict(PYTHONPATH=str(ROOT)))
    while running.poll() is None and not (tmp_path / 'out' / 'pruned.pth').is_file():
        time.sleep(0.05)
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    printed = running.communicate(timeout=60)[1]
    assert running.returncode == 130 and 'stopped by SIGINT; the same command goes on' in printed, printed
    assert (tmp_path / 'out' / 'state.pth').is_file() and not (tmp_path / 'out' / 'report.json').is_file()
    call(*command)
    assert len(json.loads((tmp_path / 'out' / 'report.json').read_text())['losses']) == 300


@pytest.mark.parametrize('arguments, message', [
    ([CONFIG, 'none.pth', '--keep', '0.5'], 'there is no checkpoint none.pth'),
    (['none.py', 'trained/trained.pth', '--keep', '0.5'], 'there is no config file none.py'),
    ([CONFIG, 'trained/trained.pth', '--keep', '9', *TINY], 'keep should leave 2 to all 8 atoms of a dictionary, got 9'),
])
def test_mistakes_are_one_clear_line(call, trained, arguments, message):
    printed = call(sys.executable, '-W', 'ignore', TOOL, *arguments, '--no-eval', code=1)
    assert f'compress_dictionary.py: {message}' in printed and 'Traceback' not in printed
