"""Bottom-k sampling, and what a process keeps of a source."""
import numpy as np
import pytest
from dictionary.fake_sources import MatrixSource
from mmdet_ext.dictionary.reservoir import Reservoir
from mmdet_ext.dictionary.sampling import MAX_LINES, SourceSample, done_chunks
from numpy.testing import assert_array_equal

ROWS = np.random.default_rng(1).standard_normal((60, 5))


def offers(count: int, width: int = 3) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(count)
    return (rng.standard_normal((count, width)).astype(np.float32), rng.random(count), np.arange(count),
            rng.random((count, 4)).astype(np.float32))


def assert_same(ours: Reservoir, theirs: Reservoir) -> None:
    ours.sort()
    theirs.sort()
    for name, rows in ours.filled().items():
        assert_array_equal(rows, theirs.filled()[name])


@pytest.mark.parametrize('count', [3, 10, 100])
@pytest.mark.parametrize('step', [1, 7, 100])
def test_the_sample_is_the_head_of_all_rows_sorted_by_key(count, step):
    rows = offers(count)
    reservoir = Reservoir(10, 3)
    for start in range(0, count, step):
        reservoir.offer(*(array[start:start + step] for array in rows))
    reservoir.sort()
    order = np.argsort(rows[1])[:10]
    for found, array in zip(reservoir.filled().values(), rows):
        assert_array_equal(found, array[order])


def test_wide_rows_are_sorted_whole():
    features, keys, items, boxes = offers(20, width=70)
    reservoir = Reservoir(20, 70)
    reservoir.offer(features, keys, items, boxes)
    reservoir.sort()
    assert_array_equal(reservoir.features, features[np.argsort(keys)])


def test_capacity_is_at_least_1():
    with pytest.raises(ValueError, match='capacity.*got 0'):
        Reservoir(0, 3)


def draw(source: MatrixSource, chunks, capacity: int = 16) -> SourceSample:
    sample = SourceSample(source, 0, capacity, seed=3)
    for chunk in chunks:
        sample.draw(chunk, source.chunk(chunk))
    return sample


def test_samples_of_two_processes_merge_into_that_of_one(tmp_path):
    source = MatrixSource(ROWS, broken=(5, 30))
    whole, even, odd = (draw(source, chunks) for chunks in (range(15), range(0, 15, 2), range(13, 0, -2)))
    odd.save(tmp_path / 'odd.npz')
    assert_array_equal(np.flatnonzero(done_chunks(tmp_path / 'odd.npz')), range(1, 15, 2))
    even.merge(tmp_path / 'odd.npz')
    assert_same(even.reservoir, whole.reservoir)
    assert (even.seen, even.skipped, even.lines) == (58, 2, whole.lines)
    assert whole.lines == [(1, 'row 5: broken'), (7, 'row 30: broken')]
    assert even.done.all()


def test_a_part_that_was_merged_already_is_not_merged_again(tmp_path):
    source = MatrixSource(ROWS)
    sample, part = draw(source, range(9)), draw(source, range(9, 12))
    part.save(tmp_path / 'part.npz')
    for _ in range(2):
        sample.merge(tmp_path / 'part.npz')
    assert sample.seen == 48
    assert_same(sample.reservoir, draw(source, range(12)).reservoir)


def test_rows_have_unit_length_and_each_chunk_its_own_keys():
    sample = draw(MatrixSource(ROWS), range(15), capacity=60)
    rows = sample.reservoir.filled()
    expected = ROWS[rows['items']] / np.linalg.norm(ROWS[rows['items']], axis=1, keepdims=True)
    np.testing.assert_allclose(rows['features'], expected, rtol=1e-5)
    assert len(set(rows['keys'])) == 60
    assert_array_equal(rows['keys'][rows['items'] >= 56], np.random.default_rng([3, 0, 14]).random(4))


def test_rows_of_zeros_and_without_a_length_are_dropped_and_counted():
    rows = ROWS.copy()
    rows[3] = 0
    rows[4, 2], rows[5, 0], rows[6, 1] = np.nan, np.inf, -np.inf
    rows[7], rows[8] = 1e30, 1e-30  # their squares leave float32
    sample = draw(MatrixSource(rows), range(15), capacity=60)
    assert (sample.seen, sample.zero, sample.non_finite, sample.reservoir.size) == (60, 1, 3, 56)
    assert set(range(60)) - set(sample.reservoir.filled()['items'].tolist()) == {3, 4, 5, 6}
    np.testing.assert_allclose(np.linalg.norm(sample.reservoir.filled()['features'], axis=1), 1, rtol=1e-5)


def test_a_chunk_without_samples_is_done(tmp_path):
    sample = draw(MatrixSource(ROWS, broken=tuple(range(4))), [0])
    assert sample.done[0] and sample.reservoir.size == 0 and sample.skipped == 4
    sample.save(tmp_path / 'part.npz')
    assert done_chunks(tmp_path / 'part.npz')[0]


def test_reasons_are_kept_for_the_first_items_only_and_counted_for_all():
    source = MatrixSource(np.ones((300, 2)), broken=tuple(range(300)))
    sample = draw(source, reversed(range(75)))
    assert sample.skipped == 300
    assert [line for _, line in sample.lines] == [f'row {item}: broken' for item in range(MAX_LINES)]


def test_a_damaged_part_is_named(tmp_path):
    sample = draw(MatrixSource(ROWS), [0])
    sample.save(tmp_path / 'part.npz')
    content = (tmp_path / 'part.npz').read_bytes()
    (tmp_path / 'part.npz').write_bytes(content[:len(content) // 2])
    with pytest.raises(ValueError, match='part.npz is damaged'):
        draw(MatrixSource(ROWS), []).merge(tmp_path / 'part.npz')
