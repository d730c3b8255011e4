"""tools/compare.py on two tiny trainings; and with a stand-in for train.py that writes the logs of one in no time."""
import json
import os
import signal
import stat
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL, SHAPES = str(ROOT / 'tools/compare.py'), ROOT / 'configs/yolov9/yolov9t_shapes.py'

# Called as `python train.py CONFIG --work-dir DIR --resume ...`. The config says what happens: what the AP is of each
# epoch, the exit code, or how many seconds pass before the end.
PYTHON = '''#!{python}
import json, os, runpy, sys, time
from functools import partial
from pathlib import Path

train, config, _, work_dir, *rest = sys.argv[1:]
cfg, work_dir = runpy.run_path(config), Path(work_dir)
with open(work_dir / 'calls.txt', 'a') as calls:
    print(os.environ.get('OMP_NUM_THREADS'), train, *rest, file=calls)
folder = work_dir / f'2026_{{len(list(work_dir.glob("*/")))}}'
(folder / 'vis_data').mkdir(parents=True)
(folder / 'the.log').write_text('as mmengine writes it')
print('the output of', config, flush=True)
with open(folder / 'vis_data' / 'scalars.json', 'a') as file:
    for epoch, value in enumerate(cfg['values'], start=1):
        rows = [dict(epoch=epoch, iter=10 * epoch, step=10 * epoch, time=3., loss=1.)]
        if value is not None:
            rows.append({{'coco/bbox_mAP': value, 'step': epoch, 'time': 1.}})
        for row in rows:
            print(json.dumps(row), file=file, flush=True)
time.sleep(cfg.get('seconds', 0))
sys.exit(cfg.get('code', 0))
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with a stand-in for the interpreter that runs train.py."""
    python = tmp_path / 'python'
    python.write_text(PYTHON.format(python=sys.executable))
    python.chmod(python.stat().st_mode | stat.S_IXUSR)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'executable', str(python))
    return tmp_path


@pytest.fixture
def make(folder):
    """Write a config of three epochs; returns its name."""

    def call(name: str, *values: float | None, max_epochs: int = 3, **more: object) -> str:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        settings = dict(train_cfg=dict(max_epochs=max_epochs), model={}, values=list(values), **more)
        path.write_text('\n'.join(f'{key} = {value!r}' for key, value in settings.items()))
        return name

    return call


@pytest.fixture
def run(in_process):
    return partial(in_process, TOOL)


def calls(folder: Path, name: str, out: str = 'work_dirs/compare') -> list[str]:
    path = folder / out / name / 'calls.txt'
    return path.read_text().splitlines() if path.is_file() else []


def test_trains_and_compares_two_configs(workplace, fast, run, monkeypatch):
    monkeypatch.chdir(workplace)
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    configs = [workplace / 'narrow.py', workplace / 'wide.py']
    for config, channels in zip(configs, (32, 64), strict=True):
        config.write_text(f"_base_ = ['{SHAPES}']\nmodel = dict(bbox_head=dict(class_channels={channels}))\n")
    message, out = run(*configs, '--jobs', 2, '--out', 'compared', '--train-options', *fast[1:])
    assert message == ''
    assert 'narrow: epoch 1 of 1, AP 0.' in out and 'Epoch(train)' not in out
    folder = workplace / 'compared'
    assert 'Epoch(train)' in (folder / 'narrow' / 'train.log').read_text()
    content = json.loads((folder / 'comparison.json').read_text())
    assert [run['name'] for run in content['runs']] == ['narrow', 'wide']
    assert all(run['values'].keys() == {'1'} and run['minutes_per_epoch'] > 0 for run in content['runs'])
    assert (folder / 'comparison.png').stat().st_size > 10_000
    table = (folder / 'comparison.md').read_text()
    assert 'narrow reaches the final AP of wide' in table or 'narrow does not reach' in table


def test_prints_and_writes_who_reaches_whom(make, run, folder):
    message, out = run(make('a.py', 0.1, 0.3, 0.4), make('b.py', 0.1, 0.1, 0.2), make('c.py', 0.1, 0.2, 0.5))
    assert message == ''
    table = (folder / 'work_dirs/compare/comparison.md').read_text()
    for line in ('- a reaches the final AP of b (0.200) after 2 of 3 epochs (0.67)',
                 '- a does not reach the final AP of c (0.500) in 3 epochs: its best is 0.400'):
        assert line in table and line in out
    content = json.loads((folder / 'work_dirs/compare/comparison.json').read_text())
    assert content['runs'][0]['minutes_per_epoch'] == pytest.approx(0.5)  # 10 iterations of 3 seconds
    assert out.index('the output of a.py') < out.index('the output of b.py')
    assert not list(folder.glob('work_dirs/compare/*/train.log'))


def test_a_finished_training_is_not_started_again(make, run, folder):
    configs = make('a.py', 0.1, 0.3, 0.4), make('early.py', 0.1, 0.1)  # the second one stops early by itself
    for _ in range(2):
        message, out = run(*configs)
        assert message == ''
    assert 'a: finished already' in out and 'early: finished already' in out
    assert 'early has been validated up to epoch 2 of 3' in out
    assert len(calls(folder, 'a')) == len(calls(folder, 'early')) == 1

    run(*configs, '--train-options', 'train_cfg.max_epochs=4')
    assert len(calls(folder, 'a')) == len(calls(folder, 'early')) == 2


def test_each_seed_is_trained_in_its_folder_and_means_are_compared(make, run, folder):
    configs = make('a.py', 0.1, 0.3, 0.4), make('b.py', 0.1, 0.1, 0.2)
    message, out = run(*configs, '--seeds', 0, 5, '--train-options', 'x=1')
    assert message == ''
    for name in ('a/seed_0', 'b/seed_0', 'a/seed_5', 'b/seed_5'):
        assert calls(folder, name)[0].endswith(f'--resume --cfg-options x=1 randomness.seed={name[-1]}')
    for line in ('- the final AP of a is 0.200 ± 0.000 above that of b, mean and standard deviation of 2 seeds; '
                 'greater with 2 of them', '- b: 2 seeds, 0, 5; final AP 0.200, 0.200', '0.400 ± 0.000 (epoch 3)'):
        assert line in out
    content = json.loads((folder / 'work_dirs/compare/comparison.json').read_text())
    assert [run['name'] for run in content['runs']] == ['a', 'b']

    message, out = run(*configs, '--seeds', 0, 5, 7)  # more seeds: those that are there are not trained again
    assert message == '' and 'a with seed 5: finished already' in out and 'a: 3 seeds, 0, 5, 7' in out
    assert len(calls(folder, 'a/seed_0')) == len(calls(folder, 'a/seed_7')) == 1


def test_options_and_resume_go_to_train_py(make, run, folder):
    work_dir = folder / 'out' / 'a'
    work_dir.mkdir(parents=True)
    for epoch in (1, 2):
        (work_dir / f'epoch_{epoch}.pth').touch()
    (work_dir / 'last_checkpoint').write_text('epoch_2.pth')  # and no validation of epoch 2
    run(make('a.py', 0.1, 0.3, 0.4), make('b.py', 0.1), '--out', 'out', '--train-options', 'x=1', 'y.z=[1,2]')
    train = f'{ROOT}/tools/train.py'
    assert calls(folder, 'a', 'out')[0].split(maxsplit=1)[1] == (
        f'{train} --resume out/a/epoch_1.pth --cfg-options x=1 y.z=[1,2]')
    assert calls(folder, 'b', 'out')[0].split(maxsplit=1)[1] == f'{train} --resume --cfg-options x=1 y.z=[1,2]'


def test_side_by_side_each_has_its_cores_its_log_and_a_line_of_progress(make, run, folder, monkeypatch):
    monkeypatch.setattr('os.sched_getaffinity', lambda pid: range(6), raising=False)
    monkeypatch.delenv('OMP_NUM_THREADS')
    configs = make('a.py', 0.1, 0.3, 0.4), make('b.py', 0.1, 0.1, 0.2), make('c.py', 0.1)
    message, out = run(*configs, '--jobs', 2)
    assert message == ''
    assert 'a: epoch 3 of 3, AP 0.400 after epoch 3' in out and 'the output of' not in out
    assert 'the output of a.py' in (folder / 'work_dirs/compare/a/train.log').read_text()
    assert [calls(folder, name)[0].split()[0] for name in 'abc'] == ['3', '3', '3']

    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    run(make('d.py', 0.1), make('e.py', 0.1), '--jobs', 2)
    assert calls(folder, 'd')[0].split()[0] == '1'


@pytest.mark.parametrize('jobs, log', [(1, '2026_0/the.log'), (2, 'train.log')])
def test_names_the_log_of_a_training_that_fails_and_begins_no_other(make, run, folder, jobs, log):
    message, _ = run(make('a.py', 0.1, code=3), make('b.py', 0.1, seconds=jobs - 1), make('c.py', 0.1), '--jobs', jobs)
    assert message == ('compare.py: error: the training of a failed with exit code 3: see '
                       f'work_dirs/compare/a/{log}')
    assert (len(calls(folder, 'b')), len(calls(folder, 'c'))) == (jobs - 1, 0)


def test_what_is_there_can_be_drawn_before_the_end(make, run, folder):
    configs = make('a.py', 0.1, 0.3, 0.4), make('b.py', 0.2, max_epochs=9), make('c.py', None)
    message, _ = run(*configs, '--draw-only')
    assert message == 'compare.py: error: work_dirs/compare: no validation in the logs of a, b, c'
    assert not calls(folder, 'a')

    message, _ = run(*configs)
    assert message == 'compare.py: error: work_dirs/compare/c: no validation in the logs'
    message, out = run(*configs, '--draw-only')
    assert message == ''
    assert 'c: no validation yet, left out' in out
    assert 'b has been validated up to epoch 1 of 9' in out
    assert (folder / 'work_dirs/compare/comparison.png').is_file()
    assert len(calls(folder, 'a')) == 1


def test_names_the_metrics_in_the_logs(make, run):
    message, _ = run(make('a.py', 0.1), make('b.py', 0.2), '--metric', 'coco/AP')
    assert message == "compare.py: error: work_dirs/compare/a: no metric 'coco/AP' in the logs, but: coco/bbox_mAP"


@pytest.mark.parametrize('configs, arguments, expected', [
    (['a.py', 'gone.py'], [], 'compare.py: error: there is no config file gone.py'),
    (['a.py', 'other/a.py'], [], 'a.py and other/a.py have the same name: both would be trained in work_dirs/'),
    (['a.py', 'endless.py'], [], 'endless.py has no train_cfg.max_epochs'),
    (['a.py'], [], 'there should be two configs or more to compare, got a.py'),
    (['a.py', 'b.py'], ['--seeds', '1', '2', '1'], '--seeds should be different numbers, got 1 more than once'),
    (['a.py', 'b.py'], ['--seeds', '1', '-2'], '--seeds should be 0 or greater, got -2'),
    (['a.py', 'b.py'], ['--seeds', '1', '--train-options', 'randomness.seed=3'], 'randomness.seed comes from --seeds'),
    (['a.py', 'b.py'], ['--jobs', '0'], '--jobs should be at least 1, got 0'),
    (['a.py', 'b.py'], ['--train-options', 'x'], '--train-options should be KEY=VALUE, got x'),
])
def test_wrong_arguments_are_one_clear_line_and_nothing_is_trained(make, run, folder, configs, arguments, expected):
    for name in ('a.py', 'b.py', 'other/a.py'):
        make(name, 0.1)
    (folder / 'endless.py').write_text('model = dict()')
    message, _ = run(*configs, *arguments)
    assert expected in message and 'Traceback' not in message
    assert not calls(folder, 'a')


def test_an_interrupted_comparison_ends_its_trainings_and_goes_on(make, folder, run):
    configs = make('a.py', 0.1, seconds=60), make('b.py', 0.2)

    begin = time.monotonic()

    def interrupt() -> None:
        while not list(folder.glob('work_dirs/compare/a/*/the.log')):
            if time.monotonic() > begin + 60:
                return
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    message, _ = run(*configs)
    thread.join()
    assert message == 'compare.py: interrupted; the same command goes on from there'
    assert time.monotonic() - begin < 30
    assert not (folder / 'work_dirs/compare/b').exists()

    make('a.py', 0.1)
    assert run(*configs)[0] == ''
    assert len(calls(folder, 'a')) == 2
