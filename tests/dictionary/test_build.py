"""From sources to atoms: the whole way, interrupted, with several processes and several sources."""
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from dictionary.fake_sources import MatrixSource, grouped_rows
from mmdet_ext.dictionary import build as build_module
from mmdet_ext.dictionary import state as state_module
from mmdet_ext.dictionary.build import BuildOptions, build_dictionary, common_channels
from mmdet_ext.dictionary.processes import Interrupted, Processes, StopRequest
from mmdet_ext.dictionary.state import State
from mmdet_ext.models.layers import Atoms, load_atoms
from torch.testing import assert_close

OPTIONS = BuildOptions(atoms=6, samples=64, tolerance=0, nearest=3, seed=5)
NOISY = np.random.default_rng(4).standard_normal((150, 8))


class StoppingSource(MatrixSource):
    """Asks for a stop during one of its chunks."""

    def __init__(self, *args, stop: StopRequest, at: int, **options) -> None:
        super().__init__(*args, **options)
        self.stop, self.at = stop, at

    def chunk(self, index: int):
        if len(self.asked) == self.at:
            self.stop.request(15)
        return super().chunk(index)


class FailingSource(MatrixSource):

    def chunk(self, index: int):
        if index == 20:
            raise RuntimeError('CUDA out of memory')
        return super().chunk(index)


@pytest.fixture
def state(tmp_path) -> State:
    return State(tmp_path / 'atoms.pt.state')


@pytest.fixture(scope='module')
def unstopped(tmp_path_factory) -> Atoms:
    return build_dictionary([MatrixSource(NOISY)], OPTIONS, State(tmp_path_factory.mktemp('whole') / 'state'))


def assert_same(ours: Atoms, theirs: Atoms) -> None:
    assert torch.equal(ours.vectors, theirs.vectors) and torch.equal(ours.counts, theirs.counts)
    assert ours.nearest == theirs.nearest and ours.report == theirs.report


def in_processes(sources: list[MatrixSource], state: State, *, parts: int = 1) -> Atoms:
    """Build in threads that play processes, one per source, each used `parts` times; what process 0 returns."""
    barrier, results = threading.Barrier(len(sources)), {}

    def work(rank: int) -> None:
        try:
            results[rank] = build_dictionary([sources[rank]] * parts, OPTIONS, state,
                                             processes=Processes(rank, len(sources), lambda: barrier.wait(30)))
        except Exception as error:
            results[rank] = error
            time.sleep(0.5)  # the others have left the barrier before
            barrier.abort()

    threads = [threading.Thread(target=work, args=(rank, )) for rank in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [found for found in results.values() if isinstance(found, Exception)]
    if errors:
        raise next((error for error in errors if not isinstance(error, threading.BrokenBarrierError)), errors[0])
    assert all(results[rank] is None for rank in range(1, len(sources)))
    return results[0]


def test_groups_of_a_source_become_atoms_with_provenance(state, tmp_path):
    rows, directions, labels = grouped_rows(6, 20, 16)
    atoms = build_dictionary([MatrixSource(rows)], BuildOptions(atoms=6, samples=1000, nearest=3), state)
    cosines = directions @ atoms.vectors.numpy().T
    assert (cosines.max(axis=1) > 0.99).all()
    assert atoms.counts.tolist() == [20] * 6 and atoms.projections == [dict(source='file', kind='identity')]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    for vector, group, nearest in zip(atoms.vectors.numpy(), cosines.argmax(axis=0), atoms.nearest):
        expected = np.argsort(-(unit @ vector))[:3]
        assert [sample['row'] for sample in nearest] == expected.tolist()
        assert (labels[expected] == group).all()
        assert [sample['similarity'] for sample in nearest] == pytest.approx(unit[expected] @ vector, abs=1e-5)
        assert {(sample['source'], sample['file']) for sample in nearest} == {('file', 'rows.npy')}
    atoms.save(tmp_path / 'atoms.pt')
    assert_same(load_atoms(tmp_path / 'atoms.pt'), atoms)


def test_the_same_seed_gives_the_same_atoms_and_another_one_others(state, unstopped, tmp_path):
    assert_same(build_dictionary([MatrixSource(NOISY)], OPTIONS, state), unstopped)
    options = BuildOptions(atoms=6, samples=64, tolerance=0, nearest=3, seed=6)
    other = build_dictionary([MatrixSource(NOISY)], options, State(tmp_path / 'other'))
    assert not torch.equal(other.vectors, unstopped.vectors)


@pytest.mark.parametrize('world', [2, 3])
def test_several_processes_build_what_one_builds(state, unstopped, world):
    sources = [MatrixSource(NOISY) for _ in range(world)]
    assert_same(in_processes(sources, state), unstopped)
    assert [source.asked for source in sources] == [list(range(rank, 38, world)) for rank in range(world)]


def test_a_slow_process_takes_its_share_of_the_chunks(state, tmp_path):
    class SlowSource(MatrixSource):

        def chunk(self, index: int):
            time.sleep(0 if self.asked else 0.2)  # the other process is done with all its chunks by then
            return super().chunk(index)

    sources = [MatrixSource(NOISY), SlowSource(NOISY)]
    expected = build_dictionary([MatrixSource(NOISY)] * 2, OPTIONS, State(tmp_path / 'one'))
    assert_same(in_processes(sources, state, parts=2), expected)
    assert sources[1].asked == [*range(1, 38, 2)] * 2


def test_processes_that_do_not_share_the_folder_are_told(state):
    with pytest.raises(ValueError, match='19 of its 38 chunks are missing.*share'):
        build_dictionary([MatrixSource(NOISY)], OPTIONS, state, processes=Processes(0, 2))


@pytest.mark.parametrize('at', [0, 1, 20, 37])
def test_a_build_that_was_stopped_goes_on_to_the_same_atoms(state, unstopped, at):
    stop = StopRequest()
    first = StoppingSource(NOISY, stop=stop, at=at)
    with pytest.raises(Interrupted):
        build_dictionary([first], OPTIONS, state, stop=stop)
    assert len(first.asked) == at + 1
    second = MatrixSource(NOISY)
    assert_same(build_dictionary([second], OPTIONS, state), unstopped)
    assert sorted(first.asked + second.asked) == list(range(38))


def test_clustering_that_was_stopped_goes_on_to_the_same_atoms(state, unstopped, monkeypatch):
    stop = StopRequest()
    passes = unstopped.report['passes']
    assert passes > 3

    def run_two(*args, **options):
        for number, clusters in enumerate(run_passes(*args, **options)):
            yield clusters
            if number == 1:
                stop.request(2)

    run_passes = build_module.run_passes
    monkeypatch.setattr(build_module, 'run_passes', run_two)
    with pytest.raises(Interrupted, match='SIGINT'):
        build_dictionary([MatrixSource(NOISY)], OPTIONS, state, stop=stop)
    assert len(state.load_clusters().inertias) == 2
    monkeypatch.setattr(build_module, 'run_passes', run_passes)
    source = MatrixSource(NOISY)
    assert_same(build_dictionary([source], OPTIONS, state), unstopped)
    assert source.asked == []


def test_another_number_of_processes_goes_on(state, unstopped):
    with pytest.raises(RuntimeError, match='CUDA out of memory'):
        in_processes([MatrixSource(NOISY), MatrixSource(NOISY), FailingSource(NOISY)], state)  # chunk 20 is the third's
    assert len(state.parts(0)) == 3
    sources = [MatrixSource(NOISY), MatrixSource(NOISY)]
    assert_same(in_processes(sources, state), unstopped)
    assert len(sources[0].asked) + len(sources[1].asked) < 38


def test_what_was_computed_before_a_crash_is_saved_every_half_minute(state, unstopped, monkeypatch):
    class DyingSource(MatrixSource):

        def chunk(self, index: int):
            if index == 10:
                raise SystemExit  # no chance to save
            return super().chunk(index)

    monkeypatch.setattr(state_module, 'SAVE_SECONDS', 0)
    with pytest.raises(SystemExit):
        build_dictionary([DyingSource(NOISY)], OPTIONS, state)
    source = MatrixSource(NOISY)
    assert_same(build_dictionary([source], OPTIONS, state), unstopped)
    assert source.asked == list(range(10, 38))


@pytest.fixture
def interruptible():
    """Python's own handler, which a process in the background begins without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_is_heard_at_the_next_check_and_a_second_one_at_once(interruptible):
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        stop.check()
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(Interrupted, match='SIGINT'):
            stop.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_other_arguments_do_not_go_on(state, unstopped):
    build_dictionary([MatrixSource(NOISY)], OPTIONS, state)
    with pytest.raises(ValueError, match='samples was 64 and is 80; atoms was 6 and is 7.*--restart'):
        build_dictionary([MatrixSource(NOISY)], BuildOptions(atoms=7, samples=80, tolerance=0, seed=5), state)
    with pytest.raises(ValueError, match='sources 0 rows was 150 and is 149'):
        build_dictionary([MatrixSource(NOISY[:149])], OPTIONS, state)
    assert_same(build_dictionary([MatrixSource(NOISY)], OPTIONS, state), unstopped)
    restarted = build_dictionary([MatrixSource(NOISY[:140])], OPTIONS, state, restart=True)
    assert restarted.report['items'] == [140]


def test_a_folder_of_somebody_else_is_left_alone(state):
    state.folder.mkdir()
    (state.folder / 'photo.jpg').touch()
    with pytest.raises(ValueError, match='is in the way'):
        build_dictionary([MatrixSource(NOISY)], OPTIONS, state, restart=True)
    assert (state.folder / 'photo.jpg').exists()


def test_a_damaged_state_is_named(state):
    state.folder.mkdir()
    state.arguments.write_text('{')
    with pytest.raises(ValueError, match='arguments.json is damaged.*--restart'):
        build_dictionary([MatrixSource(NOISY)], OPTIONS, state)


def test_sources_share_the_samples_and_are_brought_to_one_width(state):
    narrow, _, _ = grouped_rows(3, 30, 4)
    wide, _, _ = grouped_rows(3, 30, 12, seed=1)
    sources = [MatrixSource(narrow, name='text'), MatrixSource(wide, name='clip', size=7), MatrixSource(NOISY)]
    atoms = build_dictionary(sources, BuildOptions(atoms=10, channels=8, samples=61, nearest=4), state)
    report = atoms.report
    assert atoms.vectors.shape == (10, 8)
    assert report['sources'] == ['text', 'clip', 'file'] and report['samples'] == [20, 20, 20]
    assert report['projections'] == ['pad', 'pca', 'identity'] == [made['kind'] for made in atoms.projections]
    assert sum(report['atoms_by_majority']) == 10 and report['atoms_by_majority'][2] > 0
    pad, pca, _ = atoms.projections
    for made, rows, name in ((pad, narrow, 'text'), (pca, wide, 'clip')):
        unit = torch.nn.functional.normalize(torch.from_numpy(rows), dim=1)
        projected = torch.nn.functional.normalize((unit - made['mean']) @ made['matrix'], dim=1)
        found = [(vector, sample) for vector, nearest in zip(atoms.vectors, atoms.nearest) for sample in nearest
                 if sample['source'] == name]
        assert found
        for vector, sample in found:
            assert_close(float(projected[sample['row']] @ vector), sample['similarity'], rtol=0, atol=1e-5)


def test_several_widths_need_channels():
    sources = [MatrixSource(np.ones((4, 3))), MatrixSource(np.ones((4, 5)), name='clip')]
    with pytest.raises(ValueError, match=r'file 3, clip 5.*--channels'):
        common_channels(sources, None)
    assert common_channels(sources, 7) == 7 and common_channels(sources[:1], None) == 3


def test_bad_rows_are_dropped_and_counted(state):
    rows = NOISY.copy()
    rows[:5], rows[10, 3], rows[11, 0] = 0, np.nan, np.inf
    report = build_dictionary([MatrixSource(rows)], OPTIONS, state).report
    assert report['samples_seen'] == [150] and report['samples'] == [64]
    assert report['dropped_zero'] == [5] and report['dropped_non_finite'] == [2]


def test_what_cannot_be_read_is_told_and_kept_in_the_report(state, capsys):
    report = build_dictionary([MatrixSource(NOISY, broken=(3, 90))], OPTIONS, state).report
    assert report['skipped'] == [2] and report['skipped_lines'] == ['row 3: broken', 'row 90: broken']
    shown = capsys.readouterr().err
    assert 'warning: skipped row 3: broken' in shown and 'warning: skipped row 90: broken' in shown


def test_if_nothing_can_be_read_the_build_ends_and_can_be_tried_again(state, unstopped):
    with pytest.raises(ValueError, match='none of its 150 items gave a.*150 items could not be read: row 0: broken'):
        build_dictionary([MatrixSource(NOISY, broken=tuple(range(150)))], OPTIONS, state)
    assert_same(build_dictionary([MatrixSource(NOISY)], OPTIONS, state), unstopped)


def test_a_source_of_zeros_gives_no_dictionary(state):
    with pytest.raises(ValueError, match=r'none of its 9 items gave a usable sample \(9 samples: 9 zero, 0 not'):
        build_dictionary([MatrixSource(np.zeros((9, 3)))], OPTIONS, state)


def test_fewer_samples_than_atoms_is_an_error_that_keeps_the_samples(state):
    options = BuildOptions(atoms=200, samples=500, tolerance=0)
    with pytest.raises(ValueError, match='150 samples are fewer than 200 atoms.*samples are kept'):
        build_dictionary([MatrixSource(NOISY)], options, state)
    source = MatrixSource(NOISY)
    atoms = build_dictionary([source], BuildOptions(atoms=50, samples=500, tolerance=0), state)
    assert source.asked == [] and len(atoms.vectors) == 50
    with pytest.raises(ValueError, match='5 samples .--samples. are fewer than 6 atoms'):
        build_dictionary([source], BuildOptions(atoms=6, samples=5), state)


def test_the_state_is_small_files_that_say_what_they_are(state):
    build_dictionary([MatrixSource(NOISY)], OPTIONS, state)
    assert sorted(path.name for path in state.folder.iterdir()) == ['arguments.json', 'clusters.npz', 'samples_0_0.npz']
    saved = json.loads(state.arguments.read_text())
    assert saved['clustering'] == dict(atoms=6, channels=8, passes=100, tolerance=0)
    state.remove()
    assert not Path(state.folder).exists()
