"""tools/mixing_grid.py on cells that build nothing, and tools/sweep.py before anything is trained."""
import runpy
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

pytestmark = pytest.mark.usefixtures('shallow_blocks')

ROOT = Path(__file__).resolve().parents[2]
GRID, SWEEP = str(ROOT / 'tools/mixing_grid.py'), str(ROOT / 'tools/sweep.py')
CONFIG = str(ROOT / 'configs/yolo_rd/yolov9t_rd_shapes.py')


def test_the_grid_prints_and_writes_the_chosen_cells(in_process, tmp_path):
    message, out = in_process(GRID, '--only', 'YOLOX', 'alignment', 'soft', '--out', tmp_path / 'grid.md')
    table = ('| one stage | YOLOX |\n| --- | --- |\n| soft tokens | no (1) |\n| alignment | no (1) |\n\n'
             '1. it reads no text\n')
    assert not message and (tmp_path / 'grid.md').read_text() == table
    assert '1/2 soft tokens in YOLOX: no (' in out and table in out and '2 cells, 0 fail' in out


def test_the_grid_names_a_word_that_it_does_not_know(in_process):
    assert "--only takes words of detectors" in in_process(GRID, '--only', 'YOLOv4')[0]


def test_a_sweep_writes_its_configs_and_hands_them_to_the_comparison(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    key = 'model.backbone.rd.alpha'
    monkeypatch.setattr(sys, 'argv', [SWEEP, CONFIG, key, '0.5', '1.0', '--seeds', '0', '1', '--draw-only'])
    with pytest.raises(SystemExit):
        runpy.run_path(SWEEP, run_name='__main__')
    folder = tmp_path / 'work_dirs/sweep/yolov9t_rd_shapes_alpha'
    assert 'no validation in the logs of alpha_0.5 with seed 0' in capfd.readouterr().err
    configs = sorted(folder.glob('configs/*.py'))
    assert [path.name for path in configs] == ['alpha_0.5.py', 'alpha_1.0.py']
    assert [Config.fromfile(path).model.backbone.rd.alpha for path in configs] == [0.5, 1.0]


def test_a_sweep_of_an_unknown_key_writes_nothing(in_process, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message, _ = in_process(SWEEP, CONFIG, 'model.necks.rd.alpha', '0.5', '1.0')
    assert 'has no model.necks, of which alpha would be a key' in message and not [*tmp_path.iterdir()]
