"""`python -m mmdet_ext.operators` says what serves each operator here."""
import ast
import json
import re
import sys
from pathlib import Path

import mmdet
import pytest

from mmdet_ext.operators import __main__ as command
from mmdet_ext.operators import in_use, table, times
from mmdet_ext.operators.stand_in import OPERATORS, make_stand_in

# What a class or function of mmcv.ops calls by other names, or serves in plain torch by itself.
PLAIN = {'point_sample', 'rel_roi_point_to_rel_img_point', 'CornerPool', 'ConcatCell', 'GlobalPoolingCell', 'SumCell'}
SERVED = {'DeformConv2d': 'deform_conv', 'deform_conv2d': 'deform_conv', 'MaskedConv2d': 'masked_im2col',
          'MultiScaleDeformableAttention': 'ms_deform_attn', 'batched_nms': 'nms', 'RoIPool': 'roi_pool',
          'CARAFEPack': 'carafe', 'ModulatedDeformConv2d': 'modulated_deform_conv'}


@pytest.fixture
def with_stand_in(monkeypatch):
    module = make_stand_in()
    module.box_iou_rotated  # noqa: B018  mmcv asks for it as it is imported
    monkeypatch.setitem(sys.modules, 'mmcv._ext', module)


def run(monkeypatch, capsys, *arguments: str) -> str:
    monkeypatch.setattr(sys, 'argv', ['operators', *arguments])
    assert command.main() == 0
    return capsys.readouterr().out


def test_every_operator_of_the_stand_in_has_a_row(with_stand_in):
    rows = {row.operator: row for row in table.rows()}
    implemented = {re.sub(r'_(forward|backward)(_.*)?$', '', name)
                   for module, names in OPERATORS.items() for name in names if module != 'info'}
    assert implemented == table.TABLE.keys()
    assert {name for name, row in rows.items() if row.served_by != table.MISSING} == implemented
    assert rows['nms'].served_by == 'torchvision' and rows['nms'].devices == ('cpu', 'cuda')
    assert rows['box_iou_rotated'] == table.Row('box_iou_rotated', 'missing', (), '')


def test_everything_that_mmdet_imports_of_mmcvs_operators_is_served():
    names = set()
    for file in Path(mmdet.__file__).parent.rglob('*.py'):
        if 'mmcv.ops' in (text := file.read_text()):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom) and (node.module or '').startswith('mmcv.ops'):
                    names.update(alias.name for alias in node.names)
    unknown = {name for name in names - PLAIN if SERVED.get(name, name) not in table.TABLE}
    assert 'batched_nms' in names and unknown == set()


def test_the_text_names_those_that_are_missing_and_who_has_them(monkeypatch, capsys, with_stand_in):
    text = run(monkeypatch, capsys)
    assert re.match(r'mmcv \S+ has the operators of mmdet_ext\.operators, on torchvision \S+ and torch \S+\n', text)
    assert re.search(r'^roi_align +torchvision +cpu, cuda +two-stage', text, flags=re.MULTILINE)
    assert 'Missing, and called by no model of mmdet: box_iou_rotated' in text
    assert 'make install MMCV=compiled' in ' '.join(text.split())


@pytest.mark.skipif(in_use(), reason='mmcv has no compiled operators')
def test_compiled_operators_are_named_with_their_compiler(monkeypatch, capsys):
    content = json.loads(run(monkeypatch, capsys, '--json'))
    assert content['operators'].startswith('mmcv 2.1.0 has its compiled operators (')
    rows = {row['operator']: row for row in content['rows']}
    assert rows['nms']['served_by'] == 'mmcv compiled' and 'cpu' in rows['nms']['devices']
    assert 'cpu' not in rows['roi_pool']['devices']
    assert content['times'] == []


def test_times_are_given_beside_those_of_the_compiled_operators(monkeypatch, capsys):
    monkeypatch.setattr(times, 'LEAST_SECONDS', 0)
    calls = [call for call in times._calls() if call[0] in ('bbox_overlaps', 'masked_im2col')]
    monkeypatch.setattr(times, '_calls', lambda: calls)
    text = run(monkeypatch, capsys, '--times')
    assert re.search(r'^masked_im2col +[\d.]+ ms +- +-  3 x 3', text, flags=re.MULTILINE)
    assert re.search(r'^bbox_overlaps +[\d.]+ ms +([\d.]+ ms +[\d.]+|- +-)  2000 x 256', text, flags=re.MULTILINE)


def test_every_operator_that_detectors_call_is_timed():
    assert {name for name, _, _ in times._calls()} >= table.TABLE.keys() - {
        'softmax_focal_loss', 'carafe_naive', 'masked_col2im', 'sync_bn'}


def test_a_package_that_does_not_work_is_one_line(monkeypatch, capsys):
    def fail() -> None:
        raise ImportError('mmdet_ext needs mmdet. Try: pip install mmdet==3.3.0.')

    monkeypatch.setattr(command, 'check_dependencies', fail)
    monkeypatch.setattr(sys, 'argv', ['operators'])
    assert command.main() == 1
    assert capsys.readouterr().err == 'mmdet_ext needs mmdet. Try: pip install mmdet==3.3.0.\n'


def test_a_program_that_is_not_there_is_named(monkeypatch, capsys):
    monkeypatch.setattr(sys, 'argv', ['operators', '--run', 'no_such.py', 'config.py'])
    with pytest.raises(SystemExit, match='2'):
        command.main()
    assert 'error: there is no program no_such.py (seen from ' in capsys.readouterr().err
