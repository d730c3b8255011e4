"""The command line of tools/report.py; tests/report has what it writes."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = str(ROOT / 'tools' / 'report.py')


@pytest.fixture
def run(tmp_path) -> Path:
    """A work directory of mmdet's own train.py, with a config and a log, and nothing else."""
    folder = tmp_path / 'run'
    (folder / '20260101_100000' / 'vis_data').mkdir(parents=True)
    (folder / 'cfg.py').write_text("model = dict(type='RetinaNet')\nval_dataloader = None\n")
    rows = [dict(lr=0.01, loss=1.0, time=0.5, epoch=1, iter=step, step=step) for step in (1, 2)]
    lines = [json.dumps(row) for row in [*rows, {'coco/bbox_mAP': 0.25, 'step': 1}]]
    (folder / '20260101_100000' / 'vis_data' / 'scalars.json').write_text('\n'.join(lines) + '\n')
    return folder


def test_a_run_without_a_checkpoint_has_a_page_of_its_log(in_process, run):
    assert in_process(TOOL, run) == ('', f'wrote {run}/report/report.html\n')
    html = (run / 'report' / 'report.html').read_text()
    assert '<dt>AP then</dt><dd>0.250</dd>' in html and 'This run has no checkpoint' in html and 'RetinaNet' in html
    assert in_process(TOOL, run, '--out', run / 'other')[0] == '' and (run / 'other' / 'report.html').is_file()


def test_a_user_is_told_what_is_wrong(in_process, run, monkeypatch):
    assert in_process(TOOL, run / 'no')[0].startswith(f'report.py: error: there is no folder {run}/no')
    assert in_process(TOOL, run, '--checkpoint', 'no.pth')[0] == 'report.py: error: there is no checkpoint no.pth'
    monkeypatch.setitem(sys.modules, 'jinja2', None)
    assert 'jinja2 is not installed: pip install "mmdet_ext[report]"' in in_process(TOOL, run)[0]


def test_help_is_quick_and_complete():
    done = subprocess.run([sys.executable, '-X', 'importtime', TOOL, '--help'], capture_output=True, text=True)
    assert done.returncode == 0 and 'mmdet.models' not in done.stderr and 'matplotlib' not in done.stderr
    for option in ('RUN', '--checkpoint', '--out', '--split', '--predictions', '--base', '--cfg-options'):
        assert f'{option} ' in done.stdout or f'{option}\n' in done.stdout, option
