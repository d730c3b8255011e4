"""The tools of grounding in clumsy hands: wrong files and fields end in one clear line each, never in a traceback."""
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

ROOT = Path(__file__).resolve().parents[2]
DATA, GROUND = ROOT / 'tools/data', ROOT / 'tools/ground.py'
CONFIG = ROOT / 'configs/mdetr/mdetr_r18_shapes.py'
IMAGE_FILE = 'data/shapes/test/000001.png'
IMAGE = dict(id=1, file_name='a.png', height=80, width=100, caption='a red star')
ROW = dict(id=1, image_id=1, category_id=1, bbox=[1, 2, 3, 4], tokens_positive=[[0, 5]])
CLASS = dict(id=1, name='star')


@pytest.fixture
def write(tmp_path):
    def write(**tables: object) -> Path:
        content = dict(dict(images=[IMAGE], annotations=[ROW], categories=[CLASS]), **tables)
        (tmp_path / 'in.json').write_text(json.dumps(content))
        return tmp_path / 'in.json'

    return write


@pytest.mark.parametrize('tables, message', [
    (dict(annotations=None), 'annotations should be a list'),
    (dict(images=[IMAGE | dict(height='80')]), "row 0 of images (id 1): height should be a number, got '80'"),
    (dict(annotations=[ROW | dict(image_id='1')]), "image_id should be one of the ids of images, 1, got '1'"),
])
def test_what_is_wrong_with_a_coco_file_is_named(in_process, write, tmp_path, tables, message):
    err, _ = in_process(str(DATA / 'coco_to_grounding.py'), write(**tables), '--out', tmp_path / 'out.json')
    assert 'in.json: ' in err and message in err and '\n' not in err and not (tmp_path / 'out.json').exists()


def test_boxes_that_are_left_out_are_told(write, tmp_path, monkeypatch, capfd):
    rows = [ROW | dict(bbox=[1, 2, 3]), ROW | dict(id=2, bbox=['1', '2', '3', '4']), ROW | dict(id=4)]
    arguments = ['coco_to_grounding.py', write(annotations=rows), '--out', tmp_path / 'out.json']
    monkeypatch.setattr(sys, 'argv', list(map(str, arguments)))
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(DATA / 'coco_to_grounding.py'), run_name='__main__')
    assert end.value.code is None
    out = ''.join(capfd.readouterr())
    assert '2 annotations are left out. The first: annotation 1 of a.png: bbox [1, 2, 3] is not four' in out
    assert [row['id'] for row in json.loads((tmp_path / 'out.json').read_text())['annotations']] == [4]


@pytest.mark.parametrize('tables, message', [
    (dict(images=[5]), 'row 0 of images should be an object'),
    (dict(images=[IMAGE | dict(data_source=['x'])]), "row 0 of images (id 1): data_source should be a text, got ['x']"),
    (dict(annotations=[ROW | dict(image_id=[1])]), 'image_id should be a whole number or a text, got [1]'),
])
def test_what_keeps_a_grounding_file_from_being_checked_is_named(in_process, write, tmp_path, tables, message):
    err, _ = in_process(str(DATA / 'check_grounding.py'), write(**tables), '--images', tmp_path)
    assert 'in.json: ' in err and message in err and '\n' not in err


def test_a_tokenizer_that_is_torn_or_none_is_one_line(in_process, write, tmp_path):
    (tmp_path / 'torn').mkdir()
    (tmp_path / 'torn/tokenizer.json').write_text('{')
    for folder in ('torn', '.'):
        outcome, _ = in_process(str(DATA / 'check_grounding.py'), write(), '--tokenizer', tmp_path / folder)
        assert f'--tokenizer={tmp_path / folder}' in outcome and '\n' not in outcome


@pytest.mark.parametrize('tool', ['coco_to_grounding.py', 'check_grounding.py', 'make_tokenizer.py'])
@pytest.mark.parametrize('content', [b'', b'\xff\xfe\x00', b'{"images": {"a": 1}}', b'{"images": [1]}', None])
def test_files_that_are_no_annotations_are_named(in_process, tmp_path, tool, content):
    file = tmp_path / 'in.json'
    if content is not None:
        file.write_bytes(content)
    out = ['--out', tmp_path / 'out']
    arguments = {'coco_to_grounding.py': [file, *out], 'check_grounding.py': [file],
                 'make_tokenizer.py': ['--texts', file, '--vocab-size', 270, *out]}[tool]
    outcome, _ = in_process(str(DATA / tool), *arguments)
    assert outcome.startswith(f'{tool}: ') and str(file) in outcome and '\n' not in outcome.strip()
    assert not (tmp_path / 'out').exists()


def test_captions_of_a_wrong_kind_are_named(in_process, write, tmp_path):
    file = write(images=[IMAGE, 5])
    outcome, _ = in_process(str(DATA / 'make_tokenizer.py'), '--texts', file, '--vocab-size', 270, '--out',
                            tmp_path / 'out')
    assert f"{file}: entry 2 of 'images' has the caption None, should be a text" in outcome and '\n' not in outcome


@pytest.fixture(scope='module')
def checkpoint(workplace) -> Path:
    init_default_scope('mmdet')
    folder = workplace / 'data/text/shapes'
    if not folder.exists():
        save_encoder_folder(train_tokenizer(['a red circle'], 300), folder, layers=1, hidden_size=32, heads=2)
    cfg = Config.fromfile(CONFIG)
    cfg.model.text_encoder.name = str(folder)
    path = workplace / 'mdetr_of_clumsy.pth'
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), path)
    return path


@pytest.fixture
def ground(in_process, workplace, checkpoint, tmp_path, monkeypatch):
    def run(*arguments: object, config: object = CONFIG, weights: object = checkpoint) -> str:
        monkeypatch.chdir(workplace)
        message, out = in_process(str(GROUND), *(arguments or (IMAGE_FILE, 'a red circle')), '--config', config,
                                  '--checkpoint', weights, '--out', tmp_path / 'out', '--device', 'cpu')
        assert out == '' and not list((tmp_path / 'out').glob('*'))
        return message

    return run


@pytest.mark.parametrize('content, message', [
    (dict(state_dict={'backbone.stem.weight': torch.zeros(2)}), 'is of another model: MDETR knows no tensor of it'),
    (dict(epoch=3), 'is no checkpoint of a model: a state dict is names and tensors'),
    ([1, 2], 'is no checkpoint of a model, but holds a list'),
    (torch.zeros(2), 'is no checkpoint of a model, but holds a Tensor'),
])
def test_a_checkpoint_of_something_else_is_refused(ground, tmp_path, content, message):
    torch.save(content, tmp_path / 'other.pth')
    outcome = ground(weights=tmp_path / 'other.pth')
    assert f'{tmp_path}/other.pth {message}' in outcome and '\n' not in outcome


@pytest.mark.parametrize('content, message', [
    ('model = dict(', "SyntaxError: '(' was never closed"),
    ('a = 1', 'is the config of no MDETR and no TextYOLOv9: model.type is None'),
    ('model = dict(type="RetinaNet")', 'is the config of no MDETR and no TextYOLOv9: model.type is RetinaNet'),
    ('model = dict(type="NoSuchThing")', 'is the config of no MDETR and no TextYOLOv9: model.type is NoSuchThing'),
])
def test_a_config_of_something_else_is_refused(ground, tmp_path, content, message):
    (tmp_path / 'other.py').write_text(content)
    outcome = ground(config=tmp_path / 'other.py')
    assert f'{tmp_path}/other.py' in outcome and message in outcome and '\n' not in outcome


def test_an_argument_that_the_model_has_not_is_named_with_its_config(ground):
    outcome = ground(IMAGE_FILE, 'a star', '--cfg-options', 'model.nonsense=1')
    assert f'{CONFIG}: ' in outcome and "'nonsense'" in outcome and '\n' not in outcome


def test_folders_and_long_captions_are_skipped_with_a_reason(ground):
    assert 'skipped data/shapes/test: ' in ground('data/shapes/test', 'a star')
    assert f"skipped {IMAGE_FILE}: the caption 'cat cat" in ground(IMAGE_FILE, 'cat ' * 400)


def test_out_must_be_a_folder(in_process, tmp_path):
    (tmp_path / 'file').touch()
    outcome, _ = in_process(str(GROUND), IMAGE_FILE, 'a star', '--config', CONFIG, '--checkpoint', 'k', '--out',
                            tmp_path / 'file')
    assert f'--out {tmp_path}/file is a file, should be a folder' in outcome
