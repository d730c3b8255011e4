"""tools/visualize_features.py in a folder with a few Shapes images, on small networks."""
from pathlib import Path

import pytest
from PIL import Image

pytestmark = pytest.mark.usefixtures('shallow_blocks')

ROOT = Path(__file__).resolve().parents[2]
TOOL, CONFIG = (str(ROOT / path) for path in ('tools/visualize_features.py', 'configs/yolov9/yolov9t_shapes.py'))
FIRST, SECOND = 'data/shapes/test/000001.png', 'data/shapes/test/000002.png'
SMALL = ('--size', 64, '--columns', 2)


def test_networks_with_and_without_weights_stand_side_by_side(draw, tmp_path):
    message, out, files = draw(f'{CONFIG}=random', FIRST, SECOND, *SMALL)
    assert message == '' and files == ['000001_depth.png', '000002_depth.png']
    assert f'wrote {tmp_path}/out/000001_depth.png' in out
    with Image.open(tmp_path / 'out/000001_depth.png') as both:
        height = both.height
    message, _, _ = draw(FIRST, *SMALL)
    with Image.open(tmp_path / 'out/000001_depth.png') as one:
        assert message == '' and one.height < 0.7 * height


def test_layers_of_the_neck_are_drawn(draw):
    message, _, files = draw(FIRST, '--layers', 'neck', 'neck.top_down', '--measure', 'pca', '--size', 64)
    assert message == '' and files == ['000001_depth.png']


def test_an_unreadable_image_is_named_and_the_others_are_drawn(draw, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    message, _, files = draw(tmp_path / 'broken.png', 'gone.png', FIRST, *SMALL)
    assert files == ['000001_depth.png']
    assert 'skipped' in message and 'broken.png' in message and 'gone.png' in message


@pytest.mark.parametrize('arguments, expected', [
    (['--size', '100'], '--size should be a multiple of 32, got 100'),
    (['--columns', '1'], '--columns should be at least 2, got 1'),
    (['--columns', '3', '--layers', 'neck'], 'not allowed with argument'),
    (['--layers', 'head', '--size', '64'], 'yolov9t_shapes: no layer head gives a map'),
])
def test_wrong_arguments_are_one_clear_line(draw, arguments, expected):
    message, _, files = draw(FIRST, *arguments)
    assert expected in message and 'Traceback' not in message
    assert files == []


def test_an_image_is_missing(draw):
    message, _, _ = draw()
    assert message.startswith('visualize_features.py: ') and 'an image should follow behind' in message


def test_an_image_smaller_than_a_cell_is_drawn(draw, tmp_path):
    Image.new('RGB', (3, 200)).save(tmp_path / 'thin.png')
    message, _, files = draw(tmp_path / 'thin.png', *SMALL)
    assert message == '' and files == ['thin_depth.png']
