"""The measuring itself, on work whose cost is known."""
import time

import pytest
import torch
from benchmarks.measure import measure, peak_bytes

CPU = torch.device('cpu')


def test_peak_memory_is_what_is_held_at_once():

    def one_after_the_other() -> None:
        for _ in range(3):
            torch.zeros(1 << 20)

    def all_at_once() -> None:
        torch.stack([torch.zeros(1 << 20), torch.zeros(1 << 20)])

    assert peak_bytes(one_after_the_other, CPU) == pytest.approx(4 << 20, rel=0.02)
    assert peak_bytes(all_at_once, CPU) == pytest.approx(16 << 20, rel=0.02)


def test_memory_that_was_there_before_does_not_count():
    kept = torch.zeros(1 << 22)
    assert peak_bytes(lambda: kept[: 1 << 10].clone(), CPU) < 1 << 16


def test_medians_belong_to_their_forms():
    rows = measure('sleep', dict(slow=lambda: time.sleep(0.02), quick=lambda: time.sleep(0.002)), CPU, 3)
    assert [label for label, _ in rows] == ['sleep: slow', 'sleep: quick']
    (_, slow), (_, quick) = rows
    assert slow.seconds > 2 * quick.seconds > 0
