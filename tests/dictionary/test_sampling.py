"""Which features are drawn, which items are computed for them, and what is kept of interrupted work."""
from types import SimpleNamespace

import numpy as np
import pytest
from dictionary.fake_sources import MatrixSource
from mmdet_ext.dictionary import sampling
from mmdet_ext.dictionary.processes import Processes
from mmdet_ext.dictionary.sampling import Draw, draw_more
from mmdet_ext.unfinished import Unfinished
from numpy.testing import assert_allclose, assert_array_equal

ROWS = np.random.default_rng(1).standard_normal((120, 5))


@pytest.fixture
def work(tmp_path) -> Unfinished:
    work = Unfinished(tmp_path / 'atoms.pt')
    work.begin({})
    return work


def draw(source: MatrixSource, capacity: int, work: Unfinished, *, seed: int = 3,
         processes: Processes = Processes()) -> tuple[np.ndarray, SimpleNamespace]:
    """Features, and the rest of the sample."""
    drawn = Draw(source, 0, capacity, seed, work, processes)
    features = np.empty((drawn.size, source.width), np.float32)
    items, boxes = drawn.load(features)
    return features, SimpleNamespace(items=items, boxes=boxes, skipped=drawn.skipped, **drawn.counts)


def drawn_rows(sample: SimpleNamespace) -> list[int]:
    """Numbers of the rows of a `MatrixSource` that were drawn, which it tells as boxes."""
    return sample.boxes[:, 0].astype(int).tolist()


def test_only_the_items_of_drawn_features_are_computed(work):
    source = MatrixSource(ROWS, per_item=4)
    features, sample = draw(source, 8, work)
    rows = drawn_rows(sample)
    assert sorted(source.asked) == sorted({row // 4 for row in rows}) and sample.computed == len(source.asked) <= 8
    assert len(set(rows)) == 8 and sample.seen == 8
    assert_allclose(features, ROWS[rows] / np.linalg.norm(ROWS[rows], axis=1, keepdims=True), rtol=1e-5)
    assert sample.items.tolist() == [row // 4 for row in rows]


def test_each_feature_is_equally_likely_whatever_its_item_has(tmp_path):
    rows = np.ones((24, 2))
    rows[5] = 0
    counts = np.zeros(24, int)
    for seed in range(600):
        work = Unfinished(tmp_path / str(seed))
        work.begin({})
        source = MatrixSource(rows, per_item=4, broken=(2, ), short=(0, 4))
        counts[drawn_rows(draw(source, 6, work, seed=seed)[1])] += 1
    void = [3, 5, 8, 9, 10, 11, 19]
    assert not counts[void].any()
    expected = 600 * 6 / 17  # 212; the standard deviation is 12
    assert (abs(np.delete(counts, void) - expected) < 50).all()


def test_the_order_of_a_sample_is_random(work):
    rows = drawn_rows(draw(MatrixSource(ROWS), 120, work)[1])
    assert sorted(rows) == list(range(120)) and abs(np.corrcoef(rows, range(120))[0, 1]) < 0.3


def test_others_are_drawn_for_features_that_are_nothing(work):
    rows = ROWS.copy()
    rows[:40], rows[40:44, 2], rows[44, 0] = 0, np.nan, np.inf
    rows[45], rows[46] = 1e30, 1e-30  # their squares leave float32
    features, sample = draw(MatrixSource(rows, broken=tuple(range(50, 60))), 65, work)
    assert sorted(drawn_rows(sample)) == [45, 46, 47, 48, 49, *range(60, 120)]
    assert (sample.seen, sample.zero, sample.non_finite) == (110, 40, 5)
    assert sorted(sample.skipped) == [f'row {item}: broken' for item in range(50, 60)]
    assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)


def test_an_item_that_cannot_be_read_is_tried_once(work):
    source = MatrixSource(ROWS, per_item=4, broken=tuple(range(0, 30, 2)))
    sample = draw(source, 60, work)[1]
    assert len(drawn_rows(sample)) == 60 and len(sample.skipped) == 15
    assert all(source.asked.count(item) == 1 for item in source.broken)


def test_samples_of_two_processes_are_that_of_one(work, tmp_path, monkeypatch):
    monkeypatch.setattr(sampling, 'PIECE', 2)
    expected, of_one = draw(MatrixSource(ROWS, broken=(5, 30)), 50, work)
    second = Unfinished(tmp_path / 'two')
    second.begin({})
    sources = [MatrixSource(ROWS, broken=(5, 30)) for _ in range(2)]

    def other() -> None:  # what the second process has done when the first one has waited for it
        quiet = Processes(1, 2)
        with pytest.raises(ValueError, match='of .* pieces are missing.*share'):
            Draw(sources[1], 0, 50, 3, second, quiet)

    other()
    features, of_two = draw(sources[0], 50, second, processes=Processes(0, 2, lambda: None))
    assert_array_equal(features, expected)
    assert of_two.skipped == of_one.skipped and of_two.seen == of_one.seen
    assert set(sources[0].asked).isdisjoint(sources[1].asked) and sources[1].asked


def test_pieces_that_are_there_are_not_computed_again(work, monkeypatch):
    monkeypatch.setattr(sampling, 'PIECE', 2)

    class Stopped(MatrixSource):

        def compute(self, items):
            if len(self.asked) >= 20:
                raise KeyboardInterrupt
            return super().compute(items)

    first = Stopped(ROWS)
    with pytest.raises(KeyboardInterrupt):
        draw(first, 50, work)
    second, complete = MatrixSource(ROWS), MatrixSource(ROWS)
    features, _ = draw(second, 50, work)
    other = Unfinished(work.folder)
    other.begin({})
    assert_array_equal(features, draw(complete, 50, other)[0])
    assert len(first.asked) == 20 and sorted(second.asked) == sorted(set(complete.asked) - set(first.asked[:16]))


def test_drawing_more_leaves_out_what_is_drawn():
    rng = np.random.default_rng(0)
    drawn = np.array([7, 0, 1, 9])
    assert sorted(draw_more(drawn, 12, 99, rng).tolist()) == [2, 3, 4, 5, 6, 8, 10, 11]
    counts = np.bincount(np.concatenate([draw_more(drawn, 12, 2, rng) for _ in range(4000)]), minlength=12)
    assert not counts[drawn].any() and (abs(counts[[2, 3, 4, 5, 6, 8, 10, 11]] - 1000) < 150).all()


def test_a_few_of_very_many_are_drawn_in_little_memory():
    drawn = draw_more(np.empty(0, np.int64), 10**15, 1000, np.random.default_rng(0))
    assert len(set(drawn.tolist())) == 1000 and drawn.max() > 9 * 10**14


def test_a_damaged_piece_is_named(work):
    draw(MatrixSource(ROWS), 50, work)
    piece = next(work.folder.glob('features_*'))
    content = bytearray(piece.read_bytes())
    content[len(content) // 2] ^= 1
    piece.write_bytes(content)
    with pytest.raises(ValueError, match=r'features_0_000000.npz is damaged.*--restart'):
        draw(MatrixSource(ROWS), 50, work)
