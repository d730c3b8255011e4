"""`tools/convert_checkpoint.py` from a published file to one that mmengine loads."""
import runpy
import sys
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from checkpoints.published_files import save_published, weights
from checkpoints.published_names import shapes
from mmdet.registry import MODELS
from mmdet_ext.checkpoints import convert, read_checkpoint
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import load_checkpoint
from torch.testing import assert_close

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_checkpoint.py'
CLASSES = [f'class {i}' for i in range(80)]


@pytest.fixture(scope='module')
def files(tmp_path_factory) -> dict[str, Path]:
    """Published files of size t by name."""
    folder = tmp_path_factory.mktemp('published')
    names = ('yolov9-t', 'gelan-t')
    for name in names:
        save_published(folder / f'{name}.pt', weights(shapes(name, class_channels=80)), class_names=CLASSES)
    return {name: folder / f'{name}.pt' for name in names}


@pytest.fixture
def tool(monkeypatch, capsys):
    """Runs the tool in this process; `error` is what it prints in place of success."""

    def run(*args, error: str = '') -> str:
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        with pytest.raises(SystemExit) as stopped:
            runpy.run_path(str(TOOL), run_name='__main__')
        printed = capsys.readouterr()
        assert error in printed.err and stopped.value.code == (2 if error else None)
        return printed.err if error else printed.out

    return run


def build(config: str) -> nn.Module:
    with DefaultScope.overwrite_default_scope('mmdet'):
        return MODELS.build(Config.fromfile(config).model)


@pytest.mark.parametrize('name, options, config', [
    ('yolov9-t', [], 'configs/yolov9/yolov9t_coco.py'),
    ('yolov9-t', ['--drop-aux'], 'configs/gelan/gelant_coco.py'),
    ('gelan-t', [], 'configs/gelan/gelant_coco.py'),
])
def test_a_published_file_becomes_one_that_mmengine_loads_strictly(files, tool, tmp_path, name, options, config):
    assert tool('yolov9', files[name], tmp_path / 'new' / 'ours.pth', *options).endswith(f'for {config}\n')
    model = build(config)
    checkpoint = load_checkpoint(model, str(tmp_path / 'new' / 'ours.pth'), map_location='cpu', strict=True)
    expected = convert('yolov9', weights(shapes(name, class_channels=80)), drop_aux=bool(options))
    assert_close(model.state_dict(), expected, rtol=0, atol=0)
    assert checkpoint['meta'] == dict(
        converted_from=dict(file=f'{name}.pt', entry='model', model=name), config=config, options={},
        dataset_meta=dict(classes=tuple(CLASSES)))
    assert [file.name for file in (tmp_path / 'new').iterdir()] == ['ours.pth']


def test_the_table_names_modules_and_adds_up(files, tool, tmp_path):
    output = tool('yolov9', files['yolov9-t'], tmp_path / 'ours.pth')
    rows = [line.split() for line in output.partition('\n\n')[0].splitlines()]
    assert rows[0] == ['published', 'ours', 'tensors', 'values']
    assert rows[1] == ['model.0', 'backbone.trunk.downs.0', '6', '497']  # 16x3x3x3, 4 x 16 and a counter
    assert ['model.29', '(dropped)', '2', '32'] in rows
    assert ['model.29', 'bbox_head', '84'] in [row[:3] for row in rows]  # 6 towers of 14
    assert ['model.29', 'aux_head.head', '84'] in [row[:3] for row in rows]
    assert sum(int(row[2]) for row in rows[1:]) == 1772
    assert '1770 of 1772 tensors mapped, 2 dropped' in output
    assert "yolov9-t, 80 classes; the weights under 'model'" in output


def test_verbose_lists_every_tensor_with_its_shape(files, tool, tmp_path):
    output = tool('yolov9', files['gelan-t'], tmp_path / 'ours.pth', '--verbose')
    rows = [line.split() for line in output.partition('\n\n')[0].splitlines()]
    assert len(rows) == 1 + 1339
    assert rows[1] == ['model.0.conv.weight', 'backbone.trunk.downs.0.conv.weight', '16x3x3x3']
    assert ['model.22.dfl.conv.weight', '(dropped)', '1x16x1x1'] in rows
    assert ['model.0.bn.num_batches_tracked', 'backbone.trunk.downs.0.bn.num_batches_tracked', 'scalar'] in rows


def test_other_class_towers_are_suggested_as_options_of_the_config(tool, tmp_path):
    save_published(tmp_path / 'theirs.pt', weights(shapes('gelan-t', num_classes=3)))
    assert tool('yolov9', tmp_path / 'theirs.pt', tmp_path / 'ours.pth').endswith(
        'for configs/gelan/gelant_coco.py with --cfg-options model.bbox_head.num_classes=3 '
        'model.bbox_head.class_channels=64\n')
    assert 'dataset_meta' not in torch.load(tmp_path / 'ours.pth')['meta']


def test_a_converted_file_is_read_back(files, tool, tmp_path):
    tool('yolov9', files['gelan-t'], tmp_path / 'ours.pth')
    published = read_checkpoint(tmp_path / 'ours.pth')
    assert published.source == 'state_dict'
    assert_close(published.state_dict, torch.load(tmp_path / 'ours.pth')['state_dict'], rtol=0, atol=0)


def test_a_file_that_is_there_is_replaced(files, tool, tmp_path):
    (tmp_path / 'ours.pth').write_text('older')
    tool('yolov9', files['gelan-t'], tmp_path / 'ours.pth')
    assert len(torch.load(tmp_path / 'ours.pth')['state_dict']) == 1338


def test_a_file_is_not_converted_onto_itself(files, tool):
    content = files['gelan-t'].read_bytes()
    tool('yolov9', files['gelan-t'], files['gelan-t'], error='the published file itself')
    assert files['gelan-t'].read_bytes() == content


def test_a_failed_conversion_leaves_what_was_there(tool, tmp_path):
    torch.save({'model.0.bn.weight': torch.ones(1)}, tmp_path / 'theirs.pt')
    (tmp_path / 'ours.pth').write_text('older')
    tool('yolov9', tmp_path / 'theirs.pt', tmp_path / 'ours.pth', error='no size of YOLOv9')
    assert (tmp_path / 'ours.pth').read_text() == 'older'


@pytest.mark.parametrize('args, message', [
    (['yolov9', 'nowhere.pt', 'ours.pth'], 'nowhere.pt'),
    (['yolov5', 'theirs.pt', 'ours.pth'], 'yolov5'),
    (['yolov9', 'theirs.pt', 'theirs.pt/ours.pth'], 'theirs.pt'),
], ids=['no_file', 'no_system', 'no_folder'])
def test_wrong_arguments_are_one_line(tool, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    save_published(tmp_path / 'theirs.pt', weights(shapes('gelan-t')))
    assert tool(*args, error=message).splitlines()[-1].startswith('convert_checkpoint.py: error: ')


def test_left_over_names_end_the_program_with_their_list_and_no_traceback(tool, tmp_path):
    extra = {'model.22.proto.weight': torch.ones(2, 1), 'model.22.masks.bias': torch.ones(2)}
    save_published(tmp_path / 'theirs.pt', weights(shapes('gelan-t')) | extra)
    printed = tool('yolov9', tmp_path / 'theirs.pt', tmp_path / 'ours.pth', error='no rule for 2')
    assert printed.splitlines()[-3:] == [
        f'convert_checkpoint.py: error: {tmp_path}/theirs.pt: no rule for 2 of 1341 tensors:',
        '  model.22.proto.weight', '  model.22.masks.bias'
    ]
    assert 'Traceback' not in printed
    assert not (tmp_path / 'ours.pth').exists()
