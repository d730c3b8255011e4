"""tools/build_dictionary.py: what it writes, prints and refuses, how it goes on, and in two processes."""
import json
import os
import runpy
import signal
import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet_ext.dictionary.sources import FileSource
from mmdet_ext.models.layers import RetrieverDictionary, load_atoms

pytestmark = pytest.mark.usefixtures('shallow_blocks')

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / 'tools' / 'build_dictionary.py'
SIZES = ('--atoms', 8, '--samples', 200, '--nearest', 2)


@pytest.fixture(scope='module')
def matrices(tmp_path_factory) -> tuple[Path, Path]:
    """Two files of features, of width 16 and 12."""
    folder = tmp_path_factory.mktemp('matrices')
    rng = np.random.default_rng(0)
    paths = folder / 'sixteen.npy', folder / 'twelve.npy'
    for path, width in zip(paths, (16, 12)):
        np.save(path, rng.standard_normal((9000, width)).astype(np.float32))
    return paths


@pytest.fixture
def tool(monkeypatch, tmp_path):
    """Runs the tool in this process; the exit code or message of what ended it, None at success."""

    def run(*args) -> int | str | None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        try:
            runpy.run_path(str(TOOL), run_name='__main__')
        except SystemExit as end:
            return end.code

    return run


def test_a_matrix_becomes_a_file_that_the_layer_takes_and_a_report(tool, matrices, tmp_path, capsys):
    assert tool('file', '--matrix', matrices[0], '--out', 'new/atoms.pt', *SIZES) is None
    atoms = load_atoms(tmp_path / 'new/atoms.pt')
    assert atoms.vectors.shape == (8, 16) and atoms.counts.sum() == 200
    torch.testing.assert_close(atoms.vectors.norm(dim=1), torch.ones(8))
    assert atoms.arguments['command'].endswith('--nearest 2') and atoms.arguments['seed'] == 0
    assert RetrieverDictionary(16, atoms=tmp_path / 'new/atoms.pt', init_g='match').atoms.equal(atoms.vectors)
    assert sorted(path.name for path in (tmp_path / 'new').iterdir()) == ['atoms.pt', 'atoms_report']
    report = json.loads((tmp_path / 'new/atoms_report/report.json').read_text())
    assert report['items'] == [9000] and report['samples'] == [200] and report['arguments']['atoms'] == 8
    shown = capsys.readouterr().out
    assert "rd=dict(stage=1, atoms='new/atoms.pt', init_g='match')" in shown
    assert 'wrote new/atoms.pt: 8 atoms of 16 channels' in shown and 'atoms_report/report.md' in shown


def test_several_matrices_are_joined(tool, matrices, tmp_path):
    sizes = (*SIZES, '--channels', 14)
    assert tool('file', '--matrix', *matrices, *sizes, '--out', 'atoms.pt', '--report', 'told') is None
    atoms = load_atoms(tmp_path / 'atoms.pt')
    assert [made['kind'] for made in atoms.projections] == ['pca', 'pad'] and atoms.report['samples'] == [100, 100]
    assert (tmp_path / 'told' / 'report.md').is_file()


@pytest.mark.parametrize('arguments, message', [
    (('sound', ), "invalid choice: 'sound'"),
    (('file', 'file'), 'each SOURCE may be named once'),
    (('file', ), 'file needs --matrix'),
    (('vision', '--config', 'c.py'), 'vision needs --checkpoint'),
    (('clip', ), 'clip needs --clip-model'),
    (('clip', '--clip-model', 'ViT-B-32'), 'clip needs --clip-weights for ViT-B-32'),
    (('text', ), 'text needs --text-model and --texts'),
    (('file', '--matrix', 'a.npy', '--pooling', 'mean', '--texts', 'a'), '--texts and --pooling belong to text'),
    (('file', '--matrix', 'a.npy', '--level', '0'), '--level belong to vision, and the sources are file'),
    (('file', '--matrix', 'a.npy', '--atoms', '1'), '--atoms should be at least 2, got 1'),
    (('file', '--matrix', 'a.npy', '--tolerance', 'nan'), '--tolerance should be at least 0, got nan'),
    (('file', '--matrix', 'a.npy', '--samples', '100'), '--samples 100 are fewer than --atoms 512'),
])
def test_wrong_arguments_are_named(tool, arguments, message, capsys):
    assert tool(*arguments, '--out', 'atoms.pt') == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize('arguments, message', [
    (('--matrix', 'none.npy', *SIZES), 'none.npy'),
    (('--matrix', 'small.npy', *SIZES), '5 samples are fewer than 8 atoms'),
    (('--matrix', 'small.npy', '{wide}', *SIZES), 'file 4, file 16): say which the atoms should have with --channels'),
    (('--matrix', '{wide}', '--device', 'gpu', *SIZES), 'gpu'),
    (('--matrix', '{wide}', '--report', 'small.npy', *SIZES), '--report should be a folder, and small.npy is a file'),
])
def test_what_does_not_work_is_one_line(tool, matrices, tmp_path, arguments, message, capsys):
    np.save(tmp_path / 'small.npy', np.eye(5, 4) + 1)
    end = tool('file', *(str(argument).format(wide=matrices[0]) for argument in arguments), '--out', 'atoms.pt')
    said = capsys.readouterr().err.splitlines()[-1]
    assert end == 2 and message in said and said.startswith('build_dictionary.py: error: ')
    assert not (tmp_path / 'atoms.pt').exists() and not (tmp_path / 'atoms_report').exists()


def test_a_file_that_is_there_is_kept_unless_it_may_be_replaced(tool, matrices, tmp_path, capsys):
    (tmp_path / 'atoms.pt').write_text('mine')
    command = ('file', '--matrix', matrices[0], '--out', 'atoms.pt', *SIZES)
    assert tool(*command) == 2 and 'atoms.pt is there already' in capsys.readouterr().err
    assert (tmp_path / 'atoms.pt').read_text() == 'mine'
    assert tool(*command, '--overwrite') is None
    assert len(load_atoms(tmp_path / 'atoms.pt').vectors) == 8


def test_a_build_that_was_interrupted_goes_on_with_the_same_command(tool, matrices, tmp_path, monkeypatch, capsys):
    command = ('file', '--matrix', *matrices, '--channels', 12, *SIZES, '--out')
    assert tool(*command, 'whole.pt') is None
    compute = FileSource.compute

    def interrupted(self, items):
        if self.width == 12:
            raise KeyboardInterrupt
        return compute(self, items)

    monkeypatch.setattr(FileSource, 'compute', interrupted)
    assert tool(*command, 'atoms.pt') == 130
    assert 'interrupted; the same command goes on from atoms.pt.parts' in capsys.readouterr().err
    assert (tmp_path / 'atoms.pt.parts').is_dir() and not (tmp_path / 'atoms.pt').exists()
    monkeypatch.setattr(FileSource, 'compute', lambda self, items: compute(self, items) if self.width == 12 else 1 / 0)
    assert tool(*command, 'atoms.pt', '--seed', 1) == 2 and 'seed was 0 and is 1' in capsys.readouterr().err
    assert tool(*command, 'atoms.pt') is None
    assert not (tmp_path / 'atoms.pt.parts').exists()
    assert load_atoms(tmp_path / 'atoms.pt').vectors.equal(load_atoms(tmp_path / 'whole.pt').vectors)


def test_a_killed_build_goes_on_with_the_same_command(tool, matrices, tmp_path):
    command = [str(TOOL), 'file', '--matrix', *map(str, matrices), '--channels', '12', *map(str, SIZES), '--out']
    assert tool(*command[1:], 'whole.pt') is None
    compute = FileSource.compute

    def dying(self: FileSource, items: object) -> object:
        if self.width == 12:
            os.kill(os.getpid(), signal.SIGKILL)
        return compute(self, items)

    def build() -> None:
        FileSource.compute = dying
        tool(*command[1:], 'atoms.pt')

    process = get_context('fork').Process(target=build)
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL and (tmp_path / 'atoms.pt.parts').is_dir()
    assert tool(*command[1:], 'atoms.pt') is None
    assert load_atoms(tmp_path / 'atoms.pt').vectors.equal(load_atoms(tmp_path / 'whole.pt').vectors)


def test_two_processes_build_what_one_builds(tool, fork, matrices, tmp_path):
    command = ['file', '--matrix', *map(str, matrices), '--channels', '14', *map(str, SIZES), '--out']
    fork(TOOL, *command, tmp_path / 'two.pt', processes=2, MASTER_PORT='29641')
    assert tool(*command, 'one.pt') is None
    one, two = load_atoms(tmp_path / 'one.pt'), load_atoms(tmp_path / 'two.pt')
    assert one.vectors.equal(two.vectors) and one.counts.equal(two.counts) and one.nearest == two.nearest
    assert one.report == two.report


def test_help_is_quick_and_complete():
    code = ('import runpy, sys\n'
            f'sys.argv = [{str(TOOL)!r}, "--help"]\n'
            'try:\n'
            f'    runpy.run_path({str(TOOL)!r}, run_name="__main__")\n'
            'except SystemExit as end:\n'
            '    print("ended with", end.code, "mmdet_ext.models" in sys.modules)')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.endswith('ended with 0 False\n'), done.stderr
    for option in ('--atoms', '--channels', '--out', '--config', '--checkpoint', '--place', '--level', '--per-image',
                   '--inside', '--ann', '--images', '--cfg-options', '--clip-model', '--clip-weights', '--clip-space',
                   '--text-model', '--texts', '--pooling', '--matrix', '--key', '--samples', '--passes', '--tolerance',
                   '--nearest', '--seed', '--device', '--report', '--overwrite', '--restart'):
        assert f'{option} ' in done.stdout.split('positional arguments')[1], option
