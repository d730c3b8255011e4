import json
import os
import pickle
import re
import runpy
import stat
import sys
from pathlib import Path

import pytest
import torch
from mmdet.registry import OPTIM_WRAPPERS
from mmengine.config import Config
from mmengine.runner import Runner

from mmdet_ext import launch
from mmdet_ext.checkpoints.load import check_file

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / 'tools'
SHAPES = ROOT / 'configs/yolov9/yolov9t_shapes.py'


@pytest.fixture(scope='module')
def checkpoint(fork, workplace, fast):
    """One epoch of training; the work directory is the default one."""
    fork(TOOLS / 'train.py', SHAPES, *fast)
    return workplace / 'work_dirs' / 'yolov9t_shapes' / 'epoch_1.pth'


@pytest.fixture
def own_threads():
    """The environment of a command that is to find out how many threads to compute with, here on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    yield dict(OMP_NUM_THREADS=None)
    os.sched_setaffinity(0, cores)


def test_training_goes_on_where_it_stopped(fork, checkpoint, fast, own_threads):
    log = fork(TOOLS / 'train.py', SHAPES, '--resume', '--work-dir', checkpoint.parent, *fast, 'train_cfg.max_epochs=2',
               **own_threads)
    assert 'Threads: 1 on 1 cores.' in log
    assert 'resumed epoch: 1, iter: 2' in log
    assert 'Epoch(train) [2]' in log and 'Epoch(train) [1]' not in log


def test_where_nothing_can_be_resumed_training_begins_with_load_from(tmp_path):
    start, last = tmp_path / 'start.pth', tmp_path / 'epoch_1.pth'
    torch.save({}, start)
    cfg = Config(dict(work_dir=str(tmp_path), load_from=str(start)))
    launch.begin_from(cfg, 'auto')
    assert cfg.load_from == str(start) and not cfg.get('resume')
    torch.save({}, last)
    launch.begin_from(cfg, 'auto')
    assert cfg.load_from is None and cfg.resume
    cfg = Config(dict(work_dir=str(tmp_path / 'new'), load_from=str(tmp_path / 'no.pth')))
    with pytest.raises(FileNotFoundError, match='no.pth'):
        launch.begin_from(cfg, 'auto')


def test_foreign_configs_get_the_hooks_that_resume():
    cfg = Config.fromfile(ROOT / 'configs/mix/rd_faster-rcnn_r50_fpn_1x_coco.py')
    foreign = Config(dict(default_hooks=dict(
        checkpoint=dict(type='CheckpointHook', interval=2), param_scheduler=dict(type='ParamSchedulerHook'),
        logger=dict(type='LoggerHook'))))
    launch.use_own_hooks(foreign)
    assert foreign.default_hooks == dict(
        checkpoint=dict(type='WholeCheckpointHook', interval=2), param_scheduler=dict(type='ScheduleHook'),
        sampler_seed=dict(type='EpochSeedHook'), logger=dict(type='LoggerHook'))
    assert foreign.custom_imports == dict(imports=['mmdet_ext'])
    before = cfg.to_dict()
    launch.use_own_hooks(cfg)
    assert cfg.to_dict() == before


def test_a_resumed_run_equals_one_that_went_through(fork, workplace, fast):
    options = [*fast, 'train_cfg.max_epochs=2', 'default_hooks.logger.interval=1', 'train_cfg.val_interval=2']
    through, resumed = workplace / 'through', workplace / 'resumed'
    fork(TOOLS / 'train.py', SHAPES, '--work-dir', through, *options)
    fork(TOOLS / 'train.py', SHAPES, '--work-dir', resumed, '--resume', through / 'epoch_1.pth', *options)

    def losses(folder: Path) -> dict[int, float]:
        scalars, = folder.glob('*/vis_data/scalars.json')
        rows = map(json.loads, scalars.read_text().splitlines())
        return {row['step']: row['loss'] for row in rows if row.get('epoch') == 2 and 'loss' in row}

    assert len(losses(through)) == 2
    assert losses(resumed) == losses(through)
    one, other = (torch.load(folder / 'epoch_2.pth', weights_only=False)['state_dict'] for folder in (through, resumed))
    torch.testing.assert_close(other, one, rtol=0, atol=0)


def test_smca_with_a_data_worker_and_dropout_resumes_to_the_digit(workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(workplace)

    def weights(folder: Path, **resume: object) -> dict[str, torch.Tensor]:
        dropout = dict.fromkeys((f'model.decoder.layer_cfg.{part}' for part in (
            'self_attn_cfg.dropout', 'cross_attn_cfg.dropout', 'ffn_cfg.ffn_drop')), 0.1)
        cfg = launch.load_config(str(ROOT / 'configs/smca/smca_r18_shapes.py'), work_dir=str(folder), options={
            'train_cfg.max_epochs': 2, 'val_dataloader': None, 'val_cfg': None, 'val_evaluator': None,
            'log_level': 'ERROR', **dropout, **resume})
        Runner.from_cfg(cfg).train()
        return torch.load(folder / 'epoch_2.pth')['state_dict']

    through = weights(tmp_path / 'through')
    rest = weights(tmp_path / 'rest', resume=True, load_from=str(tmp_path / 'through/epoch_1.pth'))
    torch.testing.assert_close(rest, through, rtol=0, atol=0)


def test_testing_writes_metrics_images_and_predictions(fork, checkpoint, workplace, fast):
    fork(TOOLS / 'test.py', SHAPES, checkpoint, '--work-dir', 'tested',
         '--show-dir', workplace / 'images', '--out', 'predictions.pkl', *fast)
    metrics, = (workplace / 'tested').glob('*/*.json')
    assert 'coco/bbox_mAP_50' in json.loads(metrics.read_text())
    assert len(list((workplace / 'images').iterdir())) == 4
    assert len(pickle.loads((workplace / 'predictions.pkl').read_bytes())) == 4


def test_a_checkpoint_of_other_classes_is_not_tested(fork, checkpoint, fast):
    log = fork(TOOLS / 'test.py', SHAPES, checkpoint, *fast, 'model.bbox_head.class_channels=64', code=2)
    assert 'does not fit the config' in log and 'class_towers' in log and 'Traceback' not in log


def test_testing_with_mirror_images(fork, checkpoint, fast, own_threads):
    log = fork(TOOLS / 'test.py', SHAPES, checkpoint, '--tta', *fast, **own_threads)
    assert 'coco/bbox_mAP_50' in log and 'Threads: 1 on 1 cores.' in log


def test_two_processes_train_and_test_on_the_cpu(call, fork, fast):
    log = call('bash', TOOLS / 'dist_train.sh', SHAPES, '2', '--work-dir', 'dist', *fast, PORT='29637',
               CUDA_VISIBLE_DEVICES='')
    assert 'GPU number: 2' in log and 'Epoch(train) [1][1/1]' in log  # 8 images: a batch of 4 for each of the two
    command = call('bash', TOOLS / 'dist_test.sh', SHAPES, 'dist/epoch_1.pth', '2', *fast, PORT='29638', PYTHON='echo')
    launched, _, arguments = command.partition(f' {TOOLS}/test.py ')
    assert '-m torch.distributed.run' in launched and '--master_port=29638 --nproc_per_node=2' in launched
    log = fork(TOOLS / 'test.py', *arguments.split(), processes=2, MASTER_PORT='29638', CUDA_VISIBLE_DEVICES='')
    assert 'GPU number: 2' in log and 'coco/bbox_mAP_50' in log


@pytest.mark.parametrize('env, times', [({}, 0), (dict(MAX_RESTARTS='2'), 2), (dict(PET_MAX_RESTARTS='1'), 1)])
def test_processes_start_again_as_often_as_is_asked_for(call, env, times):
    command = call('bash', TOOLS / 'dist_train.sh', SHAPES, '2', '--resume', **env, PYTHON='echo')
    assert f'--nproc_per_node=2 --max_restarts={times} {TOOLS}/train.py {SHAPES} --launcher pytorch --resume' in command


@pytest.fixture
def srun(tmp_path):
    """A stand-in for Slurm: it writes its options to a file and prints the command."""
    program = tmp_path / 'srun'
    program.write_text(f'''#!/usr/bin/env bash
printf '%s\\n' "$@" >"{tmp_path}/arguments"
while [[ $1 == -* ]]; do shift; done
echo "$@"
''')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_slurm_jobs(call, fork, srun, fast):
    env = dict(PATH=f'{srun.parent}:{os.environ["PATH"]}', GPUS='1', GPUS_PER_NODE='1',
               SRUN_ARGS='--quiet --nodelist=a', PYTHON='python')
    command = call('bash', TOOLS / 'slurm_train.sh', 'part', 'job', SHAPES, 'slurm', *fast, **env)
    arguments = (srun.parent / 'arguments').read_text().splitlines()
    assert {'--partition=part', '--job-name=job', '--gres=gpu:1', '--ntasks=1', '--nodelist=a'} < set(arguments)
    python, unbuffered, *rest = command.split()
    assert (python, unbuffered) == ('python', '-u') and rest[:2] == [str(TOOLS / 'train.py'), str(SHAPES)]
    task = dict(SLURM_PROCID='0', SLURM_NTASKS='1', SLURM_LOCALID='0', SLURM_NODELIST='localhost',
                MASTER_ADDR='127.0.0.1', MASTER_PORT='29639', CUDA_VISIBLE_DEVICES='')
    assert 'Epoch(train) [1]' in fork(*rest, **task)  # as the only task of a job

    command = call('bash', TOOLS / 'slurm_test.sh', 'part', 'job', SHAPES, 'x.pth', '--tta', **env)
    assert command == f'python -u {TOOLS}/test.py {SHAPES} x.pth --launcher slurm --tta\n'


@pytest.mark.parametrize('script, arguments', [
    ('dist_train.sh', ['CONFIG']), ('dist_test.sh', ['CONFIG', 'CKPT']), ('slurm_train.sh', ['a', 'b', 'c']),
    ('slurm_test.sh', ['a', 'b', 'c']),
])
def test_scripts_say_which_arguments_they_take(call, script, arguments):
    assert 'usage: ' in call('bash', TOOLS / script, *arguments, code=2)


@pytest.fixture
def message_of(monkeypatch, capsys):
    """Run a tool in this process, which ends with exit status 2; returns what it printed as an error."""

    def run(tool: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        monkeypatch.setenv('LOCAL_RANK', '0')
        with pytest.raises(SystemExit) as exit:
            runpy.run_path(str(TOOLS / tool), run_name='__main__')
        assert exit.value.code == 2
        printed = capsys.readouterr().err  # loggers of other tests write there too
        return printed[printed.index(f'{tool}: error: '):]

    return run


@pytest.mark.parametrize('tool, arguments, message', [
    ('train.py', ['no/config.py'], 'there is no config file no/config.py'),
    ('test.py', ['no/config.py', 'x.pth'], 'there is no config file no/config.py'),
    ('train.py', [SHAPES, '--resume', 'no.pth'], 'there is no checkpoint no.pth'),
    ('train.py', [SHAPES, '--cfg-options', 'load_from=no.pth'], 'there is no checkpoint no.pth'),
    ('test.py', [SHAPES, 'no.pth'], 'there is no checkpoint no.pth'),
    ('train.py', [SHAPES, '--auto-scale-lr'], 'has no auto_scale_lr'),
    ('train.py', [SHAPES, '--cfg-options', 'load_from=3'], 'load_from should be the path of a checkpoint, got 3'),
    ('train.py', [SHAPES, '--cfg-options', 'lr'], "argument --cfg-options: should be KEY=VALUE, got 'lr'"),
    ('train.py', [SHAPES, '--cfg-options', 'a=[1,(2]'], "argument --cfg-options: should be KEY=VALUE, got 'a=[1,(2]'"),
    ('train.py', [SHAPES, '--cfg-options', 'image_sie=320'],
     "yolov9t_shapes.py has no 'image_sie' for image_sie=320 to replace, did you mean image_size"),
    ('train.py', [SHAPES, '--cfg-options', 'data_root=elsewhere'],
     "data_root='elsewhere' changes nothing, for the file has made other values of data_root already: change it in the "
     'file, or give train_dataloader.dataset.dataset.data_root or val_dataloader.dataset.data_root or'),
    *(('train.py', [SHAPES, '--cfg-options', f'{key}={value}'], f'yolov9t_shapes.py: {key} should be a {meaning}')
      for key, value, meaning in (
          ('train_cfg.max_epochs', 0, 'whole number of at least 1, got 0'),
          ('train_cfg.max_epochs', 'ten', "whole number of at least 1, got 'ten'"),
          ('train_cfg.val_interval', 0, 'whole number of at least 1, got 0'),
          ('val_dataloader.batch_size', 1.5, 'whole number of at least 1, got 1.5'),
          ('train_dataloader.num_workers', -1, 'whole number of at least 0, got -1'),
          ('randomness.seed', 'abc', "whole number of at least 0, got 'abc'"), ('train_cfg', 'abc', 'dict'))),
])
def test_errors_are_one_line(message_of, tool, arguments, message):
    error = message_of(tool, *arguments)
    assert message in error and error.count('\n') == 1


@pytest.mark.parametrize('option, message', [
    ('model.neck.width=3', 'TypeError: .*unexpected keyword argument \'width\''),
    ('model.type=NoDetector', 'KeyError: NoDetector is not in the mmdet::model registry'),
    ('optim_wrapper.optimizer.speed=1', 'TypeError: .*unexpected keyword argument \'speed\''),
    ('optim_wrapper.optimizer.type=Sdg', "optim_wrapper.optimizer.type should be .*, got 'Sdg'"),
    ('optim_wrapper.optimizer.lr=-1', 'yolov9t_shapes.py: SGD: ValueError: Invalid learning rate: -1'),
    ('model.bbox_head.num_classes=5', r'`num_classes` \(5\) in YOLOv9Head'),
    ('default_hooks.warmup.epochs=1', 'TypeError: .*unexpected keyword argument \'epochs\''),
    ('train_dataloader.dataset.dataset.pipeline.0.type=LoadPhoto', 'KeyError: LoadPhoto is not in the'),
    ('model.bbox_head.num_classes=text', 'yolov9t_shapes.py: YOLOv9Head: TypeError'),
    ('train_dataloader.dataset.dataset.ann_file=no.json', 'no.json'),
])
def test_mistakes_in_a_config_are_one_message_and_their_traceback_is_in_the_log(
        message_of, monkeypatch, workplace, tmp_path, fast, option, message):
    monkeypatch.chdir(workplace)
    # mmengine keeps one logger for runs of one name in one second
    error = message_of('train.py', SHAPES, '--work-dir', tmp_path, *fast, option, f'experiment_name={tmp_path.name}')
    assert re.search(message, error) and 'Traceback' not in error
    log, = tmp_path.glob('*/*.log')
    assert 'Traceback (most recent call last)' in log.read_text() and re.search(message, log.read_text())


def test_predictions_go_to_a_pickle(message_of):
    assert 'must end in .pkl' in message_of('test.py', SHAPES, 'x.pth', '--out', 'x.json')


class Foreign:
    """A class that no checkpoint of ours holds."""


@pytest.mark.parametrize('content, message', [
    (lambda path: path.write_bytes(b''), 'is empty'),
    (lambda path: (torch.save(torch.zeros(9), path), path.write_bytes(path.read_bytes()[:-50])), 'is no checkpoint'),
    (lambda path: torch.save(Foreign(), path), 'objects of another program'),
], ids=['empty', 'truncated', 'foreign'])
def test_unreadable_checkpoints_are_named(tmp_path, content, message):
    content(tmp_path / 'x.pth')
    with pytest.raises(ValueError, match=f'x.pth.*{message}'):
        check_file(str(tmp_path / 'x.pth'))


def test_addresses_of_checkpoints_are_left_to_mmengine():
    check_file('https://example.org/x.pth')
    check_file('torchvision://resnet50')


def test_data_workers_get_their_cores(monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    monkeypatch.setattr('os.sched_getaffinity', lambda pid: range(4), raising=False)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    threads = []
    monkeypatch.setattr('torch.set_num_threads', threads.append)
    for workers in (0, 1, 8):
        launch.leave_cores_to_workers(dict(num_workers=workers))
    assert threads == [4, 3, 1]

    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    launch.leave_cores_to_workers(dict(num_workers=0))
    assert len(threads) == 3


def test_amp_takes_the_twin_of_the_optimizer_wrapper(monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: True)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')  # mmengine's logger asks which device it is
    for name in ('OptimWrapper', 'SumOptimWrapper'):
        cfg = Config(dict(optim_wrapper=dict(type=name)))
        launch.use_amp(cfg)
        assert cfg.optim_wrapper == dict(type=f'Amp{name}', loss_scale='dynamic')
        assert OPTIM_WRAPPERS.get(cfg.optim_wrapper.type)

    cfg = Config(dict(optim_wrapper=dict(type='AmpOptimWrapper', loss_scale=512.)))
    launch.use_amp(cfg)
    assert cfg.optim_wrapper == dict(type='AmpOptimWrapper', loss_scale=512.)

    with pytest.raises(ValueError, match='no AmpApexOptimWrapper is registered'):
        launch.use_amp(Config(dict(optim_wrapper=dict(type='ApexOptimWrapper'))))


def test_amp_needs_a_gpu(monkeypatch):
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    with pytest.raises(ValueError, match='no CUDA device'):
        launch.use_amp(Config(dict(optim_wrapper=dict(type='OptimWrapper'))))


def test_auto_scale_lr_is_switched_on():
    cfg = Config(dict(auto_scale_lr=dict(base_batch_size=16)))
    launch.use_auto_scale_lr(cfg)
    assert cfg.auto_scale_lr.enable


def test_the_command_line_goes_before_the_config(tmp_path):
    (tmp_path / 'some.py').write_text('a = dict(b=1)')
    cfg = launch.load_config(str(tmp_path / 'some.py'), options={'a.b': 2})
    assert cfg.a.b == 2 and cfg.work_dir == './work_dirs/some' and cfg.launcher == 'none'

    (tmp_path / 'some.py').write_text('work_dir = "mine"')
    assert launch.load_config(str(tmp_path / 'some.py')).work_dir == 'mine'
    assert launch.load_config(str(tmp_path / 'some.py'), work_dir='yours').work_dir == 'yours'


def test_without_data_workers_none_is_kept():
    cfg = launch.load_config(SHAPES, options={'train_dataloader.num_workers': 0, 'val_dataloader.num_workers': 2})
    assert not cfg.train_dataloader.persistent_workers and cfg.val_dataloader.persistent_workers


@pytest.mark.parametrize('content, error', [
    ('a = 1 / 0', 'ZeroDivisionError'), ('a = (1,', 'SyntaxError'), ('raise RuntimeError("why")', 'RuntimeError: why'),
    ('a = "\udce9"', 'UnicodeDecodeError'),
    ('custom_imports = dict(imports=["no_module"], allow_failed_imports=False)', 'ImportError')])
def test_a_config_that_cannot_be_read_is_named(tmp_path, content, error):
    path = tmp_path / 'my_config.py'
    path.write_bytes(content.encode(errors='surrogateescape'))
    with pytest.raises(ValueError, match=f'my_config.py: .*{error}'):
        launch.load_config(str(path))


def test_mmdet_s_coco_data_sets_are_checked_by_our_commands():
    coco = dict(type='CocoDataset', ann_file='a.json')
    cfg = Config(dict(
        train_dataloader=dict(dataset=dict(type='RepeatDataset', dataset=dict(type='ConcatDataset', datasets=[coco]))),
        val_dataloader=dict(dataset=coco), test_dataloader=dict(dataset=dict(type='LVISV1Dataset'))))
    launch.use_checked_data_sets(cfg)
    assert cfg.train_dataloader.dataset.dataset.datasets[0] == dict(coco, type='CheckedCocoDataset')
    assert cfg.val_dataloader.dataset.type == 'CheckedCocoDataset'
    assert cfg.test_dataloader.dataset.type == 'LVISV1Dataset'
