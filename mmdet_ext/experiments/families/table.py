"""The table of all configs, and what does not work below it."""
from collections.abc import Mapping, Sequence
from statistics import median
from textwrap import fill

from .compare import SAME_LOSS, Comparison, compare
from .configs import NO_MODELS
from .row import COMPILED, STAND_IN, Row

Rows = Mapping[tuple[str, str], Row]
HEAD = ('config', 'works', 'operators called', 'training step, s', 'prediction, s', 'losses', 'gradients', 'boxes')
FAULTS = {'operator': 'the operator', 'package': 'a package that is not installed', 'mmdet': 'MMDetection',
          'weights': 'random weights', 'crash': 'the process', 'no answer': 'too slow'}


def to_markdown(rows: Rows, configs: Sequence[str]) -> str:
    """A table with one line for each config, a summary, and the errors."""
    lines = [f'| {" | ".join(HEAD)} |', f'|{" --- |" * len(HEAD)}']
    tried = [config for config in configs if any((config, name) in rows for name in (COMPILED, STAND_IN))]
    notes: dict[str, int] = {}
    lines += [_line(config, rows.get((config, COMPILED)), rows.get((config, STAND_IN)), notes) for config in tried]
    texts = ['\n'.join(lines), summary(rows, tried)]
    if notes:
        texts.append('\n'.join(fill(f'{number}. {note}', 120, subsequent_indent='   ', break_on_hyphens=False,
                                    break_long_words=False) for note, number in notes.items()))
    return '\n\n'.join(texts) + '\n'


def _line(config: str, compiled: Row | None, stand_in: Row | None, notes: dict[str, int]) -> str:
    known = [row for row in (compiled, stand_in) if row]
    both = comparison(compiled, stand_in)
    cited = [notes.setdefault(note, len(notes) + 1) for note in dict.fromkeys(_notes(known))]
    works = _works(known) + (f' ({", ".join(map(str, sorted(cited)))})' if cited else '')
    called = sorted({name for row in known for name in row.called})
    cells = [config.removesuffix('.py'), works, ', '.join(called),
             _seconds([row.train_seconds for row in known], both and both.train_ratio),
             _seconds([row.predict_seconds for row in known], both and both.predict_ratio)]
    cells += [f'{both.loss:.0e}' if both.loss else '=', f'{both.gradient:.0e}' if both.gradient else '=',
              'none' if both.boxes is None else f'{both.boxes:.0%}'] if both else [''] * 3
    return f'| {" | ".join(cells)} |'


def comparison(compiled: Row | None, stand_in: Row | None) -> Comparison | None:
    """The comparison of two rows; None unless both are there and work."""
    if compiled is None or stand_in is None or compiled.error or stand_in.error:
        return None
    return compare(compiled, stand_in)


def _works(known: Sequence[Row]) -> str:
    working = [row.operators for row in known if not row.error]
    if len(working) == len(known):
        return 'yes'
    return f'{working[0]} only' if working else 'no'


def _notes(known: Sequence[Row]) -> list[str]:
    errors = {row.error for row in known if row.error}
    notes = []
    for row in known:
        if row.error:
            same = len(errors) == 1 and all(one.error for one in known)
            whose = FAULTS[row.fault]
            notes.append(f'{"" if same else f"with {row.operators} operators: "}{row.error} (fault: {whose}'
                         f'{f", {row.location}" if row.location else ""})')
        if row.note:
            notes.append(row.note)
        if row.pipeline:
            notes.append(f'the model works, its data pipeline not: {row.pipeline}' if not row.error else
                         f'the data pipeline: {row.pipeline}')
    return notes


def _seconds(values: Sequence[float | None], ratio: float | None) -> str:
    known = ' / '.join(f'{value:.2f}' for value in values if value is not None)
    return f'{known} ({ratio:.2f}x)' if ratio else known


def summary(rows: Rows, configs: Sequence[str]) -> str:
    """How many configs work, and how the two kinds of operators compare over them."""
    sentences = []
    for name in (COMPILED, STAND_IN):
        known = [rows[config, name] for config in configs if (config, name) in rows]
        if known:
            working = [row for row in known if not row.error]
            families = {row.config.split('/')[0] for row in known}
            complete = families - {row.config.split('/')[0] for row in known if row.error}
            sentences.append(f'{len(working)} of {len(known)} configs work with {name} operators, and all configs of '
                             f'{len(complete)} of {len(families)} families.')
    pairs = [pair for config in configs
             if (pair := comparison(rows.get((config, COMPILED)), rows.get((config, STAND_IN))))]
    if pairs:
        equal = sum(max(pair.loss, pair.gradient) <= SAME_LOSS for pair in pairs)
        sentences.append(f'Of {len(pairs)} that work with both, {equal} have losses and gradients that differ by at '
                         f'most {SAME_LOSS:g} of their value, and {sum(pair.boxes in (1, None) for pair in pairs)} '
                         'predict the same boxes.')
        for what, ratios in (('training step', [pair.train_ratio for pair in pairs if pair.train_ratio]),
                             ('prediction', [pair.predict_ratio for pair in pairs if pair.predict_ratio])):
            if ratios:
                sentences.append(f'A {what} with stand-in operators takes {median(ratios):.2f} times as long (median; '
                                 f'{min(ratios):.2f} to {max(ratios):.2f}).')
    sentences += [f'`{family}` has no models, but {what}.' for family, what in NO_MODELS.items()]
    return fill(' '.join(sentences), 120, break_on_hyphens=False)
