"""The stand-in gives what mmcv's compiled operators give."""
import numpy as np
import pytest
import torch
from operator_cases import CASES, FILE, TIES

from mmdet_ext.operators.stand_in import make_stand_in
from mmdet_ext.operators.switch import compiled_library, operators_of

STAND_IN = make_stand_in()
TOLERANCE = dict(rtol=1e-4, atol=1e-4)  # sums of up to 36 products of normal numbers


@pytest.fixture(scope='module')
def stored():
    with np.load(FILE) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.mark.parametrize('name', CASES)
def test_it_gives_what_the_compiled_operators_gave(name, stored):
    with operators_of(STAND_IN):
        result = CASES[name]()
    expected = {key: stored[f'{name}: {key}'] for key in result}
    torch.testing.assert_close(result, expected, **TOLERANCE)


@pytest.mark.skipif(compiled_library() is None, reason='mmcv has no compiled operators')
@pytest.mark.parametrize('name', CASES)
def test_what_is_stored_is_what_the_compiled_operators_give(name, stored):
    with operators_of(compiled_library()):
        result = CASES[name]()
    assert {key for key in stored if key.startswith(f'{name}: ')} == {f'{name}: {key}' for key in result}
    torch.testing.assert_close(result, {key: stored[f'{name}: {key}'] for key in result}, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(compiled_library() is None, reason='mmcv has no compiled operators')
@pytest.mark.parametrize('name', TIES)
def test_equal_scores_come_in_the_order_of_the_compiled_operators(name):
    with operators_of(compiled_library()):
        expected = TIES[name]()
    with operators_of(STAND_IN):
        torch.testing.assert_close(TIES[name](), expected)
