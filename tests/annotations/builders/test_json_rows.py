"""Rows of large json files."""
import json
from pathlib import Path

import msgspec
import pytest

from mmdet_ext.annotations.builders.json_rows import Box, JsonRows, Text, read_json


class Thing(msgspec.Struct):
    name: Text
    boxes: list[Box] = []


def write(folder: Path, text: str, encoding: str = 'utf-8') -> Path:
    (folder / 'a.json').write_bytes(text.encode(encoding))
    return folder / 'a.json'


def values(rows: JsonRows) -> list:
    return [value for _, _, value in rows]


@pytest.mark.parametrize('options', [{}, dict(indent=3), dict(ensure_ascii=False), dict(separators=(',', ':'))])
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig'])
def test_members_are_those_of_the_json_module(tmp_path, options, encoding):
    content = {'a': [1, 2.5e3, {'b': '"}]'}], 'é\n"': 'ü😀\\', 'n': 12345, 'empty': {}, 'none': None, 'last': -7}
    rows = JsonRows(write(tmp_path, f'\n {json.dumps(content, **options)}\n', encoding), object)
    assert {key: value for _, key, value in rows} == content and len(rows) == 6


def test_rows_are_those_of_the_table_or_of_the_whole_file(tmp_path):
    path = write(tmp_path, json.dumps(dict(info=[], rows=[1, 23, {'a': []}, 'x'], more=5)))
    assert values(JsonRows(path, object, 'rows')) == [1, 23, {'a': []}, 'x']
    assert values(JsonRows(path, object, 'info')) == []
    assert values(JsonRows(write(tmp_path, '[10, 200]'), int, 'rows')) == [10, 200]


def test_a_row_knows_its_key_and_how_to_name_it(tmp_path):
    path = write(tmp_path, '{"q1": {"name": "x", "more": 1}}')
    (location, key, value), = JsonRows(path, Thing, name='question {}')
    assert location == f'{path}: question q1' and key == 'q1' and value == Thing('x')


def test_numbers_keep_their_types(tmp_path):
    row, = values(JsonRows(write(tmp_path, '[[1, 2.5, 3, 4.0]]'), Box))
    assert [type(side) for side in row] == [int, float, int, float]


@pytest.mark.parametrize('text, message', [
    ('', 'truncated'), ('3', r'Expected object \| array, got int'), ('{"a": 1', 'truncated'), ('{"a": }', 'byte 6'),
    ('{"a" 1}', 'byte 5'), ('{"a": 1} x', 'trailing characters'), ('{"a": 1}{"a": 1}', 'trailing characters'),
    ('{"a": 1,}', 'byte 8'), ('{"a": NaN}', 'byte 6'),
])
def test_what_is_no_json_is_an_error_with_file_and_byte(tmp_path, text, message):
    with pytest.raises(ValueError, match=f'a.json.*{message}'):
        JsonRows(write(tmp_path, text), object)


@pytest.mark.parametrize('encoding', ['latin-1', 'utf-16'])
def test_another_encoding_is_an_error(tmp_path, encoding):
    with pytest.raises(ValueError, match=r'a.json.* is no json that can be read'):
        values(JsonRows(write(tmp_path, '["é"]', encoding), str))


@pytest.mark.parametrize('row, message', [
    ({}, 'row 1: Object missing required field name, got {}'), ('x', "row 1: Expected object, got str, got 'x'"),
    (dict(name=' '), "row 1: name: Expected str that is not blank, got ' '"),
    (dict(name='x', boxes=[[1, 2, 3, 4], [1, 2, True, 4]]), r'row 1: boxes\[1\]\[2\]: .* got bool, got True'),
    (dict(name='x', boxes=[[1, 2, 3]]), r'row 1: boxes\[0\]: Expected array of length 4, got \[1, 2, 3\]'),
])
def test_a_row_of_another_type_is_an_error_with_its_key_and_value(tmp_path, row, message):
    rows = JsonRows(write(tmp_path, json.dumps([dict(name='x'), row])), Thing)
    with pytest.raises(ValueError, match=f'a.json: {message}'):
        values(rows)


def test_a_file_without_the_table_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="a.json has no table 'rows'"):
        JsonRows(write(tmp_path, '{"other": [1]}'), int, 'rows')
    with pytest.raises(ValueError, match='a.json: rows: Expected array, got int, got 1'):
        JsonRows(write(tmp_path, '{"rows": 1}'), int, 'rows')


def test_a_file_read_whole_is_checked_too(tmp_path):
    assert read_json(write(tmp_path, '{"name": "x"}', 'utf-8-sig'), Thing) == Thing('x')
    with pytest.raises(ValueError, match='a.json: name: Expected str, got int, got 3'):
        read_json(write(tmp_path, '{"name": 3}'), Thing)
