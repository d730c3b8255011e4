"""The benchmark of imports and threads, where a stand-in trains."""
from pathlib import Path

import pytest
from mmengine.config import Config

from benchmarks import startup

ROOT = Path(__file__).resolve().parents[2]
TRAIN = '''
import json, os, sys
from pathlib import Path
images = int(sys.argv[sys.argv.index('--cfg-options') + 1].split('=')[1])
number = os.environ.get('OMP_NUM_THREADS')
if not number:
    print('Threads: 2 on 2 cores (with 1: ...)')
folder = Path(sys.argv[sys.argv.index('--work-dir') + 1], 'now/vis_data')
folder.mkdir(parents=True)
count = images // 4
seconds = [9.] * (count - 2) + [float(number or 5), float(number or 5) + 1]
folder.joinpath('scalars.json').write_text('\\n'.join(json.dumps(dict(time=value)) for value in seconds))
'''


@pytest.fixture
def checkout(tmp_path) -> Path:
    (tmp_path / 'tools').mkdir()
    (tmp_path / 'tools/train.py').write_text(TRAIN)
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    return tmp_path


def test_last_iterations_of_each_form_are_measured(checkout, monkeypatch):
    monkeypatch.setattr(startup, 'process_cores', lambda: 2)
    rows = dict(startup.threads(checkout, batch=4, iters=2))
    assert {label: measured.seconds for label, measured in rows.items()} == {
        'threads that leave one of 2 cores': 1.5, 'ThreadsHook (chooses 2)': 5.5}
    assert min(measured.peak_bytes for measured in rows.values()) > 2**20


def test_a_busy_process_shows_the_slow_down(checkout, monkeypatch):
    monkeypatch.setattr(startup, 'process_cores', lambda: 2)
    rows = startup.threads(checkout, batch=4, iters=2, busy=True)
    assert [(label, measured.seconds) for label, measured in rows] == [
        ('threads that leave one of 2 cores, beside a busy process', 1.5),
        ('ThreadsHook (chooses 2), beside a busy process', 5.5), ('threads on all cores, beside a busy process', 2.5)]


def test_the_config_trains_once_without_evaluation(tmp_path):
    cfg = Config.fromfile(startup.write_config(ROOT, tmp_path, 320, 4))
    assert cfg.val_cfg is None and cfg.val_dataloader is None and cfg.train_cfg.max_epochs == 1
    assert cfg.train_dataloader.batch_size == cfg.optim_wrapper.paramwise_cfg.batch_size_per_gpu == 4
    assert cfg.train_dataloader.dataset.pipeline[0].size == 320 and cfg.train_dataloader.num_workers == 1


def test_a_training_that_fails_is_shown(checkout):
    (checkout / 'tools/train.py').write_text('import sys; sys.exit("no data")')
    with pytest.raises(ChildProcessError, match='(?s)train.py.* failed.*no data'):
        startup.threads(checkout, batch=4, iters=2)


def test_imports_of_both_packages_are_measured():
    (mmdet, one), (package, other) = startup.imports(repeats=1)
    assert (mmdet, package) == ('import mmdet', 'import mmdet_ext')
    assert min(one.seconds, other.seconds) > 0 and min(one.peak_bytes, other.peak_bytes) > 2**20
