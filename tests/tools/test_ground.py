"""tools/ground.py on images of Shapes, with an MDETR with random weights."""
import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
TOOL, CONFIG = str(ROOT / 'tools/ground.py'), str(ROOT / 'configs/mdetr/mdetr_r18_shapes.py')
FIRST, SECOND, CAPTION = 'data/shapes/test/000001.png', 'data/shapes/test/000002.png', 'a red circle and a star'


@pytest.fixture(scope='module')
def checkpoint(workplace) -> Path:
    """Its text encoder lies where the config looks for it."""
    init_default_scope('mmdet')
    torch.manual_seed(0)
    folder = workplace / 'data/text/shapes'
    if not folder.exists():
        save_encoder_folder(train_tokenizer([CAPTION], 300), folder, layers=1, hidden_size=32, heads=2)
    cfg = Config.fromfile(CONFIG)
    cfg.model.text_encoder.name = str(folder)
    path = workplace / 'random_mdetr.pth'
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), path)
    return path


@pytest.fixture
def run(workplace, checkpoint, tmp_path, monkeypatch, capfd):
    """Run the tool in this process; returns its messages ('' if it went well), output and files."""

    def call(*arguments: object, config: str = CONFIG, weights: object = checkpoint) -> tuple[str, str, list[str]]:
        monkeypatch.chdir(workplace)
        argv = [TOOL, *arguments, '--config', config, '--checkpoint', weights, '--out', tmp_path / 'out',
                '--device', 'cpu']
        monkeypatch.setattr(sys, 'argv', list(map(str, argv)))
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(TOOL, run_name='__main__')
        captured = capfd.readouterr()
        files = sorted(path.name for path in (tmp_path / 'out').glob('*'))
        return captured.err if stopped.value.code else '', captured.out, files

    return call


def test_prints_the_boxes_and_draws_them(run, workplace, tmp_path):
    message, out, files = run(FIRST, CAPTION, '--threshold', '0')
    assert message == '' and files == ['000001.png']
    *lines, last = out.splitlines()
    assert len(lines) == 20 and '20 boxes' in last
    assert all(line.startswith(f'{FIRST}: ') and len(line.split('  ')[-1].split()) == 4 for line in lines)
    scores = [float(line.split('  ')[-2]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    original, drawn = cv2.imread(str(workplace / FIRST)), cv2.imread(str(tmp_path / 'out/000001.png'))
    scale = 640 / max(original.shape[:2])  # enlarged, with the caption below
    assert drawn.shape[0] > scale * original.shape[0] and drawn.shape[1] == round(scale * original.shape[1])


def test_json_is_all_that_is_printed(run):
    message, out, files = run(FIRST, SECOND, CAPTION, '--threshold', '0', '--json')
    assert message == '' and files == ['000001.png', '000002.png']
    first, second = json.loads(out)
    assert (first['image'], second['image'], second['caption']) == (FIRST, SECOND, CAPTION)
    for box in first['boxes']:
        assert box['phrase'] == ' ... '.join(CAPTION[begin:end] for begin, end in box['spans'])
        assert len(box['box']) == 4 and 0 <= box['score'] <= 1


def test_no_box_is_above_1(run):
    message, out, _ = run(FIRST, CAPTION, '--score-thr', '1')
    assert message == '' and out.startswith(f'{FIRST}: 0 boxes') and len(out.splitlines()) == 1


def test_images_that_cannot_be_read_are_named_and_the_others_done(run, tmp_path):
    (tmp_path / 'broken.png').write_bytes(b'no image')
    message, out, files = run(tmp_path / 'broken.png', 'missing.png', FIRST, CAPTION, '--threshold', '0')
    assert files == ['000001.png'] and '20 boxes' in out
    first, second = message.splitlines()[-2:]
    assert 'broken.png' in first and 'missing.png' in second
    assert all(line.startswith('ground.py: skipped ') for line in (first, second))


@pytest.mark.parametrize('arguments, options, message', [
    ((FIRST, '  '), {}, 'CAPTION is empty'),
    ((FIRST, CAPTION, '--score-thr', '7'), {}, '--score-thr should be from 0 to 1, got 7'),
    ((FIRST, CAPTION), dict(config='none.py'), 'there is no config file none.py'),
    ((FIRST, CAPTION), dict(weights='none.pth'), 'there is no checkpoint none.pth'),
    ((FIRST, CAPTION), dict(config=str(ROOT / 'configs/yolov9/yolov9t_shapes.py')), 'config of no MDETR'),
    ((FIRST, CAPTION, '--cfg-options', 'model.num_queries=7'), {}, 'does not fit the config'),
    ((FIRST, CAPTION, '--cfg-options', 'model.text_encoder.name=data/shapes'), {}, 'data/shapes'),
])
def test_errors_are_one_clear_line(run, arguments, options, message):
    status, out, files = run(*arguments, **options)
    assert message in status and 'Traceback' not in status and out == '' and files == []
    assert len([line for line in status.splitlines() if line.startswith('ground.py')]) == 1
