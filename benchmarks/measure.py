"""Time and peak memory of several ways to compute one thing, side by side in one run."""
import statistics
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch.utils.benchmark import timer
from tqdm import trange

Work = Callable[[], object]


class Measurement(NamedTuple):
    """Median seconds of a call and the greatest number of bytes that it held at once beyond those held before."""
    seconds: float
    peak_bytes: int


Row = tuple[str, Measurement]


def measure(name: str, forms: Mapping[str, Work], device: torch.device, repeats: int) -> list[Row]:
    """Measure forms in turn, round after round, so that whatever else the machine does falls on all alike.

    Each is timed `repeats` times, after two calls that are not counted. `torch.utils.benchmark.Timer` would measure
    one after the other.
    """
    seconds = {form: [] for form in forms}
    for _ in trange(repeats + 2, desc=name, leave=False, disable=None):
        for form, work in forms.items():
            seconds[form].append(seconds_of(work))
    return [(f'{name}: {form}', Measurement(statistics.median(seconds[form][2:]), peak_bytes(work, device)))
            for form, work in forms.items()]


def seconds_of(work: Work) -> float:
    """Time of one call, work that it queues on a GPU included."""
    start = timer()  # waits for the GPU
    work()
    return timer() - start


def peak_bytes(work: Work, device: torch.device) -> int:
    """The greatest sum of bytes allocated during one call, less those that were there before."""
    if device.type == 'cuda':
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        work()
    held, peak, cpu = 0, 0, torch._C._autograd.DeviceType.CPU
    events = [event for event in profile.profiler.kineto_results.events()
              if event.name() == '[memory]' and event.device_type() == cpu]
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
