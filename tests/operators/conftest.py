"""mmcv's operators, served by the stand-in."""
import pytest

from mmdet_ext.operators.stand_in import make_stand_in
from mmdet_ext.operators.switch import operators_of


@pytest.fixture
def stand_in():
    """mmcv.ops has the operators of the stand-in, in a process of mmcv's compiled ones, too."""
    with operators_of(library := make_stand_in()):
        yield library
