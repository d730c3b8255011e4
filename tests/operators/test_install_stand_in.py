"""The stand-in is used where mmcv has no compiled operators, or where it is asked for, and nowhere else."""
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import mmcv
import pytest

from mmdet_ext.operators import MISSING_REMEDY, StandIn, install
from mmdet_ext.operators.stand_in import OPERATORS, make_stand_in
from mmdet_ext.operators.switch import compiled_library

ROOT = Path(__file__).resolve().parents[2]
HAS_COMPILED = compiled_library() is not None
SHOW = "import sys; print(type(sys.modules['mmcv._ext']).__name__, getattr(sys.modules['mmcv._ext'], '__file__', '-'))"


def python(*command: str, folders: Sequence[Path] = (), **environment: str) -> list[str]:
    """What a program prints, in a process of its own."""
    path = os.pathsep.join(map(str, (*folders, ROOT)))
    environment = {name: value for name, value in os.environ.items() if name != 'MMDET_EXT_OPERATORS'} | environment
    environment['PYTHONPATH'] = path
    result = subprocess.run([sys.executable, '-W', 'ignore', *command], capture_output=True, text=True, check=False,
                            env=environment, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


@pytest.fixture(scope='module')
def without_compiled(tmp_path_factory) -> Path:
    """A folder with this mmcv, but without compiled operators."""
    folder = tmp_path_factory.mktemp('lite')
    (folder / 'mmcv').mkdir()
    for path in Path(mmcv.__file__).parent.iterdir():
        if not path.name.startswith(('_ext', '__pycache__')):
            (folder / 'mmcv' / path.name).symlink_to(path)
    return folder


@pytest.mark.skipif(not HAS_COMPILED, reason='mmcv has no compiled operators')
def test_compiled_operators_stay_in_use():
    kind, file = python('-c', f'import mmdet_ext, mmcv.ops.nms; {SHOW}')
    assert kind == 'module' and file == compiled_library().__file__


def test_without_compiled_operators_the_stand_in_serves_mmdet(without_compiled):
    program = f'''
import mmdet_ext
{SHOW}
print([name for name in ('torchvision', 'mmcv.ops', 'mmdet.models') if name in sys.modules])
import torch
from mmcv.ops import nms
from mmcv.utils.ext_loader import check_ops_exist
from mmengine.utils.dl_utils import mmcv_full_available
print(check_ops_exist(), mmcv_full_available())
print(nms(torch.tensor([[0, 0, 9, 9.], [0, 0, 9, 8]]), torch.tensor([.5, .6]), 0.5)[1].tolist())
'''
    assert python('-c', program, folders=[without_compiled]) == ['StandIn', '-', '[]', 'True', 'True', '[1]']


def test_a_program_that_imports_the_operators_first_can_be_run_and_its_spawned_workers_have_them(without_compiled,
                                                                                                tmp_path):
    script = tmp_path / 'program.py'
    script.write_text("""
import multiprocessing, sys
import torch
import mmcv.ops
if __name__ == '__main__':
    boxes = torch.tensor([[0, 0, 4, 4.], [0, 0, 4, 2]])
    with multiprocessing.get_context('spawn').Pool(1) as pool:
        print(sys.argv[1:], pool.apply(mmcv.ops.bbox_overlaps, (boxes[:1], boxes)).tolist())
""")
    command = ['-m', 'mmdet_ext.operators', '--run', str(script), '--fast']
    assert python(*command, folders=[without_compiled]) == ["['--fast']", '[[1.0,', '0.5]]']


def test_an_environment_variable_asks_for_the_stand_in():
    assert python('-c', f'import mmdet_ext; {SHOW}', MMDET_EXT_OPERATORS='stand-in')[0] == 'StandIn'


def test_another_value_of_the_variable_is_an_error(monkeypatch):
    monkeypatch.setenv('MMDET_EXT_OPERATORS', 'fast')
    with pytest.raises(ImportError, match=r"MMDET_EXT_OPERATORS='fast' is not known; it may be 'stand-in'"):
        install()


def test_asking_after_the_operators_were_imported_is_an_error(monkeypatch):
    import mmcv.ops  # noqa: F401

    monkeypatch.setenv('MMDET_EXT_OPERATORS', 'stand-in')
    monkeypatch.setitem(sys.modules, 'mmcv._ext', sys)
    with pytest.raises(ImportError, match=r'comes too late: mmcv\.ops was imported before mmdet_ext'):
        install()


def test_an_operator_that_is_not_there_raises_when_it_is_called_and_says_what_has_it():
    function = make_stand_in().box_iou_rotated_forward
    with pytest.raises(NotImplementedError, match="mmcv's operator 'box_iou_rotated' is not among") as caught:
        function(1, aligned=True)
    assert MISSING_REMEDY in str(caught.value)
    assert 'make install MMCV=compiled' in MISSING_REMEDY
    assert 'pip install --no-build-isolation mmcv==2.1.0' in MISSING_REMEDY


def test_private_names_are_not_operators():
    module = make_stand_in()
    assert isinstance(module, StandIn) and not hasattr(module, '__path__') and not hasattr(module, '_nms')


@pytest.mark.skipif(not HAS_COMPILED, reason='mmcv has no compiled operators')
def test_every_function_is_one_of_mmcv():
    assert [name for names in OPERATORS.values() for name in names if not hasattr(compiled_library(), name)] == []
