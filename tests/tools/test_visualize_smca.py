"""tools/visualize_smca.py in a folder with a few Shapes images, on a model with random weights."""
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[2]
TOOL, CONFIG, DETR = (str(ROOT / path) for path in ('tools/visualize_smca.py', 'configs/smca/smca_r18_shapes.py',
                                                    'configs/smca/detr_r18_shapes.py'))
FIRST, SECOND = 'data/shapes/test/000001.png', 'data/shapes/test/000002.png'


def test_writes_a_figure_for_each_image_and_query(draw):
    message, out, files = draw(FIRST, '--queries', '3,17', '--layers', '1')
    assert message == ''
    assert files == ['000001_query17.png', '000001_query3.png']
    assert '000001_query17.png' in out


def test_the_best_queries_are_the_default(draw):
    message, _, files = draw(FIRST, SECOND, '--top', 1, '--layers', '0')
    assert message == '' and [name.split('_')[0] for name in files] == ['000001', '000002']


def test_an_unreadable_image_is_named_and_the_others_are_drawn(draw, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    message, _, files = draw(tmp_path / 'broken.png', 'gone.png', FIRST, '--queries', 3, '--layers', 0)
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
def test_wrong_arguments_are_one_clear_line(draw, arguments, expected):
    message, _, files = draw(FIRST, *arguments)
    assert expected in message and 'Traceback' not in message
    assert files == []


def test_rejects_a_detector_without_modulated_attention(draw, tmp_path):
    torch.save(MODELS.build(Config.fromfile(DETR).model).state_dict(), tmp_path / 'detr.pth')
    message, _, _ = draw(FIRST, config=DETR, weights=tmp_path / 'detr.pth')
    assert message.startswith('visualize_smca.py: error: ') and 'detr_r18_shapes.py' in message
    assert 'decoder of the model should be a SMCATransformerDecoder' in message


def test_rejects_a_checkpoint_that_lacks_tensors(draw, random_state, tmp_path):
    torch.save({name: value for name, value in random_state.items() if 'modulation' not in name}, tmp_path / 'without.pth')
    message, _, _ = draw(FIRST, weights=tmp_path / 'without.pth')
    assert 'without.pth does not fit' in message and 'modulation' in message and message.count('\n') == 1


@pytest.mark.parametrize('missing', ['config', 'weights'])
def test_names_a_missing_file(draw, missing):
    message, _, _ = draw(FIRST, **{missing: 'gone.py'})
    assert message.startswith('visualize_smca.py: ') and 'gone.py' in message
