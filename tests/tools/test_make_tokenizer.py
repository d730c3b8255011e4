"""tools/data/make_tokenizer.py: what it reads, writes and prints, and what it refuses."""
import json
import runpy
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from mmdet_ext.models.text_encoders import RobertaTextEncoder

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'data' / 'make_tokenizer.py'
CAPTIONS = ['a Red circle', 'two dogs and a Red cat', 'a Red circle', 'Red grass']


@pytest.fixture
def tool(monkeypatch, capfd):
    """Call the tool in this process; returns its exit code or line, and what it printed."""

    def run(*arguments: object) -> tuple[int | str | None, str]:
        monkeypatch.setattr(sys, 'argv', ['tools/data/make_tokenizer.py', *map(str, arguments)])
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
            code = None
        except SystemExit as error:
            code = error.code
        return code, ''.join(capfd.readouterr())

    return run


@pytest.fixture
def grounding(tmp_path) -> Path:
    file = tmp_path / 'grounding.json'
    images = [dict(id=index, caption=caption) for index, caption in enumerate(CAPTIONS)]
    file.write_text(json.dumps(dict(images=images, annotations=[], categories=[dict(id=1, name='object')])))
    return file


def test_captions_of_a_grounding_file_become_the_folder_of_a_text_encoder(tool, call, grounding, tmp_path):
    options = ['--vocab-size', 280, '--layers', 1, '--hidden-size', 16, '--heads', 4]
    code, printed = tool('--texts', grounding, '--out', tmp_path / 'a', *options)
    assert code is None and '280 tokens from 3 texts' in printed and '1 layers, 16 wide' in printed
    assert 'ĠRed' in AutoTokenizer.from_pretrained(tmp_path / 'a').get_vocab()  # case is kept
    assert RobertaTextEncoder(str(tmp_path / 'a'), pretrained=False)(['a Red fox 🦊']).hidden.shape[2] == 16
    call(sys.executable, TOOL, '--texts', grounding, '--out', tmp_path / 'b', *options)  # in another process
    for path in (tmp_path / 'a').iterdir():
        assert path.read_bytes() == (tmp_path / 'b' / path.name).read_bytes()


def test_texts_may_come_from_several_files(tool, grounding, tmp_path):
    (tmp_path / 'lines.txt').write_text('zebra zebra\n\nzebras\nRed grass\n')
    code, printed = tool('--texts', grounding, tmp_path / 'lines.txt', '--out', tmp_path / 'a', '--vocab-size', 290)
    assert code is None and 'from 5 texts' in printed
    assert {'zebra', 'ĠRed'} <= set(AutoTokenizer.from_pretrained(tmp_path / 'a').get_vocab())


@pytest.mark.parametrize('content, message', [
    ('{"images": [{"id": 3, "caption": "a"}, {"id": 4}]}', 'image 4 has the caption None'),
    ('{"images"', 'is no JSON'),
    ('{"images": [{"id": 3}]}', 'neither COCO captions'),
])
def test_a_file_without_captions_is_an_error_in_one_line(tool, tmp_path, content, message):
    file = tmp_path / 'wrong.json'
    file.write_text(content)
    code, _ = tool('--texts', file, '--vocab-size', 300, '--out', tmp_path / 'out')
    assert str(file) in code and message in code and '\n' not in code and not (tmp_path / 'out').exists()


@pytest.mark.parametrize('options, message', [
    (['--texts', 'nowhere.txt'], 'there is no text file nowhere.txt'),
    (['--vocab-size', 200], 'vocab_size should be 261'),
    (['--hidden-size', 30], 'multiple of heads'),
    (['--out', TOOL.parent], 'is there already'),
    (['--out', TOOL], 'is there already'),
])
def test_wrong_arguments_are_an_error_in_one_line(tool, grounding, tmp_path, options, message):
    defaults = ['--texts', grounding, '--vocab-size', 300, '--out', tmp_path / 'out']
    code, _ = tool(*defaults, *options)
    assert message in code and '\n' not in code and not (tmp_path / 'out').exists()
