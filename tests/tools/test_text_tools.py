"""A TextYOLOv9 with random weights in tools/deploy.py, ground.py, predict.py and mmdet's inferencer."""
import json
from pathlib import Path

import pytest
import torch
from mmdet.apis import DetInferencer
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_ext.predict import Predictor
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

pytestmark = pytest.mark.usefixtures('shallow_blocks')

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / 'configs/text_yolov9/text_yolov9t_shapes.py')
IMAGE, TEXT = 'data/shapes/test/000001.png', 'red circle . star'
CLASSES = ('circle', 'square', 'triangle', 'star', 'cross', 'pentagon')


@pytest.fixture(scope='module')
def config(workplace) -> Config:
    folder = workplace / 'data/text/shapes'
    if not folder.exists():
        tokenizer = train_tokenizer(['a red circle and a star'], 300)
        save_encoder_folder(tokenizer, folder, layers=1, hidden_size=32, heads=2)
    cfg = Config.fromfile(CONFIG)
    cfg.model.text_encoder.name = str(folder)
    return cfg


@pytest.fixture(scope='module')
def checkpoint(config, workplace) -> Path:
    init_default_scope('mmdet')
    torch.manual_seed(0)
    model = MODELS.build(config.model)
    for module in model.modules():  # statistics as after training
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean, std=0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    for tower in model.bbox_head.class_towers:
        torch.nn.init.uniform_(tower[-1].weight, 2, 4)
    for bias in model.bbox_head.biases:
        torch.nn.init.constant_(bias, -1)
    path = workplace / 'random_words.pth'
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=CLASSES))), path)
    return path


def test_deployed_for_words_it_is_a_yolov9_that_finds_the_same(config, checkpoint, workplace, fork):
    out = workplace / 'deployed' / 'words.pth'
    printed = fork(ROOT / 'tools/deploy.py', CONFIG, checkpoint, out, '--classes', 'red circle, star', '--size', 64)
    plain = Config.fromfile(out.with_suffix('.py'))
    assert plain.model.type == 'PGIDetector' and plain.model.bbox_head.type == 'YOLOv9Head'
    assert plain.model.bbox_head.num_classes == 2 and 'text_encoder' not in plain.model
    assert plain.test_dataloader.dataset.metainfo.classes == ('red circle', 'star')
    deployed, asked = Predictor(plain, out), Predictor(config, checkpoint)
    assert f'{sum(value.numel() for value in deployed.model.parameters()):,}' in printed
    image = str(workplace / IMAGE)
    assert set(deployed(image).names) == {'red circle', 'star'} and set(asked(image).names) <= set(CLASSES)
    with torch.no_grad():
        outputs = [one.model.bbox_head.predictions(*one.model._forward(*one.collate([one.prepare(image, text)])))
                   for one, text in ((deployed, None), (asked, TEXT))]
    torch.testing.assert_close(*(output.class_logits.sigmoid() for output in outputs), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(*(output.boxes() for output in outputs), rtol=1e-3, atol=0.01)


def test_an_image_is_asked_for_phrases(config, checkpoint, workplace, fork, tmp_path):
    printed = fork(ROOT / 'tools/ground.py', IMAGE, TEXT, '--config', CONFIG, '--checkpoint', checkpoint, '--out',
                   tmp_path, '--json', '--score-thr', 0.1)
    result, = json.loads(printed[printed.index('[\n'):])
    assert {box['phrase'] for box in result['boxes']} <= {'red circle', 'star'} and len(result['boxes']) > 3
    assert (tmp_path / '000001.png').is_file()
    expected = Predictor(config, checkpoint)(str(workplace / IMAGE), texts=TEXT).above(0.1)
    assert [box['phrase'] for box in result['boxes']] == expected.names
    inferencer = DetInferencer(config.copy(), str(checkpoint), device='cpu', show_progress=False)
    for texts in (TEXT, [('red circle', 'star')]):
        answer, = inferencer(str(workplace / IMAGE), texts=texts)['predictions']
        assert [('red circle', 'star')[label] for label in answer['labels']][:len(expected)] == expected.names


@pytest.mark.parametrize('arguments, message', [
    (('--classes', 'cat, , dog'), "--classes should be names between commas, one is empty in ['cat', '', 'dog']"),
    (('--classes', 'cat, dog, cat'), "--classes should be different names between commas, got 'cat' in"),
    (('--classes', '(x)'), "nothing is left of the class name '(x)'")])
def test_wrong_classes_are_named(in_process, workplace, checkpoint, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(workplace)
    error, _ = in_process(str(ROOT / 'tools/deploy.py'), CONFIG, checkpoint, tmp_path / 'out.pth', *arguments)
    assert message in error and 'Traceback' not in error and list(tmp_path.iterdir()) == []


def test_learned_classes_cannot_be_replaced(in_process, tmp_path):
    config = Config.fromfile('configs/yolov9/yolov9t_shapes.py')
    path = tmp_path / 'yolov9.pth'
    torch.save(dict(state_dict=MODELS.build(config.model).state_dict()), path)
    error, _ = in_process('tools/deploy.py', 'configs/yolov9/yolov9t_shapes.py', path, tmp_path / 'out.pth',
                          '--classes', 'cat')
    assert '--classes is for a TextYOLOv9, whose classes are words; the classes of PGIDetector are learned' in error
