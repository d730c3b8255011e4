"""Which models the page shows."""
import os
from pathlib import Path

import pytest

from mmdet_ext.app.models import Source
from mmdet_ext.app.sources import MOST_RUNS, find_runs, parse_sources


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ('a.py', 'b.py', 'first.pth', 'second.pth', 'm.onnx'):
        Path(name).touch()
    return tmp_path


def make_run(folder: Path, age: int = 0, best: bool = False) -> None:
    folder.mkdir(parents=True)
    (folder / 'model.py').touch()
    (folder / 'last_checkpoint').write_text('/where/it/was/epoch_2.pth')
    for name in ('epoch_2.pth', *(['best_ap_epoch_1.pth'] if best else [])):
        (folder / name).touch()
        os.utime(folder / name, (1e9 - age, 1e9 - age))


@pytest.mark.parametrize('words, expected', [
    ('a.py first.pth', [('a.py', 'first.pth', 'a')]),
    ('a.py first.pth b.py second.pth', [('a.py', 'first.pth', 'a'), ('b.py', 'second.pth', 'b')]),
    ('a.py first.pth a.py second.pth', [('a.py', 'first.pth', 'a, first'), ('a.py', 'second.pth', 'a, second')]),
    ('a.py first.pth a.py first.pth', [('a.py', 'first.pth', 'a, first (1)'), ('a.py', 'first.pth', 'a, first (2)')]),
    ('m.onnx a.py first.pth', [('m.onnx', None, 'm'), ('a.py', 'first.pth', 'a')]),
])
def test_models_of_a_command_line(words, expected):
    assert parse_sources(words.split()) == [Source(*source) for source in expected]


@pytest.mark.parametrize('words, error, message', [
    ('a.py', ValueError, 'a.py is a config: its CHECKPOINT should follow'),
    ('a.py first.pth b.py', ValueError, 'b.py is a config: its CHECKPOINT should follow'),
    ('first.pth a.py', ValueError, 'first.pth is a checkpoint'),
    ('a.py gone.pth', FileNotFoundError, 'there is no checkpoint gone.pth'),
    ('gone.py first.pth', FileNotFoundError, 'there is no config gone.py'),
])
def test_wrong_command_lines(words, error, message):
    with pytest.raises(error, match=message):
        parse_sources(words.split())


def test_runs_of_the_demos_and_their_best_checkpoints(folder):
    make_run(folder / 'work' / 'demo', best=True)
    make_run(folder / 'work' / 'demo_rd' / 'with')
    make_run(folder / 'work' / 'unfinished')
    (folder / 'work' / 'unfinished' / 'epoch_2.pth').unlink()
    assert [(Path(run.checkpoint).name, run.name) for run in find_runs(folder / 'work')] == [
        ('best_ap_epoch_1.pth', 'model'), ('epoch_2.pth', 'rd with')]


def test_the_newest_of_many_runs(folder):
    for number in range(MOST_RUNS + 2):
        make_run(folder / 'work' / f'run{number}', age=number)
    assert [run.name for run in find_runs(folder / 'work')] == [f'run{number}' for number in range(MOST_RUNS)]


def test_no_runs(folder):
    assert find_runs(folder / 'work_dirs') == []
