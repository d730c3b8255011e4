"""The commands that README and docs show: each exists, takes these arguments, and is run by a test.

Arguments are parsed by the tool itself. A command that needs data or files that this repository cannot make stands
below a comment `<!-- needs: ... -->`, which readers of the source see.
"""
import argparse
import re
import runpy
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ['README.md', *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'docs').glob('*.md'))]
PROGRAMS = ('python', 'mim', 'make', 'tools/', 'bash')
# Configs of these data sets cannot run here.
ABSENT = re.compile(r'_coco\.py|_coco1?0?0?\.py|flickr30k|gqa|lvis|refcoco|phrasecut|clevr|pretrain')
PRESENT = re.compile(r'coco128|shapes')
NEEDS = re.compile(r'<!-- needs: .+ -->')
TESTS = {path: path.read_text() for path in (ROOT / 'tests').rglob('test_*.py') if path != Path(__file__)}


@dataclass(frozen=True)
class Command:
    page: str
    line: int
    text: str
    marked: bool

    @property
    def words(self) -> list[str]:
        words = [word for word in shlex.split(self.text, comments=True) if word not in ('...', '[...]')]
        while words and re.fullmatch(r'[A-Z][A-Z_0-9]*=\S*', words[0]):
            words = words[1:]
        return words


def commands_of(page: str) -> list[Command]:
    """Commands in indented and fenced blocks, and between backticks."""
    commands, marked, blank = [], False, True
    text = (ROOT / page).read_text()
    joined = re.sub(r'(?:\\\n[^\n]*?)+(?<!\\)$',
                    lambda lines: lines[0].replace('\\\n', ' ') + '\n' * lines[0].count('\n'), text, flags=re.MULTILINE)
    for number, line in enumerate(joined.split('\n'), 1):
        if NEEDS.search(line):
            marked = True
        elif line.startswith('    ') or line.startswith(PROGRAMS):
            stripped = re.sub(r'^[A-Z][A-Z_0-9]*=\S*\s+', '', line.strip())
            if stripped.startswith(PROGRAMS) and not line.lstrip().startswith('tools/  '):
                commands.append(Command(page, number, line.strip(), marked))
        elif line.strip() and not line.startswith('```'):
            marked = False
            inline = re.findall(r'`((?:python|mim|make) [^`]+)`', line)
            commands += [Command(page, number, words, True) for words in inline]
        blank = not line.strip()
    return [command for command in commands if len(command.words) > 1 or not blank]


COMMANDS = [command for page in PAGES for command in commands_of(page)]


def tool_and_arguments(words: list[str]) -> tuple[Path, list[str]] | None:
    """The tool of this repository that a command runs."""
    if words[0] == 'mim':
        if words[1:2] == ['run'] and len(words) > 3:
            return ROOT / 'tools' / f'{words[3]}.py', words[4:]
        if words[1:2] in (['train'], ['test']) and len(words) > 3:
            rest = [word for word in words[3:] if word != '--checkpoint']
            return ROOT / 'tools' / f'{words[1]}.py', rest
        return None
    if words[0] == 'python' and words[1].startswith('tools/'):
        return ROOT / words[1], words[2:]
    module = next((word for word in words if word.startswith('mmdet_ext.tools.')), None)
    if words[0] == 'python' and module:
        return module_file(module), words[words.index(module) + 1:]
    return None


def module_file(module: str) -> Path:
    """The file that `python -m` runs, if it has one."""
    path = ROOT / module.removeprefix('mmdet_ext.' if '.tools.' in module else '').replace('.', '/')
    return path / '__main__.py' if path.is_dir() else path.with_suffix('.py')


# `mim run mmdet_ext predict` alone is the name of a command
TOOLS = [command for command in COMMANDS if (tool_and_arguments(command.words) or ('', ''))[1]]


class Parsed(Exception):
    """The tool has taken its arguments."""


def test_there_are_commands():
    assert len(TOOLS) > 60


@pytest.mark.parametrize('command', TOOLS, ids=lambda command: f'{command.page}:{command.line}')
def test_the_tool_takes_the_arguments(command, monkeypatch, capsys):
    tool, arguments = tool_and_arguments(command.words)
    parse = argparse.ArgumentParser.parse_args

    def parse_only(self: argparse.ArgumentParser, *values: object) -> None:
        parse(self, *values)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', parse_only)
    monkeypatch.setattr('sys.argv', [str(tool), *arguments])
    try:
        runpy.run_path(str(tool), run_name='__main__')
    except Parsed:
        return
    except SystemExit:
        message = capsys.readouterr().err
        if not (command.marked and 'there is no ' in message):  # the absent data
            pytest.fail(f'{command.text}\n{message}')
        return
    pytest.fail(f'{tool.name} parses no arguments')


@pytest.mark.parametrize('tool', sorted({tool_and_arguments(command.words)[0].name for command in TOOLS}))
def test_the_tool_is_run_by_a_test(tool):
    stem = tool.removesuffix('.py')
    assert any(re.search(rf"['/]{re.escape(stem)}(\.py)?['\"]", text) for text in TESTS.values())


def test_targets_of_make_exist():
    targets = set(re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE))
    named = {word for command in COMMANDS if command.words[0] == 'make' for word in command.words[1:]
             if '=' not in word}
    assert named - targets == set() and len(named) > 5


def test_scripts_exist():
    scripts = {word for command in COMMANDS for word in command.words if word.endswith('.sh')}
    assert len(scripts) > 3 and all((ROOT / script).exists() for script in scripts)


def test_modules_that_are_run_exist_and_are_tested():
    modules = {command.words[2] for command in COMMANDS if command.words[:2] == ['python', '-m']
               and command.words[2].startswith('mmdet_ext')}
    for module in modules:
        assert module_file(module).exists(), module
        assert '.tools.' in module or any(module in text for text in TESTS.values()), module


@pytest.mark.parametrize('page', PAGES)
def test_commands_that_need_absent_data_are_marked(page):
    configs = [(command, word) for command in COMMANDS if command.page == page and not command.marked
               for word in command.words if word.startswith('configs/')]
    assert [command.text for command, word in configs if ABSENT.search(word) and not PRESENT.search(word)] == []
