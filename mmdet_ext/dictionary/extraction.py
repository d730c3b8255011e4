"""Drawing the samples of a source, chunk by chunk, by one or more processes."""
import numpy as np

from .processes import Processes, StopRequest
from .progress import progress_bar, warn
from .sampling import SourceSample
from .sources.base import Source
from .state import State, Timer


def take_up(sample: SourceSample, state: State) -> None:
    """Merge what the processes of an interrupted build have drawn into the file of process 0."""
    found = state.parts(sample.number)
    for path in found:
        sample.merge(path)
    sample.save(state.part(sample.number, 0))
    for path in found:
        if path != state.part(sample.number, 0):
            path.unlink()


def extract(source: Source, sample: SourceSample, done: np.ndarray, state: State, processes: Processes,
            stop: StopRequest) -> None:
    """Draw from this process's share of the chunks that are not `done` (num_chunks, ), on which all processes agree.

    It is saved every half minute, at the end, and when something stops it.
    """
    path = state.part(sample.number, processes.rank)
    mine = np.flatnonzero(~done)[processes.rank::processes.world]
    timer = Timer()
    with progress_bar(f'{source.name} {sample.number + 1}', source.num_items, 'items', disable=processes.rank > 0,
                      initial=int(done.sum()) * source.num_items // source.num_chunks) as bar:
        for drawn, chunk in enumerate(mine, start=1):
            try:
                stop.check()
                found = source.chunk(int(chunk))
            except Exception:
                sample.save(path)
                raise
            sample.draw(int(chunk), found)
            warn([f'skipped {line}' for line in found.skipped])
            all_done = min(source.num_chunks, int(done.sum()) + drawn * processes.world)
            bar.update(all_done * source.num_items // source.num_chunks - bar.n)
            if timer.due():
                sample.save(path)
    sample.save(path)


def check_found(source: Source, sample: SourceSample, state: State) -> None:
    """Raise ValueError if chunks are missing, or if they gave nothing; then the next build draws from them again."""
    if not sample.done.all():
        raise ValueError(f'{source.name}: {(~sample.done).sum()} of its {len(sample.done)} chunks are missing: is '
                         f'{state.folder} on a file system that all processes share?')
    if sample.reservoir.size:
        return
    state.forget_samples(sample.number)
    reason = f'{sample.seen} samples: {sample.zero} zero, {sample.non_finite} not finite'
    if sample.skipped:
        reason += f'; {sample.skipped} items could not be read: {sample.lines[0][1]}'
    raise ValueError(f'{source.name}: none of its {source.num_items} items gave a usable sample ({reason})')
