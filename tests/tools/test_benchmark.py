"""The command line of the benchmarks: what it says of wrong arguments, and where the benchmarks are."""
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch
from benchmarks import FORMS, WORKLOADS, forms
from benchmarks.measure import Measurement
from benchmarks.tables import print_counts, print_rows
from benchmarks.workloads import workload

TOOL = str(Path(__file__).resolve().parents[2] / 'tools/benchmark.py')


@pytest.fixture
def run(in_process):
    return partial(in_process, TOOL)


@pytest.mark.parametrize('arguments, expected', [
    (['speed'], 'no benchmark speed; there are deployment, loss'),
    (['deployment', '--counts'], 'no benchmark deployment; there are step-yolov9t'),
    (['--repeats', '0'], '--repeats and --threads should be at least 1, got 0 and 1'),
    (['--against', 'gone'], '--against gone: there is no mmdet_ext in it'),
])
def test_wrong_arguments_are_one_clear_line(run, arguments, expected):
    message, _ = run(*arguments)
    assert expected in message and 'Traceback' not in message


def test_without_a_checkout_it_says_where_the_benchmarks_are(in_process, tmp_path):
    shutil.copytree(Path(TOOL).parent, tmp_path / 'tools')
    message, _ = in_process(str(tmp_path / 'tools/benchmark.py'))
    assert f'there is no folder {tmp_path}/benchmarks: benchmarks come with a checkout' in message


def test_measures_a_form_and_prints_its_ratio(run):
    message, out = run('modulation', '--repeats', 1, '--device', 'cpu')
    assert message == ''
    textbook, modulated = out.splitlines()[-2:]
    assert 'textbook' in textbook and ' 1.00 ' in textbook and 'MiB' in textbook
    assert ': ours' in modulated and 0 < float(modulated.split()[-4]) < 1


def test_ratios_are_to_the_first_row(capsys):
    print_rows([('a', Measurement(0.2, 2 << 20)), ('b', Measurement(0.1, 1 << 20))])
    assert capsys.readouterr().out.splitlines()[-1].split() == ['b', '100.0', 'ms', '0.50', '1.0', 'MiB', '0.50']
    print_rows([('a', Measurement(0.2, 0)), ('b', Measurement(0.1, 1 << 20))])  # a process that is not measured
    assert capsys.readouterr().out.splitlines()[-1].split() == ['b', '100.0', 'ms', '0.50', '1.0', 'MiB']


def test_counts_are_in_their_columns(capsys):
    print_counts([('step', dict(operators=9, groups=2, uploads=0, synchronisations=dict(cpu=1))),
                  ('other', dict(operators=8, groups=1, uploads=3, synchronisations={}))])
    assert [line.split() for line in capsys.readouterr().out.splitlines()[1:]] == [
        ['step', '9', '2', '0', 'cpu', '1'], ['other', '8', '1', '3', 'none']]


def test_every_name_is_a_benchmark(tmp_path):
    assert tuple(forms.benchmarks(torch.device('cpu'), 1, torch.float32, None)) == FORMS
    for name in ('import', 'assign-20', 'smca-decoder'):
        assert name in WORKLOADS and callable(workload(tmp_path, name, torch.device('cpu'), tmp_path))
