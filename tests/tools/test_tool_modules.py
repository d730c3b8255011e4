"""The tools as modules: `python -m mmdet_ext.tools.NAME`."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet_ext.tools import __main__ as listing

ROOT = Path(__file__).resolve().parents[2]


def test_every_tool_is_listed_with_what_it_does(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['__main__.py'])
    listing.main()
    printed = capsys.readouterr().out
    for file in (*ROOT.glob('tools/*.py'), *ROOT.glob('tools/data/*.py')):
        name = '.'.join(file.relative_to(ROOT / 'tools').with_suffix('').parts)
        assert f'python -m mmdet_ext.tools.{name}\n' in printed
    assert 'tools.train\n    Train a detector.\n' in printed
    assert ' of.\n' not in printed and '`python' not in printed  # cut in the middle of a sentence or of a command


def test_a_tool_runs_as_a_module_from_any_folder(tmp_path):
    result = subprocess.run([sys.executable, '-m', 'mmdet_ext.tools.data.make_shapes', '--help'], cwd=tmp_path,
                            env=os.environ | dict(PYTHONPATH=str(ROOT)), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('usage: make_shapes.py ')


def test_a_tool_that_is_given_to_the_list_is_an_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['__main__.py', 'trian'])
    with pytest.raises(SystemExit, match='2'):
        listing.main()
    assert 'takes no argument, but got trian' in capsys.readouterr().err
