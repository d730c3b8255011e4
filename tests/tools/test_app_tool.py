"""The command line of the page."""
from pathlib import Path

import pytest

TOOL = str(Path(__file__).resolve().parents[2] / 'tools' / 'app.py')


@pytest.mark.parametrize('arguments, message', [
    ([], 'there is no trained model below {folder}/work_dirs: make demo trains one'),
    (['--runs', 'runs'], 'there is no trained model below {folder}/runs'),
    (['a.py'], 'a.py is a config: its CHECKPOINT should follow'),
    (['a.py', 'gone.pth'], 'there is no checkpoint gone.pth (seen from {folder})'),
])
def test_what_is_missing_is_named(in_process, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path('a.py').touch()
    assert in_process(TOOL, *arguments)[0].startswith(f'app.py: error: {message.format(folder=tmp_path)}')


def test_a_model_that_cannot_be_loaded_is_an_error_if_there_is_no_other(in_process, tmp_path, monkeypatch):
    pytest.importorskip('gradio')
    monkeypatch.chdir(tmp_path)
    Path('a.py').write_text('model = dict(type="YOLOv9")')
    Path('w.pth').touch()
    assert in_process(TOOL, 'a.py', 'w.pth', '--no-browser')[0] == 'app.py: error: w.pth is empty'
