"""tools/benchmark-model.py: a table of forms, rows that are kept, and formats that fail."""
import csv
import json
import runpy

from pathlib import Path

import pytest

from mmdet_ext.experiments.speed_table import SpeedRow, to_csv, to_markdown

ROOT = Path(__file__).resolve().parents[2]
TOOL, CONFIG = 'tools/benchmark-model.py', 'configs/smca/smca_r18_shapes.py'
QUICK = ('--batch-sizes', '1', '--repeats', '1', '--limit', '2')


@pytest.fixture
def measure(workplace, random_checkpoint, tmp_path, monkeypatch, in_process):
    """Run the tool in the workplace; returns its message at the exit, what it printed, and the rows of its table."""
    def run(*arguments: object) -> tuple[str, str, list[dict]]:
        monkeypatch.chdir(workplace)
        message, out = in_process(str(ROOT / TOOL), ROOT / CONFIG, random_checkpoint, *arguments, *QUICK, '--out',
                                  tmp_path / 'out', '--cfg-options', 'val_dataloader.num_workers=0',
                                  'val_dataloader.persistent_workers=False')
        table = tmp_path / 'out/speed.csv'
        return message, out, list(csv.DictReader(table.open())) if table.is_file() else []

    return run


def test_a_row_for_each_form_and_a_reason_for_what_fails(measure, tmp_path):
    message, out, rows = measure('--formats', 'torchscript', 'torchscript-fp16')
    assert not message
    assert [row['form'] for row in rows] == ['eager', 'torchscript', 'torchscript-fp16']
    for row in rows[:2]:
        assert row['metric'] == 'coco/bbox_mAP' and float(row['milliseconds']) > 0 and not row['problem']
    assert rows[0]['value'] == rows[1]['value'] and int(rows[0]['parameters']) > 1e6
    assert 'a TorchScript file is written in fp32' in rows[2]['problem']
    assert '| torchscript-fp16 ' in out
    assert len(json.loads((tmp_path / 'out/instances_val_2.json').read_text())['images']) == 2

    kept = {file.name: file.stat().st_mtime_ns for file in (tmp_path / 'out/rows.parts').glob('*.json')
            if file.name != 'settings.json'}
    assert len(kept) == 2  # what failed is tried again
    *_, again = measure('--formats', 'torchscript')
    assert again == rows[:2]
    assert all((tmp_path / 'out/rows.parts' / name).stat().st_mtime_ns == time for name, time in kept.items())


def test_a_format_that_is_none_is_told_before_anything_is_measured(measure):
    message, _, rows = measure('--formats', 'torchscript', 'paper')
    assert "a format should be one of onnx, openvino, torchscript, engine, with" in message and "got 'paper'" in message
    assert rows == []


def test_models_are_split_into_configs_checkpoints_and_files():
    split = runpy.run_path(TOOL)['split_models']
    assert split(['a.py', 'a.pth', 'a.onnx', 'b.py:b.pth', 'c.py', 'c.pth']) == [
        ('a.py', 'a.pth', ('a.onnx', )), ('b.py', 'b.pth', ()), ('c.py', 'c.pth', ())]
    with pytest.raises(ValueError, match='should come first, got a.pth'):
        split(['a.pth', 'a.py'])
    with pytest.raises(ValueError, match='the checkpoint of b.py is missing'):
        split(['a.py:a.pth', 'b.py'])


def test_what_was_not_measured_is_empty_in_the_table():
    rows = [SpeedRow('yolov9t', 'eager', 'fp32', 'coco/bbox_mAP', 0.38261, 12.34, 4, 9.87, 8.04, 2000000),
            SpeedRow('yolov9t', 'engine', problem='ImportError: tensorrt is not installed')]
    _, _, first, second = to_markdown(rows).splitlines()
    assert [cell.strip() for cell in first.split('|')[1:-1]] == [
        'yolov9t', 'eager', 'fp32', 'coco/bbox_mAP', '0.3826', '12.3', '4', '9.9', '8.0', '2,000,000', '']
    assert [cell.strip() for cell in second.split('|')[1:-1]][2:] == [
        *[''] * 8, 'ImportError: tensorrt is not installed']
    assert to_csv(rows).splitlines()[1].startswith('yolov9t,eager,fp32,coco/bbox_mAP,0.38261,12.34,4,')
