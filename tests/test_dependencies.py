"""setup.py declares every package that the code imports, and requirements.txt pins it."""
import ast
import re
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DISTRIBUTIONS = packages_distributions()  # names of modules to names of distributions
OTHER_INTERPRETER = {'ultralytics'}  # benchmarks run it in an environment of its own
NEVER_IMPORTED = {'openmim', 'openxlab', 'setuptools', 'pytest-xdist', 'ruff', 'mkdocs-material',
                  'mkdocstrings-python',  # commands and what they need
                  'lvis', 'lap', 'onnxscript'}  # mmdet imports the first two, torch the third
IMPORTERS = {'import_extra', 'importorskip'}  # functions that import the module that is their first argument
SAME = {'mmcv': 'mmcv-lite'}  # two distributions of one module
NOT_PINNED = {'spacy'}  # no test needs it


def normal(name: str) -> str:
    """A distribution's name as package indexes compare it, without version."""
    return re.split('[<>=!~]', name)[0].strip().lower().replace('_', '-')


@cache
def imported(folder: str, at_import_only: bool = False) -> set[str]:
    """Distributions that the files below a folder import, without those of Python and of this repository."""
    names = set()
    for file in (ROOT / folder).rglob('*.py'):
        tree = ast.parse(file.read_text())
        for node in tree.body if at_import_only else ast.walk(tree):
            if isinstance(node, ast.Import):
                names.update(alias.name.partition('.')[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add(node.module.partition('.')[0])
            elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition('.')[2] in IMPORTERS and isinstance(
                    node.args[0], ast.Constant):
                names.add(node.args[0].value.partition('.')[0])
    tests = ROOT / 'tests'
    names -= {path.stem for path in (*tests.rglob('*.py'), *tests.iterdir())} | {'mmdet_ext'}
    names -= set(sys.stdlib_module_names) | OTHER_INTERPRETER
    return {SAME.get(name, name) for name in (normal(DISTRIBUTIONS.get(name, [name])[0]) for name in names)}


@pytest.fixture(scope='module')
def declared() -> dict[str, set[str]]:
    """Distributions by the extra that asks for them; those that everybody gets under ''."""
    call = next(node for node in ast.walk(ast.parse((ROOT / 'setup.py').read_text()))
                if isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'setup')
    options = {keyword.arg: keyword.value for keyword in call.keywords}
    extras = {'': ast.literal_eval(options['install_requires']), **ast.literal_eval(options['extras_require'])}
    return {extra: set(map(normal, names)) for extra, names in extras.items()}


def test_every_import_of_the_package_is_declared(declared):
    of_users = set().union(*(names for extra, names in declared.items() if extra != 'tests'))
    assert imported('mmdet_ext') | imported('tools') | imported('configs') <= of_users


def test_what_a_module_imports_at_once_comes_without_an_extra(declared):
    assert imported('mmdet_ext', at_import_only=True) <= declared[''] | declared['mm']


def test_every_import_of_the_tests_is_declared(declared):
    assert imported('tests') <= set().union(*declared.values())


def test_nothing_is_declared_that_nobody_imports(declared):
    everywhere = imported('mmdet_ext') | imported('tools') | imported('tests')
    assert set().union(*declared.values()) - NEVER_IMPORTED <= everywhere


def test_requirements_pin_what_is_declared(declared):
    lines = (ROOT / 'requirements.txt').read_text().splitlines()
    pinned = {normal(line) for line in lines if '==' in line and not line.startswith('#')}
    assert set().union(*declared.values()) - NOT_PINNED <= pinned


def test_the_lock_has_the_pins():
    pins, lock = ({normal(line): line.partition(';')[0].strip().lower().replace('_', '-')
                   for line in (ROOT / name).read_text().splitlines() if '==' in line and not line.startswith('#')}
                  for name in ('requirements.txt', 'requirements.lock'))
    assert pins.items() <= lock.items(), 'make lock'
