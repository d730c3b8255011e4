"""Time and peak memory of two ways to do one thing, side by side in one run."""
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from tqdm import tqdm

Work = Callable[[], object]


class Measurement(NamedTuple):
    """Median seconds of a call and the greatest number of bytes that it held at once beyond those held before."""
    seconds: float
    peak_bytes: int


Row = tuple[str, Measurement]


def measure(works: Sequence[Work], device: torch.device, repeats: int, label: str) -> list[Measurement]:
    """Measure `works` in turn, round after round, so that whatever else the machine does falls on all alike.

    Args:
        works: What to call.
        device: Where they run.
        repeats: Timed calls of each, after two that are not counted.
        label: Of the progress bar.
    """
    seconds = [[] for _ in works]
    for i in tqdm(range(repeats + 2), desc=label, leave=False):
        for work, times in zip(works, seconds):
            _synchronise(device)
            start = time.perf_counter()
            work()
            _synchronise(device)
            if i >= 2:
                times.append(time.perf_counter() - start)
    return [Measurement(statistics.median(times), peak_bytes(work, device)) for work, times in zip(works, seconds)]


def peak_bytes(work: Work, device: torch.device) -> int:
    """The greatest sum of bytes allocated during one call, less those that were there before."""
    if device.type == 'cuda':
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    held, peak = 0, 0
    for event in sorted(_memory_events(profile), key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def _memory_events(profile: torch.profiler.profile) -> list:
    events = profile.profiler.kineto_results.events()
    return [event for event in events if event.name() == '[memory]' and event.device_type() == torch._C._autograd.DeviceType.CPU]


def _synchronise(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
