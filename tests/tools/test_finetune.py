"""tools/finetune.py from a folder of images to a checkpoint, and what it says on the way."""
import re
from pathlib import Path

import pytest
from mmdet.registry import DATASETS, METRICS
from mmengine.config import Config

from mmdet_ext.finetune import run as finetune_run
from mmdet_ext.visualization.large_visualizer import LargeVisualizer

pytestmark = pytest.mark.usefixtures('shallow_blocks')

TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'finetune.py'
QUICK = ['--image-size', '64', '--batch-size', '4', '--workers', '0', '--no-report', '--cfg-options',
         *(f'{split}_dataloader.persistent_workers=False' for split in ('train', 'val', 'test'))]


@pytest.fixture(scope='module')
def trained(workplace, fork) -> tuple[Path, str]:
    """The folder of a run of one epoch, and what was printed."""
    LargeVisualizer.get_instance('visualizer')  # as an earlier run in this process leaves it
    printed = fork(TOOL, 'yolov9-t', 'data/shapes', '--epochs', '1', *QUICK)
    return workplace / 'work_dirs' / 'shapes_yolov9-t', printed


@pytest.fixture
def here(workplace, monkeypatch) -> Path:
    monkeypatch.chdir(workplace)
    return workplace


def test_one_command_checks_trains_and_says_what_is_next(trained):
    folder, printed = trained
    assert 'Format: COCO json' in printed and 'begins with random weights' in printed
    assert re.search(r'epoch 1/1  loss \d+\.\d+  AP \d\.\d+ \(best \d\.\d+\)  \d:\d\d:\d\d, 0:00:00 left', printed)
    assert 'Epoch(train)' not in printed and any('Epoch(train)' in log.read_text() for log in folder.rglob('*.log'))
    best = next(folder.glob('best_*.pth'))
    assert f'checkpoint  work_dirs/shapes_yolov9-t/{best.name}' in printed
    for name in ('predict.py', 'report.py', 'export.py'):
        assert f'tools/{name} work_dirs/shapes_yolov9-t' in printed
    assert (folder / 'check.txt').is_file() and not (folder / 'report').exists()


def test_the_config_stays_short_and_trains_with_the_usual_tool(trained, fork):
    folder, _ = trained
    text = (folder / 'config.py').read_text()
    assert len(text.splitlines()) < 45 and "_base_ = __import__('mmdet_ext')" in text
    log = fork(TOOL.parent / 'train.py', folder / 'config.py', '--resume', '--no-report', '--cfg-options',
               'train_cfg.max_epochs=2', *QUICK[8:])
    assert 'resumed epoch: 1' in log and 'Epoch(train) [2]' in log
    assert (folder / 'config.py').read_text() == text and (folder / 'epoch_2.pth').is_file()


def test_a_run_goes_on_only_if_asked(trained, here, in_process):
    message, _ = in_process(str(TOOL), 'yolov9-t', 'data/shapes', *QUICK)
    assert 'has a run already: --resume goes on' in message
    message, _ = in_process(str(TOOL), 'yolov9-t', 'data/shapes', '--resume', '--epochs', '5', '--image-size', '64',
                            '--lr', '0.1')
    assert 'which says max_epochs = 1, lr = 0.01: leave --epochs, --lr out, or change the file' in message
    for data, options, then in (('data/shapes', ['--seed', '5'], '--seed 0, not 5'), ('data', [], 'the data '),
                                ('data/shapes', ['--format', 'yolo'], '--format None, not yolo')):
        message, _ = in_process(str(TOOL), 'yolov9-t', data, '--resume', '--work-dir', trained[0], *options)
        assert f'began with {then}' in message


def test_the_same_command_goes_on_with_the_data_of_then(trained, here, in_process, monkeypatch):
    folder, _ = trained
    began = (folder / 'annotations/train.json').read_bytes()
    calls = []
    monkeypatch.setattr(finetune_run, 'train', lambda config, **kwargs: calls.append(kwargs))
    command = ['yolov9-t', 'data/shapes', '--epochs', '1', *QUICK, '--resume']
    assert 'has changed' not in in_process(str(TOOL), *command)[1]
    labels = here / 'data/shapes/annotations/instances_train.json'
    content = labels.read_text()
    labels.write_text(content.replace('circle', 'ring'))
    message, printed = in_process(str(TOOL), *command)
    labels.write_text(content)
    assert message == '' and 'has changed since this run began' in printed and 'Boxes per class' not in printed
    assert [call['resume'] for call in calls] == ['auto', 'auto']
    assert (folder / 'annotations/train.json').read_bytes() == began
    assert 'by the checkpoint of epoch 1' in printed


def test_a_run_that_did_not_begin_leaves_no_config(here, in_process, tmp_path):
    command = ['yolov9-t', 'data/shapes', '--work-dir', tmp_path / 'run', *QUICK]
    for _ in range(2):
        message, _ = in_process(str(TOOL), *command, 'train_cfg.max_epoch=1')
        assert 'max_epoch' in message and not (tmp_path / 'run/config.py').exists()


def test_an_interruption_says_once_how_to_go_on(here, in_process, tmp_path, monkeypatch):
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(finetune_run, 'train', interrupted)
    message, _ = in_process(str(TOOL), 'yolov9-t', 'data/shapes', '--work-dir', tmp_path / 'run', *QUICK)
    assert message.strip().endswith('interrupted: the same command with --resume goes on (no epoch is complete, so it '
                                    'begins anew)')


def test_check_ends_after_the_page(here, in_process, tmp_path):
    message, printed = in_process(str(TOOL), 'yolov9-t', 'data/shapes', '--check', '--work-dir', tmp_path / 'run')
    assert message == '' and 'Boxes per class' in printed and (tmp_path / 'run/check.txt').is_file()
    assert not (tmp_path / 'run/config.py').exists()


@pytest.mark.parametrize(('arguments', 'message'), [
    (['yolov9s', 'data/shapes'], "no model 'yolov9s', did you mean"),
    (['yolov9-s', 'data/nothing'], 'data/nothing'),
    (['yolov9-s', 'data/shapes', '--epochs', '0'], '--epochs should be at least 1, got 0'),
    (['yolov9-s', 'data/shapes', '--val-fraction', '1'], '--val-fraction should be above 0 and below 1, got 1.0'),
    (['yolov9-s', 'data/shapes', '--format', 'zip'], "--format should be one of coco, yolo"),
    (['yolov9-s', 'data/shapes', '--work-dir', 'data/shapes/shapes.json/x'], '--work-dir FOLDER takes another one'),
    (['yolov9-s', 'data/shapes', '--lr', '-1'], '--lr should be above 0, got -1'),
    (['yolov9-s', 'data/shapes', '--weights', 'no.pth'], '--weights: there is no file no.pth'),
    (['yolov9-s', 'data/shapes', '--image-size', '100'], 'image_size should be a multiple of 32'),
    (['mdetr-r18', 'data/shapes', '--format', 'coco'], 'has boxes, and mdetr-r18 learns captions')])
def test_mistakes_end_in_one_message(arguments, message, here, in_process, tmp_path):
    printed, _ = in_process(str(TOOL), '--work-dir', tmp_path / 'run', *arguments)
    assert message in printed and len(printed.splitlines()) == 1
    assert not (tmp_path / 'run/config.py').exists()


def test_list_names_all_models(in_process):
    assert in_process(str(TOOL), '--list')[1].count('\n') == 24


def test_captions_of_the_boxes_are_what_mdetr_learns(here, in_process, tmp_path, monkeypatch):
    configs = []
    monkeypatch.setattr(finetune_run, 'train', lambda config, **kwargs: configs.append(Config.fromfile(config)))
    message, printed = in_process(str(TOOL), 'mdetr-r18', 'data/shapes', '--weights', 'none', '--work-dir',
                                  tmp_path / 'run', *QUICK)
    assert message == '' and 'A tokenizer and a small text encoder' in printed
    cfg, = configs
    assert cfg.model.text_encoder == dict(type='RobertaTextEncoder', name=f'{tmp_path}/run/text', pretrained=False)
    sample = DATASETS.build(cfg.train_dataloader.dataset)[0]['data_samples']
    assert sample.text and len(sample.gt_instances.tokens_positive) == len(sample.gt_instances) > 0
    val = DATASETS.build(cfg.val_dataloader.dataset)
    assert METRICS.build(cfg.val_evaluator).targets.keys() == {val.get_data_info(i)['img_id'] for i in range(len(val))}
