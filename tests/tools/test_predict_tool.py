"""tools/predict.py with a YOLOv9 and an MDETR with random weights, and its messages."""
import json
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config

from mmdet_ext.predict import Predictor
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

pytestmark = pytest.mark.usefixtures('shallow_blocks')

ROOT = Path(__file__).resolve().parents[2]
TOOL, CONFIG = str(ROOT / 'tools/predict.py'), str(ROOT / 'configs/yolov9/yolov9t_shapes.py')
MDETR, CAPTION = str(ROOT / 'configs/mdetr/mdetr_r18_shapes.py'), 'a red circle and a star'


@pytest.fixture
def run(workplace, random_checkpoint, tmp_path, monkeypatch, in_process):
    """Run the tool in the workplace; returns its message at the exit and what it printed."""

    def call(*arguments: object, config: object = CONFIG, weights: object = random_checkpoint) -> tuple[str, str]:
        monkeypatch.chdir(workplace)
        model = [config] if weights is None else [config, weights]
        return in_process(TOOL, *model, *arguments, '--out', tmp_path / 'out')

    return call


def test_it_writes_what_the_predictor_finds(run, random_checkpoint, workplace, tmp_path):
    message, out = run('data/shapes/test', '--save', 'drawn', 'coco', '--device', 'cpu', '--batch-size', '2',
                       '--score-thr', '0', '--cfg-options', 'model.test_cfg.score_thr=0',
                       'model.test_cfg.max_per_img=7')
    assert message == '' and out.startswith('4 images, 28 objects, ')
    predictor = Predictor(CONFIG, random_checkpoint, 'cpu', deployed=False, cfg_options={
        'model.test_cfg.score_thr': 0, 'model.test_cfg.max_per_img': 7})
    results = json.loads((tmp_path / 'out/results.json').read_text())
    expected = predictor(str(workplace / 'data/shapes/test/000002.png'))
    scores = [row['score'] for row in results if row['image_id'] == 2]
    assert scores == pytest.approx(expected.scores.tolist(), abs=1e-4)
    assert len(list((tmp_path / 'out/drawn').iterdir())) == 4


def test_slices_and_classes(run, tmp_path):
    message, out = run('data/shapes/test/000001.png', '--save', 'csv', '--classes', 'star', 'cross', '--slice', '100',
                       '--score-thr', '0')
    assert message == '' and out.startswith('1 images, ')
    rows = (tmp_path / 'out/detections.csv').read_text().splitlines()[1:]
    assert rows and {row.split(',')[4] for row in rows} <= {'star', 'cross'}


def test_mdetr_looks_for_a_caption(run, workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(workplace)
    folder = workplace / 'data/text/shapes'
    if not folder.exists():
        save_encoder_folder(train_tokenizer([CAPTION], 300), folder, layers=1, hidden_size=32, heads=2)
    cfg = Config.fromfile(MDETR)
    cfg.model.text_encoder.name = str(folder)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'mdetr.pth')
    arguments = ('data/shapes/test/000001.png', '--save', 'drawn', 'csv', '--score-thr', '0')
    message, _ = run(*arguments, config=MDETR, weights=tmp_path / 'mdetr.pth')
    assert 'texts is missing: MDETR looks for what a caption names' in message
    message, out = run(*arguments, '--text', CAPTION, config=MDETR, weights=tmp_path / 'mdetr.pth')
    assert message == '' and out.startswith('1 images, 20 objects, ')
    assert CAPTION in (tmp_path / 'out/detections.csv').read_text()


@pytest.mark.parametrize('arguments, message', [
    ((), 'SOURCE is missing'),
    (('missing.png', ), 'there is no image, video or folder missing.png'),
    (('data/shapes/test', '--score-thr', '1.5'), '--score-thr should be from 0 to below 1, got 1.5'),
    (('data/shapes/test', '--batch-size', '0'), '--batch-size should be at least 1, got 0'),
    (('data/shapes/test', '--save', 'mot'), '--save mot writes tracks: it needs --track'),
    (('data/shapes/test', '--resume', '--overwrite'), 'give one of them'),
    (('data/shapes/test', '--ann-file', 'a.json'), '--ann-file is for --save coco'),
    (('data/shapes/test', '--slice', '8'), '--slice should be at least 32 pixels, got 8'),
    (('data/shapes/test', '--overlap', '0.5'), '--overlap is for --slice'),
    (('data/shapes/test', '--save', 'none', 'csv'), '--save none goes with no other form, got none csv'),
    (('data/shapes/test', '--cfg-options', 'a'), "should be KEY=VALUE, got 'a'"),
    (('data/shapes/test', '--text', 'a cat'), "takes none, got 'a cat'"),
])
def test_wrong_arguments_are_named(run, arguments, message):
    assert message in run(*arguments)[0]


def test_a_missing_checkpoint_is_named_and_leaves_no_folder(run, tmp_path):
    assert 'there is no checkpoint nowhere.pth' in run('data/shapes/test', weights='nowhere.pth')[0]
    assert 'should be its CHECKPOINT, but data/shapes/test is a folder' in run(weights='data/shapes/test')[0]
    assert not (tmp_path / 'out').exists()
