"""Values of --cfg-options: as mmengine reads them, but with their spaces."""
from argparse import ArgumentParser

import pytest
from mmengine.config import DictAction

from mmdet_ext.config_options import ConfigOptions


def parse(value: str, action: type) -> object:
    parser = ArgumentParser()
    parser.add_argument('--options', nargs='+', action=action)
    return parser.parse_args(['--options', f'key={value}']).options['key']


@pytest.mark.parametrize('value', [
    '1', '1e-3', 'True', 'None', 'adam', '1,2', '[1,2]', '(1,2)', '(1)', '[a,b]', '[(1, 2, 3), [a, b], c]', '[]', '',
    "'1'", '"x"', "('a',)", '[0.1, 2]'])
def test_values_are_those_of_mmengine(value):
    read, expected = parse(value, ConfigOptions), parse(value, DictAction)
    assert read == expected and type(read) is type(expected)


@pytest.mark.parametrize('value, read', [
    ('/my images/train', '/my images/train'), ("'hot dog'", 'hot dog'), ("('hot dog', 'cat')", ('hot dog', 'cat')),
    ("['hot dog','cat']", ['hot dog', 'cat'])])
def test_spaces_stay(value, read):
    assert parse(value, ConfigOptions) == read


def test_names_with_a_space_stand_between_quotes(capsys):
    with pytest.raises(SystemExit):
        parse('(hot dog, cat)', ConfigOptions)
    assert 'a name with a space stands between quotes' in capsys.readouterr().err
