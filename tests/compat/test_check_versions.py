"""tools/check_versions.sh, with the results of corners that were tried before: it makes no environment here."""
import os
import subprocess
from pathlib import Path

import pytest

CELLS = ('3.13.0', '2.15.0', '0.29.2', '2.5.5', '5.24.0', 'mmengine 0.10.7, mmcv-lite 2.1.0, mmdet 3.3.0')


def check_versions(*arguments: object, path: str = os.environ['PATH']) -> subprocess.CompletedProcess:
    return subprocess.run(['bash', 'tools/check_versions.sh', *map(str, arguments)], text=True, capture_output=True,
                          env=os.environ | dict(PATH=path))


def write_result(folder: Path, corner: str, verdict: str, tests: str = '', freeze: str = '') -> None:
    folder = folder / corner
    folder.mkdir(parents=True)
    (folder / 'row.tsv').write_text('\t'.join([corner, *CELLS, '30', '410', '2', '1', verdict]) + '\n')
    (folder / 'tests.log').write_text(tests)
    (folder / 'freeze.txt').write_text(freeze)


def test_corners_are_listed():
    listed = check_versions('--list').stdout.splitlines()
    assert [line.split()[0] for line in listed] == [
        'pinned', 'py312', 'py313', 'py314', 'oldest', 'torch211', 'newest', 'cpu', 'onedl']


@pytest.mark.parametrize('arguments, message', [(['py27'], 'no corner or option py27'), (['--new'], 'option --new')])
def test_unknown_words_are_refused(arguments, message):
    result = check_versions(*arguments)
    assert result.returncode == 2 and message in result.stderr


def test_finished_corners_are_rows_of_the_table_and_are_not_tried_again(tmp_path):
    write_result(tmp_path, 'oldest', 'works')
    result = check_versions('--out', tmp_path, 'oldest')
    row = f'| oldest | {" | ".join(CELLS)} | 30 | 410 | 2 | 1 | works |'
    assert result.returncode == 0 and result.stdout.endswith(f'{row}\n') and result.stderr == ''
    assert (tmp_path / 'table.md').read_text().splitlines()[2:] == [row]


def test_what_broke_is_told_with_the_versions_that_differ(tmp_path):
    write_result(tmp_path, 'newest', 'first of 2: tests/a.py::test_b',
                 freeze='torch==9.9\nmmdet==3.3.0\nOPENXLAB==1.0\n',
                 tests='FAILED tests/a.py::test_b - ValueError\nERROR tests/c.py\n')
    result = check_versions('--out', tmp_path, 'newest')
    assert result.returncode == 1
    told = (tmp_path / 'newest/broken.md').read_text().splitlines()
    assert told[:3] == ['newest is broken: first of 2: tests/a.py::test_b',
                        'FAILED tests/a.py::test_b - ValueError', 'ERROR tests/c.py']
    rows = [line.split(' | ')[0] + line[-6:] for line in told if line.startswith('| ')]
    assert rows[2:] == ['| torch 9.9 |', '| openxlab 1.0 |']  # mmdet 3.3.0 is the tested one
    assert '\n'.join(told) in result.stdout


def test_a_python_that_is_missing_is_a_row(tmp_path, monkeypatch):
    tools = tmp_path / 'bin'
    tools.mkdir()
    for name in ('bash', 'dirname', 'realpath', 'mktemp', 'mkdir', 'rm', 'cat', 'cut', 'sed', 'awk'):
        (tools / name).symlink_to(subprocess.run(['which', name], text=True, capture_output=True).stdout.strip())
    (tools / 'python3').symlink_to('/bin/false')
    monkeypatch.setenv('PYENV_ROOT', str(tmp_path))
    result = check_versions('--out', tmp_path / 'out', 'py314', path=str(tools))
    assert result.returncode == 0 and 'skipped: no python3.14 here |' in result.stdout
