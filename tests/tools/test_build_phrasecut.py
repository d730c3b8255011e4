"""tools/data/build_phrasecut.py on the files of the published case."""
import json
from pathlib import Path

import pytest
from golden.cases import load_case
from mmdet_ext.annotations.grounding_checks import grounding_problems

TOOL = str(Path(__file__).resolve().parents[2] / 'tools' / 'data' / 'build_phrasecut.py')


@pytest.fixture
def root(tmp_path) -> Path:
    folder = tmp_path / 'phrasecut'
    folder.mkdir()
    inputs = load_case('mdetr', 'data_phrasecut').inputs
    for split in ('train', 'val'):
        (folder / f'refer_{split}.json').write_text(json.dumps(inputs['refer_val.json']))
    rows = [dict(image_id=int(key), height=size[0], width=size[1]) for key, size in inputs['image_hw'].items()]
    (folder / 'image_data_split.json').write_text(json.dumps(rows))
    return folder


def test_files_are_written_and_stay(in_process, root, tmp_path):
    out = tmp_path / 'out'
    message, printed = in_process(TOOL, root, '--out', out, '--splits', 'train', 'val')
    assert message == '' and '1  left out: polygons before the last' in printed and '2  boxes' in printed
    names = [f'finetune_phrasecut_{split}.json' for split in ('train', 'val')]
    assert sorted(path.name for path in out.iterdir()) == names
    content = json.loads((out / names[1]).read_text())
    assert content == load_case('mdetr', 'data_phrasecut').results['output'] and list(grounding_problems(content)) == []
    (out / names[0]).write_text('dear')
    message, printed = in_process(TOOL, root, '--out', out, '--splits', 'train')
    assert 'is there already and stays' in printed and (out / names[0]).read_text() == 'dear'
    in_process(TOOL, root, '--out', out, '--splits', 'train', '--polygons', 'all', '--overwrite')
    assert len(json.loads((out / names[0]).read_text())['annotations'][1]['segmentation']) == 2


def test_missing_and_broken_files_are_one_line(in_process, root, tmp_path):
    message, _ = in_process(TOOL, root, '--out', tmp_path / 'out')
    assert f'there is no file {root / "refer_miniv.json"}' in message and 'Traceback' not in message
    (root / 'refer_val.json').write_text('[{"image_id": 7,')
    message, _ = in_process(TOOL, root, '--out', tmp_path / 'out', '--splits', 'train', 'val')
    assert message.startswith('build_phrasecut.py: error: ') and 'refer_val.json is no json' in message
    assert '\n' not in message and [path.name for path in (tmp_path / 'out').iterdir()] == [
        'finetune_phrasecut_train.json']
