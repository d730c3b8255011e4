"""The words of the repository are those of the field, and names of variables say what they hold."""
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# What the test reads: files, and folders with all that is in them.
CHECKED = ['mmdet_ext', 'benchmarks', 'configs', 'tools', 'tests', 'docs', 'README.md', 'Makefile']
NAMED = ['mmdet_ext', 'benchmarks', 'configs', 'tools', 'tests']  # where names of variables are checked too
WORDS = {
    'picture': 'image',
    'no longer': 'what is so at present',
}
ALLOWED = {
    'mmdet_ext/shapes/folder.py': ["_IMAGES = 'pictures'"],  # a key of files that exist
}
NAMES = {'found', 'own', 'each', 'where', 'whole', 'places', 'numbers', 'ours', 'theirs', 'tmp', 'foo', 'stuff'}
SUFFIXES = {'.py', '.md', '.sh', '.yml', '.toml', '.txt', ''}


def files(entries: list[str]) -> Iterator[Path]:
    for entry in entries:
        path = ROOT / entry
        inside = sorted(path.rglob('*')) if path.is_dir() else [path]
        yield from (file for file in inside if file.is_file() and file.suffix in SUFFIXES and file != Path(__file__))


@pytest.mark.parametrize('word', WORDS)
def test_words_are_those_of_the_field(word):
    wrong = []
    for file in files(CHECKED):
        name = file.relative_to(ROOT).as_posix()
        for number, line in enumerate(file.read_text().splitlines(), 1):
            allowed = any(text in line for text in ALLOWED.get(name, ()))
            if re.search(word.replace(' ', r'\s+'), line, re.IGNORECASE) and not allowed:
                wrong.append(f'{name}:{number}: {line.strip()}')
    assert not wrong, f'{word}: say {WORDS[word]}\n' + '\n'.join(wrong)


def test_names_say_what_they_hold():
    wrong = []
    for file in files(NAMED):
        if file.suffix == '.py':
            for node in ast.walk(ast.parse(file.read_text())):
                name = node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else \
                    node.arg if isinstance(node, ast.arg) else ''
                if name in NAMES:
                    wrong.append(f'{file.relative_to(ROOT)}:{node.lineno}: {name}')
    assert not wrong, '\n'.join(wrong)
