"""tools/data/coco_to_grounding.py and tools/data/check_grounding.py on a small Shapes set."""
import json
import re
import runpy
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from mmdet_ext.shapes import ShapesConfig, make_shapes

TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'data'


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp('grounding') / 'shapes'
    make_shapes(out, ShapesConfig(train=6, val=2, test=0, sizes=((64, 64), )))
    return out


@pytest.fixture
def tool(monkeypatch, tmp_path):
    """Runs a tool in this process; the exit code or message of what ended it, None at success."""

    def run(name, *args) -> int | str | None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [name, *map(str, args)])
        try:
            runpy.run_path(str(TOOLS / name), run_name='__main__')
        except SystemExit as end:
            return end.code

    return run


@pytest.fixture
def broken(shapes, tmp_path):
    """Change the content of grounding_train.json; returns the new file."""

    def change(**edits) -> Path:
        content = json.loads((shapes / 'annotations' / 'grounding_train.json').read_text())
        for table, fields in edits.items():
            content[table][0].update(fields)
        (tmp_path / 'broken.json').write_text(json.dumps(content))
        return tmp_path / 'broken.json'

    return change


@pytest.fixture
def tokenizer(tmp_path) -> Path:
    """A tokenizer that makes each word one token."""
    made = Tokenizer(models.WordLevel({'[UNK]': 0, 'a': 1}, unk_token='[UNK]'))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token='[UNK]').save_pretrained(tmp_path / 'tokenizer')
    return tmp_path / 'tokenizer'


def test_shapes_has_nothing_wrong(tool, shapes, tokenizer, capsys):
    for kind in ('grounding', 'refexp'):
        for split in ('train', 'val'):
            file = shapes / 'annotations' / f'{kind}_{split}.json'
            assert tool('check_grounding.py', file, '--images', shapes / split, '--tokenizer', tokenizer) == 0
    assert capsys.readouterr().out.count('nothing wrong') == 4


@pytest.mark.parametrize('edits, kind', [
    (dict(annotations=dict(tokens_positive=[[0, 900]])), 'bad span'),
    (dict(annotations=dict(image_id=900)), 'unknown image'),
    (dict(annotations=dict(bbox=[0, 0, 0, 0])), 'bad box'),
    (dict(images=dict(caption=None)), 'caption missing'),
    (dict(images=dict(file_name='gone.png')), 'file missing'),
    (dict(images=dict(caption='word ' * 300)), 'caption too long'),
])
def test_what_is_wrong_is_told_and_the_exit_code_is_1(tool, shapes, broken, tokenizer, capsys, edits, kind):
    assert tool('check_grounding.py', broken(**edits), '--images', shapes / 'train', '--tokenizer', tokenizer) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f'{kind}: image ') for line in lines)
    assert any(line.split(maxsplit=1)[1:] == [kind] for line in lines)  # with its count


def test_no_more_than_show_problems_of_a_kind_are_shown(tool, shapes, capsys):
    content = shapes / 'annotations' / 'instances_train.json'
    assert tool('check_grounding.py', content, '--show', 2) == 1
    out = capsys.readouterr().out
    assert out.count('caption missing: ') == 2 and '6  caption missing (2 shown)' in out


@pytest.mark.parametrize('args, message', [
    (('gone.json', ), 'check_grounding.py: error: .*gone.json'),
    (('text.json', ), 'check_grounding.py: error: text.json: line 1, column 1 .* Expecting value'),
    (('list.json', ), 'list.json is no annotation file'),
    (('good.json', '--tokenizer', 'nowhere'), '--tokenizer: there is no folder nowhere'),
])
def test_what_cannot_be_checked_is_one_line_and_the_exit_status_2(tool, tmp_path, broken, capsys, args, message):
    (tmp_path / 'text.json').write_text('no json')
    (tmp_path / 'list.json').write_text('[]')
    broken().rename(tmp_path / 'good.json')
    assert tool('check_grounding.py', *args) == 2
    line, = capsys.readouterr().err.splitlines()
    assert re.search(message, line)


@pytest.mark.parametrize('args, message', [
    (('--images', 'nowhere'), 'there is no folder nowhere'),
    (('--images', '.', '.'), '--images names a folder twice'),
    (('--show', '-1'), '--show should be at least 0, got -1'),
])
def test_bad_arguments_are_refused_before_the_file_is_read(tool, capsys, args, message):
    assert tool('check_grounding.py', 'gone.json', *args) == 2
    assert message in capsys.readouterr().err


def test_coco_becomes_captions_that_have_nothing_wrong(tool, shapes, tmp_path, capsys):
    source = shapes / 'annotations' / 'instances_train.json'
    assert tool('coco_to_grounding.py', source, '--out', 'new/one.json') is None
    assert 'wrote new/one.json: 6 captions (0 of images without objects)' in capsys.readouterr().out
    assert tool('check_grounding.py', tmp_path / 'new/one.json', '--images', shapes / 'train') == 0
    assert tool('coco_to_grounding.py', source, '--out', 'two.json') is None
    assert (tmp_path / 'new/one.json').read_bytes() == (tmp_path / 'two.json').read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['new', 'two.json']


def test_a_file_is_replaced_on_request_only(tool, shapes, tmp_path, capsys):
    (tmp_path / 'out.json').write_text('dear')
    args = ('coco_to_grounding.py', shapes / 'annotations' / 'instances_val.json', '--out', 'out.json')
    assert tool(*args) == 2 and 'out.json is there already' in capsys.readouterr().err
    assert (tmp_path / 'out.json').read_text() == 'dear'
    assert tool(*args, '--overwrite', '--dataset-name', 'mine') is None
    assert json.loads((tmp_path / 'out.json').read_text())['images'][0]['dataset_name'] == 'mine'


@pytest.mark.parametrize('content, message', [
    (None, 'No such file'),
    ('no json', 'in.json: line 1, column 1 (byte 0) is no valid json: Expecting value'),
    ('[]', 'in.json is no annotation file'),
    ('{"images": []}', "in.json: 'images' is missing or empty"),
    ('{"images": [{}], "categories": [{"id": 1}]}', 'in.json: row 0 of images has no id'),
])
def test_what_is_no_coco_file_is_one_line(tool, tmp_path, capsys, content, message):
    if content is not None:
        (tmp_path / 'in.json').write_text(content)
    assert tool('coco_to_grounding.py', 'in.json', '--out', 'out.json') == 2
    line, = capsys.readouterr().err.splitlines()
    assert message in line and not (tmp_path / 'out.json').exists()
