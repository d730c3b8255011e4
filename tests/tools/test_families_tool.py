"""tools/mmdet_families.py on configs that were tried before."""
from pathlib import Path

from mmdet_ext.experiments.families.configs import CHOSEN
from mmdet_ext.experiments.families.row import COMPILED, STAND_IN, Row, write_row

TOOL = str(Path(__file__).resolve().parents[2] / 'tools/mmdet_families.py')


def test_the_tool_prints_and_writes_what_is_known_already(in_process, tmp_path):
    for name in CHOSEN['htc']:
        for operators in (COMPILED, STAND_IN):
            write_row(tmp_path / 'rows.jsonl', Row(f'htc/{name}.py', operators, predict_seconds=1.))
    message, out = in_process(TOOL, '--only', 'htc', '--rows', tmp_path / 'rows.jsonl', '--out',
                              tmp_path / 'table.md')
    assert not message and (tmp_path / 'table.md').read_text() in out
    assert '| htc/htc_r50_fpn_1x_coco | yes |' in out
    assert "got 'yolov9'" in in_process(TOOL, '--only', 'yolov9')[0]
