"""A model at the front of a command line."""
from pathlib import Path

import pytest

from mmdet_ext.model_arguments import split_arguments


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ('photos/a.jpg', 'openvino/model.xml', 'openvino/model.bin', 'weights', '12'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'')
    return tmp_path


@pytest.mark.parametrize('arguments, expected', [
    ('c.py w.pth a.jpg 0', ('c.py', 'w.pth', ['a.jpg', '0'])),
    ('c.py https://host/w.pth', ('c.py', 'https://host/w.pth', [])),
    ('c.py weights photos', ('c.py', 'weights', ['photos'])),
    ('c.py 12 photos', ('c.py', '12', ['photos'])),
    ('m.onnx photos', ('m.onnx', None, ['photos'])),
    ('openvino a.mp4', ('openvino', None, ['a.mp4'])),
])
def test_config_and_checkpoint_or_one_file(arguments, expected):
    assert split_arguments(arguments.split()) == expected


@pytest.mark.parametrize('arguments, message', [
    ('c.py', 'c.py is a config: its CHECKPOINT should follow'),
    ('c.py a.jpg', 'should be its CHECKPOINT, but a.jpg is an image'),
    ('c.py photos', 'should be its CHECKPOINT, but photos is a folder'),
    ('c.py 0', 'should be its CHECKPOINT, but 0 is a camera'),
    ('c.py *.jpg', 'should be its CHECKPOINT, but'),
    ('c.py typo', 'should be its CHECKPOINT, but typo is nothing that is there'),
    ('w.pth c.py a.jpg', 'w.pth is a checkpoint, and the config comes before it'),
    ('a.jpg c.py w.pth', 'should be a config .* but a.jpg is an image$'),
    ('photos', 'but photos is a folder'),
    ('m.onnx w.pth a.jpg', 'weights inside, and w.pth is a checkpoint: leave it out'),
])
def test_what_is_mixed_up_is_said(arguments, message):
    with pytest.raises(ValueError, match=message):
        split_arguments(arguments.split())
