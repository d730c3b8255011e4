"""From sources to atoms: the whole way, interrupted, with several processes and several sources."""
import threading
import time

import numpy as np
import pytest
import torch
from dictionary.fake_sources import MatrixSource, grouped_rows
from mmdet_ext.dictionary import build as build_module
from mmdet_ext.dictionary import sampling
from mmdet_ext.dictionary.build import BuildOptions, build_dictionary, common_channels
from mmdet_ext.dictionary.processes import Processes
from mmdet_ext.models.layers import Atoms, load_atoms
from mmdet_ext.unfinished import Unfinished
from torch.testing import assert_close

OPTIONS = BuildOptions(atoms=6, samples=64, tolerance=0, nearest=3, seed=5)
NOISY = np.random.default_rng(4).standard_normal((150, 8))


class StoppedSource(MatrixSource):
    """Is interrupted in its batch number `at`."""

    def __init__(self, *args, at: int, error: BaseException | type = KeyboardInterrupt, **options) -> None:
        super().__init__(*args, **options)
        self.at, self.error = at, error

    def compute(self, items):
        if len(self.asked) >= self.at * self.batch_size:
            raise self.error
        return super().compute(items)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(sampling, 'PIECE', 2)


@pytest.fixture
def work(tmp_path) -> Unfinished:
    return Unfinished(tmp_path / 'atoms.pt')


@pytest.fixture(scope='module')
def unstopped(tmp_path_factory) -> Atoms:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling, 'PIECE', 2)
        return build_dictionary([MatrixSource(NOISY)], OPTIONS, Unfinished(tmp_path_factory.mktemp('whole') / 'atoms'))


def assert_same(atoms: Atoms, expected: Atoms) -> None:
    assert torch.equal(atoms.vectors, expected.vectors) and torch.equal(atoms.counts, expected.counts)
    assert atoms.nearest == expected.nearest and atoms.report == expected.report


def in_processes(sources: list[MatrixSource], work: Unfinished, *, parts: int = 1) -> Atoms:
    """Build in threads that play processes, one per source, each used `parts` times; what process 0 returns."""
    barrier, results = threading.Barrier(len(sources)), {}

    def build(rank: int) -> None:
        try:
            results[rank] = build_dictionary([sources[rank]] * parts, OPTIONS, work,
                                             processes=Processes(rank, len(sources), lambda: barrier.wait(30)))
        except Exception as error:
            results[rank] = error
            time.sleep(0.5)  # the others have left the barrier before
            barrier.abort()

    threads = [threading.Thread(target=build, args=(rank, )) for rank in range(len(sources))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    errors = [result for result in results.values() if isinstance(result, Exception)]
    if errors:
        raise next((error for error in errors if not isinstance(error, threading.BrokenBarrierError)), errors[0])
    assert all(results[rank] is None for rank in range(1, len(sources)))
    return results[0]


def test_groups_of_a_source_become_atoms_with_provenance(work, tmp_path):
    rows, directions, labels = grouped_rows(6, 20, 16)
    atoms = build_dictionary([MatrixSource(rows)], BuildOptions(atoms=6, samples=1000, nearest=3), work)
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


def test_the_same_seed_gives_the_same_atoms_and_another_one_others(work, unstopped, tmp_path):
    assert_same(build_dictionary([MatrixSource(NOISY)], OPTIONS, work), unstopped)
    options = BuildOptions(atoms=6, samples=64, tolerance=0, nearest=3, seed=6)
    other = build_dictionary([MatrixSource(NOISY)], options, Unfinished(tmp_path / 'other'))
    assert not torch.equal(other.vectors, unstopped.vectors)


@pytest.mark.parametrize('world', [2, 3])
def test_several_processes_build_what_one_builds(work, unstopped, world):
    sources = [MatrixSource(NOISY) for _ in range(world)]
    assert_same(in_processes(sources, work), unstopped)
    computed = [item for source in sources for item in source.asked]
    assert len(set(computed)) == len(computed) == 64 and all(source.asked for source in sources)


def test_a_slow_process_computes_its_share(work, tmp_path):
    class SlowSource(MatrixSource):

        def compute(self, items):
            time.sleep(0 if self.asked else 0.2)  # the other process is done with all its pieces by then
            return super().compute(items)

    sources = [MatrixSource(NOISY), SlowSource(NOISY)]
    expected = build_dictionary([MatrixSource(NOISY)] * 2, OPTIONS, Unfinished(tmp_path / 'one'))
    assert_same(in_processes(sources, work, parts=2), expected)
    assert len(sources[0].asked) == len(sources[1].asked) == 32


def test_processes_that_do_not_share_the_folder_are_told(work):
    with pytest.raises(ValueError, match='4 of 8 pieces are missing.*share'):
        build_dictionary([MatrixSource(NOISY)], OPTIONS, work, processes=Processes(0, 2))


@pytest.mark.parametrize('at', [0, 1, 9, 15])
def test_a_build_that_was_interrupted_goes_on_to_the_same_atoms(work, unstopped, at):
    first = StoppedSource(NOISY, at=at)
    with pytest.raises(KeyboardInterrupt):
        build_dictionary([first], OPTIONS, work)
    second = MatrixSource(NOISY)
    assert_same(build_dictionary([second], OPTIONS, work), unstopped)
    assert len(first.asked) == 4 * at and len(second.asked) == 64 - 8 * (at // 2)


def test_clustering_that_was_interrupted_goes_on_to_the_same_atoms(work, unstopped, monkeypatch):
    run_passes, passes = build_module.run_passes, []
    assert unstopped.report['passes'] > 3

    def run_two(*args, **options):
        for number, clusters in enumerate(run_passes(*args, **options)):
            if number == 2:
                raise KeyboardInterrupt
            yield clusters

    def run_counted(*args, **options):
        for clusters in run_passes(*args, **options):
            passes.append(clusters)
            yield clusters

    monkeypatch.setattr(build_module, 'SAVE_SECONDS', 0)
    monkeypatch.setattr(build_module, 'run_passes', run_two)
    with pytest.raises(KeyboardInterrupt):
        build_dictionary([MatrixSource(NOISY)], OPTIONS, work)
    monkeypatch.setattr(build_module, 'run_passes', run_counted)
    source = MatrixSource(NOISY)
    assert_same(build_dictionary([source], OPTIONS, work), unstopped)
    assert source.asked == [] and len(passes) == unstopped.report['passes'] - 2


def test_another_number_of_processes_goes_on(work, unstopped):
    failing = StoppedSource(NOISY, at=2, error=RuntimeError('CUDA out of memory'))
    with pytest.raises(RuntimeError, match='CUDA out of memory'):
        in_processes([MatrixSource(NOISY), MatrixSource(NOISY), failing], work)
    sources = [MatrixSource(NOISY), MatrixSource(NOISY)]
    assert_same(in_processes(sources, work), unstopped)
    assert len(sources[0].asked) + len(sources[1].asked) < 64


def test_other_arguments_do_not_go_on(work, unstopped):
    build_dictionary([MatrixSource(NOISY)], OPTIONS, work)
    with pytest.raises(ValueError, match='sources 0 rows was 150 and is 149; .*samples was 64 and is 80.*--restart'):
        build_dictionary([MatrixSource(NOISY[:149])], BuildOptions(atoms=6, samples=80, seed=5), work)
    assert_same(build_dictionary([MatrixSource(NOISY)], OPTIONS, work), unstopped)
    restarted = build_dictionary([MatrixSource(NOISY[:140])], OPTIONS, work, restart=True)
    assert restarted.report['items'] == [140]


def test_sources_share_the_samples_and_are_brought_to_one_width(work):
    narrow, _, _ = grouped_rows(3, 30, 4)
    wide, _, _ = grouped_rows(3, 30, 12, seed=1)
    sources = [MatrixSource(narrow, name='text'), MatrixSource(wide, name='clip', size=7), MatrixSource(NOISY)]
    atoms = build_dictionary(sources, BuildOptions(atoms=10, channels=8, samples=61, nearest=4), work)
    report = atoms.report
    assert atoms.vectors.shape == (10, 8)
    assert report['sources'] == ['text', 'clip', 'file'] and report['samples'] == [20, 20, 20]
    assert report['projections'] == ['pad', 'pca', 'identity'] == [made['kind'] for made in atoms.projections]
    assert sum(report['atoms_by_majority']) == 10 and report['atoms_by_majority'][2] > 0
    pad, pca, _ = atoms.projections
    for made, rows, name in ((pad, narrow, 'text'), (pca, wide, 'clip')):
        unit = torch.nn.functional.normalize(torch.from_numpy(rows), dim=1)
        projected = torch.nn.functional.normalize((unit - made['mean']) @ made['matrix'], dim=1)
        samples = [(vector, sample) for vector, nearest in zip(atoms.vectors, atoms.nearest) for sample in nearest
                   if sample['source'] == name]
        assert samples
        for vector, sample in samples:
            assert_close(float(projected[sample['row']] @ vector), sample['similarity'], rtol=0, atol=1e-5)


def test_several_widths_need_channels():
    sources = [MatrixSource(np.ones((4, 3))), MatrixSource(np.ones((4, 5)), name='clip')]
    with pytest.raises(ValueError, match=r'file 3, clip 5.*--channels'):
        common_channels(sources, None)
    assert common_channels(sources, 7) == 7 and common_channels(sources[:1], None) == 3


def test_bad_rows_are_dropped_and_counted(work):
    rows = NOISY.copy()
    rows[:5], rows[10, 3], rows[11, 0] = 0, np.nan, np.inf
    report = build_dictionary([MatrixSource(rows)], BuildOptions(atoms=6, samples=500), work).report
    assert report['samples_seen'] == report['items_computed'] == [150] and report['samples'] == [143]
    assert report['dropped_zero'] == [5] and report['dropped_non_finite'] == [2]


def test_what_cannot_be_read_is_told_and_kept_in_the_report(work, capsys):
    options = BuildOptions(atoms=6, samples=500)
    report = build_dictionary([MatrixSource(NOISY, broken=(3, 90))], options, work).report
    assert report['skipped'] == [2] and report['skipped_lines'] == ['row 3: broken', 'row 90: broken']
    shown = capsys.readouterr().err
    assert shown.count('warning: skipped row 3: broken') == shown.count('warning: skipped row 90: broken') == 1


def test_if_nothing_can_be_read_the_build_ends_and_can_be_tried_again(work, unstopped):
    with pytest.raises(ValueError, match='none of its 150 items gave a.*150 items could not be read: row .*: broken'):
        build_dictionary([MatrixSource(NOISY, broken=tuple(range(150)))], OPTIONS, work)
    assert_same(build_dictionary([MatrixSource(NOISY)], OPTIONS, work), unstopped)


def test_a_source_of_zeros_gives_no_dictionary(work):
    with pytest.raises(ValueError, match=r'none of its 9 items gave a usable sample \(9 samples: 9 zero, 0 not'):
        build_dictionary([MatrixSource(np.zeros((9, 3)))], OPTIONS, work)


def test_other_atoms_go_on_from_the_samples(work):
    options = BuildOptions(atoms=200, samples=500, tolerance=0)
    with pytest.raises(ValueError, match='150 samples are fewer than 200 atoms.*samples are kept'):
        build_dictionary([MatrixSource(NOISY)], options, work)
    source = MatrixSource(NOISY)
    atoms = build_dictionary([source], BuildOptions(atoms=50, samples=500, tolerance=0), work)
    assert source.asked == [] and len(atoms.vectors) == 50
    with pytest.raises(ValueError, match='5 samples .--samples. are fewer than 6 atoms'):
        build_dictionary([source], BuildOptions(atoms=6, samples=5), work)
