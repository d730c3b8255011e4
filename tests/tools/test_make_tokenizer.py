"""tools/data/make_tokenizer.py: what it reads, writes and prints, and what it refuses."""
import json
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from mmdet_ext.models.text_encoders import RobertaTextEncoder

TOOL = str(Path(__file__).resolve().parents[2] / 'tools' / 'data' / 'make_tokenizer.py')
CAPTIONS = ['a Red circle', 'two dogs and a Red cat', 'a Red circle', 'Red grass']


@pytest.fixture
def grounding(tmp_path) -> Path:
    file = tmp_path / 'grounding.json'
    images = [dict(id=index, caption=caption) for index, caption in enumerate(CAPTIONS)]
    file.write_text(json.dumps(dict(images=images, annotations=[], categories=[dict(id=1, name='object')])))
    return file


def test_captions_of_a_grounding_file_become_the_folder_of_a_text_encoder(in_process, call, grounding, tmp_path):
    options = ['--vocab-size', 280, '--layers', 1, '--hidden-size', 16, '--heads', 4]
    message, printed = in_process(TOOL, '--texts', grounding, '--out', tmp_path / 'a', *options)
    assert not message and '280 tokens from 3 texts' in printed and '1 layers, 16 wide' in printed
    assert 'ĠRed' in AutoTokenizer.from_pretrained(tmp_path / 'a').get_vocab()  # case is kept
    assert RobertaTextEncoder(str(tmp_path / 'a'), pretrained=False)(['a Red fox 🦊']).hidden.shape[2] == 16
    call(sys.executable, TOOL, '--texts', grounding, '--out', tmp_path / 'b', *options)  # in another process
    for path in (tmp_path / 'a').iterdir():
        assert path.read_bytes() == (tmp_path / 'b' / path.name).read_bytes()


def test_texts_may_come_from_several_files(in_process, grounding, tmp_path):
    (tmp_path / 'lines.txt').write_text('zebra zebra\n\nzebras\nRed grass\n')
    files = (grounding, tmp_path / 'lines.txt')
    message, printed = in_process(TOOL, '--texts', *files, '--out', tmp_path / 'a', '--vocab-size', 290)
    assert not message and 'from 5 texts' in printed
    assert {'zebra', 'ĠRed'} <= set(AutoTokenizer.from_pretrained(tmp_path / 'a').get_vocab())


@pytest.mark.parametrize('content, message', [
    ('{"images": [{"id": 3, "caption": "a"}, {"id": 4}]}', "entry 2 of 'images' has the caption None"),
    ('{"images": [{"id": 3, "caption": "a"}, 7]}', "entry 2 of 'images' has the caption None"),
    ('{"images"', 'is no JSON'),
    ('{"images": [{"id": 3}]}', 'neither COCO captions'),
])
def test_a_file_without_captions_is_an_error_in_one_line(in_process, tmp_path, content, message):
    file = tmp_path / 'wrong.json'
    file.write_text(content)
    end, _ = in_process(TOOL, '--texts', file, '--vocab-size', 300, '--out', tmp_path / 'out')
    assert str(file) in end and message in end and '\n' not in end and not (tmp_path / 'out').exists()


@pytest.mark.parametrize('options, message', [
    (['--texts', 'nowhere.txt'], 'there is no text file nowhere.txt'),
    (['--vocab-size', 200], 'vocab_size should be 261'),
    (['--hidden-size', 30], 'multiple of heads'),
    (['--out', Path(TOOL).parent], 'is there already'),
    (['--out', TOOL], 'is there already'),
])
def test_wrong_arguments_are_an_error_in_one_line(in_process, grounding, tmp_path, options, message):
    defaults = ['--texts', grounding, '--vocab-size', 300, '--out', tmp_path / 'out']
    end, _ = in_process(TOOL, *defaults, *options)
    assert message in end and '\n' not in end and not (tmp_path / 'out').exists()
