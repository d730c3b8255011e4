"""The grid: every part in every detector, and its tables."""
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from textwrap import fill

from ..small_models import save_small_texts
from .cell import Outcome, try_cell
from .hosts import HOSTS, Host
from .parts import PARTS, Part

Grid = Mapping[tuple[str, str], Outcome]  # by the titles of host and part


def chosen(words: Sequence[str]) -> list[tuple[Host, Part]]:
    """The cells whose host or part has one of the words in its title, and, if words name both, both; all without words.
    A whole title of a host is that host alone.

    Raises:
        ValueError: If a word is in no title.
    """
    hosts, parts = [], []
    for word in words:
        of_word = [host for host in HOSTS if word.lower() in host.title.lower()]
        and_parts = [part for part in PARTS if word.lower() in part.title.lower()]
        if not of_word and not and_parts:
            titles = [', '.join(one.title for one in some) for some in (HOSTS, PARTS)]
            raise ValueError(f'--only takes words of detectors ({titles[0]}) and of parts ({titles[1]}), got {word!r}')
        named = [host for host in of_word if host.title.lower() == word.lower()]
        hosts += named or ([] if and_parts else of_word)
        parts += [] if named else and_parts
    hosts, parts = ([one for one in everything if one in some or not some]
                    for everything, some in ((HOSTS, hosts), (PARTS, parts)))
    return [(host, part) for host in hosts for part in parts]


def run_grid(cells: Sequence[tuple[Host, Part]], report: Callable[[str], None]) -> dict[tuple[str, str], Outcome]:
    """Try the cells; `report` gets a line after each."""
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()), warnings.catch_warnings():
            warnings.simplefilter('ignore')
            save_small_texts(texts)
        for number, (host, part) in enumerate(cells, start=1):
            begin = time.monotonic()
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()), warnings.catch_warnings():
                warnings.simplefilter('ignore')  # of mmdet, mmcv and torch about their own code
                outcome = outcomes[host.title, part.title] = try_cell(host, part, texts)
            report(f'{number}/{len(cells)} {part.title} in {host.title}: {outcome.status} '
                   f'({time.monotonic() - begin:.1f} s)' + (f': {outcome.message}' if outcome.message else ''))
    return outcomes


def to_markdown(grid: Grid) -> str:
    """A table for each group of detectors, and the messages below it."""
    texts = []
    for group in dict.fromkeys(host.group for host in HOSTS):
        hosts = [host for host in HOSTS if host.group == group and any(host.title == title for title, _ in grid)]
        parts = [part for part in PARTS if any((host.title, part.title) in grid for host in hosts)]
        if not hosts:
            continue
        notes: dict[str, int] = {}
        rows = [f'| {group} | {" | ".join(host.title for host in hosts)} |', f'| --- |{" --- |" * len(hosts)}']
        for part in parts:
            cells = [_cell(grid.get((host.title, part.title)), notes) for host in hosts]
            rows.append(f'| {part.title} | {" | ".join(cells)} |')
        texts.append('\n'.join(rows))
        if notes:
            texts.append('\n'.join(fill(f'{number}. {message}', 120, subsequent_indent='   ', break_on_hyphens=False)
                                   for message, number in notes.items()))
    return '\n\n'.join(texts) + '\n'


def _cell(outcome: Outcome | None, notes: dict[str, int]) -> str:
    if outcome is None:
        return ''
    if not outcome.message:
        return outcome.status
    message = re.sub(r", got '\w+'$", '', outcome.message)  # the detector, which is the head of the column
    return f'{outcome.status} ({notes.setdefault(message, len(notes) + 1)})'
