"""The documentation is true: its programs run, and the files and packages that it names exist."""
import doctest
import re
from pathlib import Path

import pytest
from test_imports import ORDER

ROOT = Path(__file__).resolve().parents[1]
PAGES = ['README.md', *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / 'docs').glob('*.md'))]
ARCHITECTURE = ROOT / 'docs' / 'architecture.md'


def alternatives(pattern: str) -> list[str]:
    """'a{b,c}d' -> ['abd', 'acd']."""
    match = re.search(r'\{([^}]*)\}', pattern)
    if not match:
        return [pattern]
    return [name for option in match[1].split(',')
            for name in alternatives(pattern[:match.start()] + option + pattern[match.end():])]


def test_architecture_md_prints_what_it_shows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # which also brings the tests back from the folder that the page goes to
    results = doctest.testfile(str(ARCHITECTURE), module_relative=False, encoding='utf-8')
    assert results.attempted > 50 and results.failed == 0


def test_architecture_md_lists_the_packages_in_the_order_of_their_imports():
    rows = re.findall(r'^\| (`[^|]*`) \|', ARCHITECTURE.read_text().partition('## The files')[0], flags=re.MULTILINE)
    listed = [[name.strip('` ') for name in row.split(',')] for row in rows[::-1]]
    assert list(map(sorted, listed)) == list(map(sorted, ORDER))


@pytest.mark.parametrize('page', PAGES)
def test_files_that_a_page_names_exist(page):
    text = (ROOT / page).read_text()
    named = re.findall(r'(?<![\w/.])(?:mmdet_ext|configs|tools|tests|docs)/[\w./*+{},-]*', text)
    patterns = {option.rstrip('.,') for name in named for option in alternatives(name)}
    missing = [pattern for pattern in patterns if not list(ROOT.glob(pattern.rstrip('/')))]
    assert missing == []


def test_modules_that_architecture_md_names_by_the_end_of_their_path_exist():
    modules = [path.as_posix() for path in (ROOT / 'mmdet_ext').rglob('*.py')]
    named = re.findall(r'`([a-z_][\w/]*\.py)`', ARCHITECTURE.read_text())
    files = [name for name in named if not name.startswith(('tests/', 'tools/', 'configs/'))]
    assert len(files) > 15
    assert [name for name in files if not any(module.endswith(f'/{name}') for module in modules)] == []
