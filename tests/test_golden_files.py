"""The files of tests/golden obey the form that its README describes."""
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from golden.cases import FOLDER, CaseFile, load_case

FILES = sorted(FOLDER.glob('*/*.json'))


def name_of(file: Path) -> str:
    return f'{file.parent.name}/{file.stem}'


@pytest.mark.parametrize('file', FILES, ids=name_of)
def test_a_case_has_the_fields_of_the_readme_and_lists_its_arrays(file):
    content = msgspec.json.decode(file.read_bytes(), type=CaseFile)
    assert content.source.repo.startswith('https://') and re.fullmatch('[0-9a-f]{40}', content.source.commit)
    assert content.results or content.arrays
    arrays = {}
    if file.with_suffix('.npz').exists():
        with np.load(file.with_suffix('.npz')) as stored:
            arrays = {name: (list(stored[name].shape), str(stored[name].dtype)) for name in stored.files}
    assert content.arrays == arrays


@pytest.mark.parametrize('file', FILES, ids=name_of)
def test_rules_and_kept_values_speak_of_tensors_of_the_case(file):
    weights = load_case(file.parent.name, file.stem).weights
    if weights is None:
        return
    shapes = {name: shape for name, shape, _ in weights.tensors}
    assert len(shapes) == len(weights.tensors) and weights.kept.keys() <= shapes.keys()
    assert all(re.compile(pattern) and gain > 0 for pattern, gain in weights.rules)
    for name, value in weights.kept.items():
        assert isinstance(value, float) or len(value) == np.prod(shapes[name])


def test_every_array_belongs_to_a_case():
    assert {file.with_suffix('') for file in FOLDER.glob('*/*.npz')} <= {file.with_suffix('') for file in FILES}


def test_the_readme_describes_every_field():
    rows = re.findall(r'^\| `(\w+)` \|', (FOLDER / 'README.md').read_text(), flags=re.MULTILINE)
    assert rows == list(CaseFile.__struct_fields__)
