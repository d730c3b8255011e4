"""Large json files, read one entry at a time."""
import json

import pytest
from mmdet_ext.datasets.builders import json_stream
from mmdet_ext.datasets.builders.json_stream import first_key, stream_items, stream_members

CONTENT = {'a': [1, 2.5e3, {'b': '"}]'}], 'é\n"': 'ü😀\\', 'n': 12345, 'empty': {}, 'none': None, 'last': -7}


@pytest.fixture(params=[1, 2, 3, 7, 1 << 20])
def chunk(request, monkeypatch) -> int:
    """Read in pieces that part numbers, characters and escapes."""
    monkeypatch.setattr(json_stream, '_CHUNK', request.param)
    return request.param


@pytest.mark.parametrize('options', [{}, dict(indent=3), dict(ensure_ascii=False), dict(separators=(',', ':'))])
def test_members_are_those_of_the_json_module(tmp_path, chunk, options):
    path = tmp_path / 'a.json'
    path.write_text('\n ' + json.dumps(CONTENT, **options) + '\n', encoding='utf-8')
    sizes = []
    assert dict(stream_members(path, on_bytes=sizes.append)) == CONTENT
    assert sum(sizes) == path.stat().st_size


def test_items_are_those_of_the_key_or_of_the_whole(tmp_path, chunk):
    path = tmp_path / 'a.json'
    path.write_text(json.dumps(dict(info=[], rows=[1, 23, {'a': []}, 'x'], more=5)))
    assert list(stream_items(path, 'rows')) == [1, 23, {'a': []}, 'x']
    assert list(stream_items(path, 'info')) == []
    assert first_key(path, ('more', 'rows')) == 'rows'
    path.write_text('[10, 200]')
    assert list(stream_items(path, 'rows')) == [10, 200]


def test_entries_come_before_the_file_is_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(json_stream, '_CHUNK', 100)
    path = tmp_path / 'a.json'
    path.write_text(json.dumps({str(place): 'x' * 20 for place in range(1000)}))
    sizes = []
    next(stream_members(path, on_bytes=sizes.append))
    assert sum(sizes) == 100


@pytest.mark.parametrize('text, message', [
    ('', "{ should stand where the end is"), ('[1]', "{ should stand where '\\[' is"),
    ('{"a": 1', ', or } should stand'),
    ('{"a": }', 'Expecting value'), ('{"a" 1}', ': should stand'), ('{a: 1}', 'a key in quotation marks'),
    ('{"a": 1} x', 'the end of the file'), ('{"a": "\xff"}', 'not UTF-8'), ('{"a": 1,}', 'a key in quotation marks'),
    ('{"a": "x', 'Unterminated string'),
])
def test_what_is_no_json_is_an_error_with_file_and_place(tmp_path, chunk, text, message):
    path = tmp_path / 'a.json'
    path.write_bytes(text.encode('latin-1'))
    with pytest.raises(ValueError, match=f'a.json is no json that can be read: at about byte \\d+, .*{message}'):
        list(stream_members(path))


def test_a_file_without_the_array_is_an_error(tmp_path):
    path = tmp_path / 'a.json'
    path.write_text('{"other": [1]}')
    with pytest.raises(ValueError, match="a.json has no array 'rows'"):
        list(stream_items(path, 'rows'))
    with pytest.raises(ValueError, match='a.json has none of more, rows'):
        first_key(path, ('rows', 'more'))
