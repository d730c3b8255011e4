"""tools/compress_dictionary.py: what it writes and prints, going on after an interruption, what it refuses."""
import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmdet_ext.dictionary.distillation import Distillation
from mmengine.config import Config
from mmengine.registry import init_default_scope

pytestmark = pytest.mark.usefixtures('shallow_blocks')

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs' / 'yolo_rd' / 'yolov9t_rd_shapes.py'
SHORT = ['--iters', '3', '--batch-size', '2', '--usage-images', '3', '--pixels', '16']
TINY = ['--cfg-options', 'model.backbone.rd.num_atoms=8', *(
    f'{split}_dataloader.{option}' for split in ('train', 'val', 'test')
    for option in ('num_workers=0', 'persistent_workers=False'))]


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


@pytest.fixture
def tool(workplace, monkeypatch, capfd):
    """Call the tool in this process, from the workplace; returns its exit code or line, and what it printed."""

    def run(*arguments: object) -> tuple[int | str | None, str]:
        monkeypatch.chdir(workplace)
        monkeypatch.setattr(sys, 'argv', ['tools/compress_dictionary.py', *map(str, arguments)])
        try:
            runpy.run_path(str(ROOT / 'tools' / 'compress_dictionary.py'), run_name='__main__')
            code = None
        except SystemExit as error:
            code = error.code
        return code, ''.join(capfd.readouterr())

    return run


def test_the_compressed_model_is_tested_like_any_other(tool, fork, trained):
    out = trained.parent / 'compressed'
    code, printed = tool(CONFIG, trained, '--keep', 0.5, *SHORT, *TINY)
    report = json.loads((out / 'report.json').read_text())
    assert code is None and list(report['metrics']) == ['before', 'pruned', 'distilled'] and len(report['losses']) == 3
    assert re.search(r'\| backbone.trunk.rd.1: atoms +\| 8 +\| 4 +\|', printed)
    assert f'{report["after"]["parameters"]:,}' in printed
    assert torch.load(out / 'compressed.pth')['meta']['dataset_meta']['classes'][0] == 'circle'
    assert sorted(path.name for path in out.iterdir()) == [
        'compressed.pth', 'compressed.py', 'logs', 'loss.png', 'pruned.pth', 'report.json', 'report.md', 'usage.png']
    tested = fork(ROOT / 'tools' / 'test.py', out / 'compressed.py', out / 'compressed.pth')
    assert 'coco/bbox_mAP' in tested and 'unexpected key' not in tested and 'missing keys' not in tested
    code, printed = tool(CONFIG, trained, '--keep', 0.5, *SHORT, *TINY)
    assert code == 2 and f'error: {out} holds a finished compression: --overwrite replaces it' in printed


def test_an_interrupted_run_goes_on_with_the_same_command(tool, trained, tmp_path, monkeypatch):
    command = [CONFIG, trained, '--keep', '4', '--no-eval', '--out', tmp_path / 'out', *SHORT, *TINY]
    def interrupted(self: Distillation, data: dict) -> float:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Distillation, 'step', interrupted)
        code, printed = tool(*command)
    assert code == 130 and 'interrupted; the same command goes on from there' in printed
    code, printed = tool(*command, '--tau', 0.5)
    assert code == 2 and 'tau was 0.1 and is 0.5' in printed and '--restart' in printed
    assert tool(*command)[0] is None
    assert len(json.loads((tmp_path / 'out' / 'report.json').read_text())['losses']) == 3
    assert tool('--overwrite', *command)[0] is None


@pytest.mark.parametrize('arguments, message', [
    ([CONFIG, 'none.pth', '--keep', '0.5'], 'there is no checkpoint none.pth'),
    (['none.py', 'trained/trained.pth', '--keep', '0.5'], 'there is no config file none.py'),
    ([CONFIG, 'trained/trained.pth', '--keep', '9', *TINY], 'keep should leave 2'),
    ([CONFIG, 'trained/trained.pth', '--keep', '9'], 'trained/trained.pth has 8 atoms in backbone.trunk.rd.1, and'),
])
def test_mistakes_are_one_clear_line(tool, trained, tmp_path, arguments, message):
    code, printed = tool('--out', tmp_path, '--no-eval', *arguments)
    assert code == 2 and f'compress_dictionary.py: error: {message}' in printed.splitlines()[-1]


@pytest.mark.parametrize('option, value', [('--iters', '-1'), ('--pixels', '1'), ('--tau', '0'), ('--lr', 'nan'),
                                           ('--match', '-1'), ('--keep', '-0.5')])
def test_options_out_of_range_are_named(tool, option, value):
    code, printed = tool(CONFIG, 'trained.pth', '--keep', '0.5', option, value)
    assert code == 2 and f'{option} should be' in printed and value in printed
