"""tools/visualize_smca.py in a folder with a few Shapes pictures, on a model with random weights."""
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

ROOT = Path(__file__).resolve().parents[2]
TOOL, CONFIG, DETR = (str(ROOT / path) for path in ('tools/visualize_smca.py', 'configs/smca/smca_r18_shapes.py',
                                                    'configs/smca/detr_r18_shapes.py'))
FIRST, SECOND = 'data/shapes/test/000001.png', 'data/shapes/test/000002.png'


@pytest.fixture(scope='module')
def state() -> dict[str, torch.Tensor]:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    return MODELS.build(Config.fromfile(CONFIG).model).state_dict()


@pytest.fixture(scope='module')
def checkpoint(state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp('trained') / 'random.pth'
    torch.save(dict(state_dict=state), path)
    return path


@pytest.fixture
def run(workplace, checkpoint, tmp_path, monkeypatch, capsys):
    """Run the tool in this process; returns its message at the exit ('' if it went well), output and files."""

    def call(*arguments: object, config: str = CONFIG, weights: object = checkpoint) -> tuple[str, str, list[str]]:
        monkeypatch.chdir(workplace)
        argv = [TOOL, config, weights, *arguments, '--out', tmp_path / 'out', '--device', 'cpu']
        monkeypatch.setattr(sys, 'argv', list(map(str, argv)))
        message = ''
        try:
            runpy.run_path(TOOL, run_name='__main__')
        except SystemExit as error:
            assert error.code not in (0, None)
            message = str(error.code)
        captured = capsys.readouterr()
        files = sorted(path.name for path in (tmp_path / 'out').glob('*'))
        return captured.err if message == '2' else message, captured.out, files

    return call


def test_writes_a_picture_for_each_image_and_query(run):
    message, out, files = run(FIRST, '--queries', '3,17', '--layers', '1')
    assert message == ''
    assert files == ['000001_query17.png', '000001_query3.png']
    assert '000001_query17.png' in out


def test_the_best_queries_are_the_default(run):
    message, _, files = run(FIRST, SECOND, '--top', 1, '--layers', '0')
    assert message == '' and [name.split('_')[0] for name in files] == ['000001', '000002']


def test_an_unreadable_picture_is_named_and_the_others_are_drawn(run, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    message, _, files = run(tmp_path / 'broken.png', 'gone.png', FIRST, '--queries', 3, '--layers', 0)
    assert files == ['000001_query3.png']
    assert 'skipped' in message and 'broken.png' in message and 'gone.png' in message


@pytest.mark.parametrize('arguments, expected', [
    (['--queries', '3,40'], 'the model has queries 0..39, got 40'),
    (['--layers', '0,3'], 'the model has layers 0..2, got 3'),
    (['--scale', '1'], 'the model has scales 0..0, got 1'),
    (['--top', '0'], '--top should be at least 1, got 0'),
    (['--queries', '3,x'], 'argument --queries: should be numbers'),
    (['--queries', '3', '--top', '2'], 'not allowed with argument'),
])
def test_wrong_arguments_are_one_clear_line(run, arguments, expected):
    message, _, files = run(FIRST, *arguments)
    assert expected in message and 'Traceback' not in message
    assert files == []


def test_rejects_a_detector_without_modulated_attention(run):
    message, _, _ = run(FIRST, config=DETR)
    assert message.startswith('visualize_smca.py: ') and 'detr_r18_shapes.py' in message
    assert 'decoder of the model should be a SMCATransformerDecoder' in message


def test_rejects_a_checkpoint_that_lacks_tensors(run, state, tmp_path):
    torch.save({name: value for name, value in state.items() if 'modulation' not in name}, tmp_path / 'without.pth')
    message, _, _ = run(FIRST, weights=tmp_path / 'without.pth')
    assert 'without.pth does not fit' in message and 'Missing key' in message and '\n' not in message


@pytest.mark.parametrize('missing', ['config', 'weights'])
def test_names_a_missing_file(run, missing):
    message, _, _ = run(FIRST, **{missing: 'gone.py'})
    assert message.startswith('visualize_smca.py: ') and 'gone.py' in message
