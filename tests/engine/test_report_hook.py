"""When ReportHook starts its process, and what it says of how that ended; tests/report runs it."""
import os
from types import SimpleNamespace

import pytest
from mmengine.config import Config

from mmdet_ext import launch
from mmdet_ext.launch import report as launch_report
from mmdet_ext.report import hook
from mmdet_ext.report.hook import ReportHook
from tiny_run import tiny_runner


def hook_logs(monkeypatch, tmp_path, outcome, **options) -> tuple[list[tuple[int, str]], list]:
    """What the hook logs when its process ends as `outcome` says, and how it was started."""
    lines, calls = [], []

    def start(command, stderr, env, stdout):
        calls.append((command, env))
        return outcome(stderr)

    monkeypatch.setattr(hook, 'subprocess', SimpleNamespace(run=start))
    logger = SimpleNamespace(**{name: lambda text, name=name: lines.append((name, text)) for name in ('info', 'error')})
    runner = SimpleNamespace(work_dir=str(tmp_path / 'a run'), logger=logger, cfg=SimpleNamespace(filename=__file__))
    ReportHook(**options).after_train(runner)
    return lines[1:], calls


def test_a_failure_is_logged_with_the_command_that_repeats_it(monkeypatch, tmp_path):
    def fail(stderr):
        stderr.write('Traceback\n__main__.py: error: jinja2 is not installed: pip install "mmdet_ext[report]"\n')
        return SimpleNamespace(returncode=2)

    (kind, text), = hook_logs(monkeypatch, tmp_path, fail, split='test')[0]
    assert kind == 'error' and 'The training is complete' in text and 'pip install "mmdet_ext[report]"' in text
    assert f"-m mmdet_ext.report '{tmp_path}/a run' --split test --base {__file__}" in text
    assert 'jinja2' in (tmp_path / 'a run' / 'report' / 'errors.txt').read_text()


@pytest.mark.parametrize('error', [OSError(28, 'No space left on device'), KeyboardInterrupt()])
def test_nothing_that_happens_to_the_report_ends_the_training(monkeypatch, tmp_path, error):
    def fail(_):
        raise error

    (kind, text), = hook_logs(monkeypatch, tmp_path, fail)[0]
    assert kind == 'error' and ('No space left' in text or 'interrupted' in text)


def test_the_report_belongs_to_no_group_of_processes(monkeypatch, tmp_path):
    for name in ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'TORCHELASTIC_RUN_ID', 'SLURM_PROCID'):
        monkeypatch.setenv(name, '1')
    _, ((_, env), ) = hook_logs(monkeypatch, tmp_path, lambda _: SimpleNamespace(returncode=0))
    assert not {'RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'TORCHELASTIC_RUN_ID', 'SLURM_PROCID'} & set(env)
    assert env['PATH'] == os.environ['PATH']
    monkeypatch.setattr('mmdet_ext.report.hook.is_main_process', lambda: False)
    lines, calls = hook_logs(monkeypatch, tmp_path, None)
    assert lines == [] and calls == []


def test_rejects_a_split_that_is_none():
    with pytest.raises(ValueError, match="split should be 'val' or 'test', got 'train'"):
        ReportHook(split='train')


def test_a_training_ends_with_its_report_after_its_last_checkpoint(monkeypatch, tmp_path):
    calls = []

    def start(command, **_):
        calls.append((command[3:5], sorted(path.name for path in tmp_path.glob('*.pth'))))
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr(hook, 'subprocess', SimpleNamespace(run=start))
    tiny_runner(tmp_path, epochs=2, hooks=dict(report=dict(type='ReportHook'))).train()
    assert calls == [([str(tmp_path), '--split'], ['epoch_1.pth', 'epoch_2.pth'])]


def hooks_of(cfg: dict, **options) -> dict:
    cfg = Config(cfg)
    launch.use_report(cfg, **options)
    launch.drop_hooks(cfg)
    return cfg.default_hooks.to_dict()


def test_trainings_end_with_a_report_unless_told_otherwise():
    default = dict(report=dict(type='ReportHook'))
    assert hooks_of({}) == default
    assert hooks_of(dict(default_hooks=dict(report=dict(type='ReportHook', split='test')))) == dict(
        report=dict(type='ReportHook', split='test'))
    assert hooks_of({}, wanted=False) == hooks_of(dict(default_hooks=default), wanted=False) == {}
    assert hooks_of(dict(default_hooks=dict(report=None))) == {}
    assert hooks_of(dict(custom_hooks=[dict(type='ReportHook')])) == {}


def test_without_its_libraries_a_training_ends_without_a_report(monkeypatch):
    monkeypatch.setattr(launch_report, 'LIBRARIES', ('jinja2', 'no_such_library'))
    lines = []
    monkeypatch.setattr(launch_report, 'print_log', lines.append)
    assert hooks_of({}) == {}
    assert lines == ['The training ends without a report: no_such_library is not installed: pip install '
                     '"mmdet_ext[report]"']


def test_hooks_that_are_none_are_taken_out_but_those_of_mmengine():
    cfg = Config(dict(default_hooks=dict(checkpoint=None, patience=None, logger=dict(type='LoggerHook'))))
    launch.drop_hooks(cfg)
    assert cfg.default_hooks.to_dict() == dict(checkpoint=None, logger=dict(type='LoggerHook'))
