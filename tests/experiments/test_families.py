"""A fast part of MMDetection's families with the operators that are installed, and what the table says of rows."""
import os

import pytest
import torch

from mmdet_ext.experiments.families import run
from mmdet_ext.experiments.families.compare import compare
from mmdet_ext.experiments.families.configs import CHOSEN, all_configs, cheapest, chosen, config_folder
from mmdet_ext.experiments.families.row import COMPILED, STAND_IN, Row, read_rows, write_row
from mmdet_ext.experiments.families.table import to_markdown
from mmdet_ext.experiments.families.trial import fault_of, try_config

NO_CPU = 'implementation for device cpu not found'  # of compiled operators that are for CUDA alone


@pytest.mark.parametrize('config, called', [
    ('mask_rcnn/mask-rcnn_r18_fpn_8xb8-amp-lsj-200e_coco.py', 'roi_align_backward'),
    ('deformable_detr/deformable-detr_r50_16xb2-50e_coco.py', None),  # on the CPU mmcv's own Python computes it
    ('dcn/faster-rcnn_r50-dconv-c3-c5_fpn_1x_coco.py', 'deform_conv_backward_parameters'),
    ('carafe/faster-rcnn_r50_fpn-carafe_1x_coco.py', 'carafe_forward'),
    ('rtmdet/rtmdet-ins_tiny_8xb32-300e_coco.py', 'nms'),
    ('guided_anchoring/ga-rpn_r50_fpn_1x_coco.py', 'deform_conv_forward'),
])
def test_families_that_cover_the_operators(config, called, tmp_path):
    row = try_config(config, STAND_IN, tmp_path, runs=1)
    if NO_CPU in row.error:
        assert row.fault == 'operator' and called in row.called
        return
    assert not row.error, f'{row.error} at {row.location}'
    assert called is None or called in row.called
    assert row.losses and row.gradients['backbone'] and row.train_seconds and row.predict_seconds
    assert any(row.predictions)


def test_every_config_is_there_and_every_family_has_one():
    configs = all_configs()
    assert [config for config in configs if not (config_folder() / config).is_file()] == []
    assert len({config.split('/')[0] for config in configs}) == 114 and not CHOSEN.keys() - {
        config.split('/')[0] for config in configs}


def test_the_cheapest_config_has_the_smallest_backbone_and_the_shortest_name():
    assert cheapest(['a_r101_1x', 'a_r18_8xb8-lsj', 'a_r50_1x']) == ['a_r18_8xb8-lsj']
    assert cheapest(['a_r50_ms-2x', 'a_r50_1x', 'a_tta', 'a_swin-l_1x']) == ['a_r50_1x']
    assert cheapest(['a_tiny_8xb32', 'a_s_8xb32', 'a_x_8xb16']) == ['a_tiny_8xb32']


def test_configs_are_chosen_by_family_or_by_a_word():
    assert chosen(['htc']) == [f'htc/{name}.py' for name in CHOSEN['htc']]
    assert [config.split('/')[0] for config in chosen(['hourglass'])] == ['centripetalnet', 'cornernet']
    with pytest.raises(ValueError, match="got 'yolov9'; families are .*rtmdet"):
        chosen(['yolov9'])


def test_an_error_says_whose_fault_it_is(tmp_path, monkeypatch):
    def fail(error: Exception) -> None:
        raise error

    def fault(error: Exception) -> str:
        monkeypatch.setattr('mmdet_ext.experiments.families.trial.try_model', lambda *_, **__: fail(error))
        return try_config('retinanet/retinanet_r18_fpn_1x_coco.py', COMPILED, tmp_path).fault

    assert fault(ModuleNotFoundError("No module named 'timm'")) == 'package'
    assert fault(RuntimeError('fairscale is not installed')) == 'package'
    assert fault(AttributeError("module 'numpy' has no attribute 'float'")) == 'mmdet'
    from mmcv.ops import nms
    with pytest.raises(AssertionError) as caught:
        nms(torch.zeros(1, 5), torch.zeros(1), 0.5)
    assert fault_of(caught.value)[0] == 'operator'


def row(operators: str, **others: object) -> Row:
    facts = dict(losses=dict(loss=2.), gradients=dict(neck=4.), train_seconds=1., predict_seconds=0.5,
                 predictions=[[[0., 0, 10, 10, 0.9, 1], [5., 5, 20, 20, 0.8, 2]]], called=['nms'])
    return Row('a/a_r50.py', operators, **facts | others)


def test_two_rows_are_compared_by_their_largest_differences():
    other = row(STAND_IN, losses=dict(loss=2.002), gradients=dict(neck=3.), train_seconds=1.5,
                predictions=[[[5.05, 5, 20, 20, 0.8, 2], [0., 0, 10, 11, 0.9, 1]]])
    both = compare(row(COMPILED), other)
    assert both.loss == pytest.approx(1e-3) and both.gradient == 0.25 and both.boxes == 0.5
    assert both.train_ratio == 1.5 and both.predict_ratio == 1 and not both.agrees
    assert compare(row(COMPILED), row(STAND_IN)).agrees
    assert compare(row(COMPILED), row(STAND_IN, losses=dict(other=2.))).loss == float('inf')
    assert compare(row(COMPILED, predictions=[[]]), row(STAND_IN, predictions=[[]])).boxes is None
    assert compare(row(COMPILED), row(STAND_IN, predictions=[[]])).boxes == 0


def test_the_table_has_times_differences_and_errors():
    rows = [row(COMPILED), row(STAND_IN, train_seconds=2.),
            Row('b/b_r50.py', COMPILED, 'RuntimeError: no', 'operator', 'mmcv/ops/b.py:1', called=['b_forward']),
            Row('b/b_r50.py', STAND_IN, train_seconds=1., pipeline='Albu: none')]
    text = to_markdown({one.key: one for one in rows}, ['a/a_r50.py', 'b/b_r50.py', 'c/c_r50.py'])
    assert '| a/a_r50 | yes | nms | 1.00 / 2.00 (2.00x) | 0.50 / 0.50 (1.00x) | = | = | 100% |\n' in text
    assert '| b/b_r50 | stand-in only (1, 2) | b_forward | 1.00 |  |  |  |  |\n' in text
    assert '1 of 2 configs work with compiled operators, and all configs of 1 of 2 families.' in text
    assert '1. with compiled operators: RuntimeError: no (fault: the operator, mmcv/ops/b.py:1)\n2. the model' in text


WORKER = '''
import json, os, sys
rows, texts, runs, *configs = sys.argv[1:]
operators = os.environ.get('MMDET_EXT_OPERATORS', 'compiled')
for config in configs:
    if config.startswith('crash'):
        print('Killed', file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    with open(rows, 'a') as file:
        file.write(json.dumps(dict(config=config, operators=operators)) + '\\n')
'''


def test_a_config_that_ends_its_process_is_a_row_and_the_others_go_on(tmp_path, monkeypatch):
    (tmp_path / 'small_worker.py').write_text(WORKER)
    monkeypatch.setenv('PYTHONPATH', str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(run, 'MODULE', 'small_worker')
    monkeypatch.setattr(run, 'save_small_texts', lambda folder: None)
    file, new = tmp_path / 'rows.jsonl', []
    write_row(file, Row('known', COMPILED))
    rows = run.run_configs(['known', 'first', 'crash', 'last'], (COMPILED, STAND_IN), file, report=new.append)
    assert [(one.config, one.operators) for one in new] == [
        *((name, COMPILED) for name in ('first', 'crash', 'last')),
        *((name, STAND_IN) for name in ('known', 'first', 'crash', 'last'))]
    assert rows == read_rows(file) and len(rows) == 8
    assert rows['crash', STAND_IN].fault == 'crash' and rows['crash', STAND_IN].error.endswith('signal 9: Killed')
    assert not rows['last', COMPILED].error


def test_both_operators_need_a_compiled_mmcv(monkeypatch):
    monkeypatch.setattr(run, 'compiled_spec', lambda: None)
    assert run.operators_to_try('installed') == (STAND_IN, )
    with pytest.raises(ValueError, match='--operators both compares .* has none: take --operators stand-in'):
        run.operators_to_try('both')
