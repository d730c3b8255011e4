"""Imports inside mmdet_ext point one way, from what knows more to what knows less; those inside functions count too."""
import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmdet_ext'

# Each row may import from the rows above it, and not from its own. 'base' is every module that lies in mmdet_ext itself
# and is not named here. docs/architecture.md draws the same.
ORDER = [
    ['base'],
    ['operators'],
    ['tools'],
    ['compat'],
    ['operators.__main__'],
    ['text'],
    ['models.layers'],
    ['models.task_modules'],
    ['models.losses'],
    ['models.backbones', 'models.necks', 'models.auxiliaries', 'models.text_encoders', 'models.transformers'],
    ['models.dense_heads'],
    ['models.detectors'],
    ['models'],
    ['checkpoints'],
    ['compat.apply'],
    ['annotations'],
    ['annotations.builders', 'annotations.formats'],
    ['shapes'],
    ['datasets.transforms'],
    ['datasets'],
    ['evaluation'],
    ['engine'],
    ['launch'],
    ['deployment'],
    ['predict'],
    ['dictionary'],
    ['visualization'],
    ['exported'],
    ['export'],
    ['predict.run'],
    ['experiments'],
    ['report'],
    ['finetune'],
    ['app'],
    ['doctor'],
]
NEVER = [('datasets', 'models'), ('engine', 'models'), ('evaluation', 'models')]
UNITS = {unit for row in ORDER for unit in row}


def module_files(package: Path = PACKAGE) -> dict[str, Path]:
    """Files by the name under which they are imported."""
    names = {}
    for file in sorted(package.rglob('*.py')):
        parts = file.relative_to(package.parent).with_suffix('').parts
        names['.'.join(parts[:-1] if parts[-1] == '__init__' else parts)] = file
    return names


def imports_of(name: str, files: dict[str, Path]) -> set[str]:
    """Modules of the package that a module imports, relative names resolved."""
    package = name.split('.') if files[name].name == '__init__.py' else name.split('.')[:-1]
    packages = set()
    for node in ast.walk(ast.parse(files[name].read_text())):
        if isinstance(node, ast.Import):
            packages.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            module = '.'.join([*base, *([node.module] if node.module else [])])
            packages.update(full if (full := f'{module}.{alias.name}') in files else module for alias in node.names)
    return (packages & files.keys()) - {name}


def unit_of(name: str) -> str:
    """The entry of a row that a module belongs to: the longest that its name begins with."""
    path = name.removeprefix('mmdet_ext.')
    known = [unit for unit in UNITS if f'{path}.'.startswith(f'{unit}.')]
    if known:
        return max(known, key=len)
    first = path.partition('.')[0]
    return first if (PACKAGE / first).is_dir() else 'base'


@pytest.fixture(scope='module')
def edges() -> dict[str, set[str]]:
    files = module_files()
    return {name: imports_of(name, files) for name in files if name != 'mmdet_ext'}


def test_every_package_has_its_place_in_the_order(edges):
    assert {unit_of(name) for name in edges} - UNITS == set()


def test_no_package_imports_from_one_above_it(edges):
    rank = {unit: row for row, units in enumerate(ORDER) for unit in units}
    wrong = [f'{name} imports {other}' for name, others in edges.items() for other in others
             if unit_of(other) != unit_of(name) and rank[unit_of(other)] >= rank[unit_of(name)]]
    assert not wrong, '\n'.join(sorted(wrong))


def test_data_and_training_know_no_models(edges):
    wrong = [f'{name} imports {other}' for name, others in edges.items() for other in others for user, used in NEVER
             if f'{name}.'.startswith(f'mmdet_ext.{user}.') and f'{other}.'.startswith(f'mmdet_ext.{used}.')]
    assert not wrong, '\n'.join(sorted(wrong))


def test_annotation_files_need_no_mmdet(edges):
    """The commands of `tools/data` would take as long to start as a training."""
    waiting = [name for name in edges if name.split('.')[1] in ('annotations', 'shapes')]
    used = set()
    while waiting:
        used.add(name := waiting.pop())
        waiting += edges[name] - used - {'mmdet_ext'}
    files = module_files()
    importers = [name for name in used if re.search(r'^\s*(from|import) mmdet\b', files[name].read_text(), re.M)]
    assert len(used) > 50 and not importers


def test_no_modules_import_each_other_in_a_circle(edges):
    try:
        list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        pytest.fail(' -> '.join(error.args[1]))


def test_nobody_imports_a_tool_or_a_test():
    outside = {path.stem for path in (ROOT / 'tools').rglob('*.py')} | {'tools', 'tests', 'benchmarks'}
    for name, file in module_files().items():
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else \
                [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
            assert not outside & {imported.partition('.')[0] for imported in names}, name
