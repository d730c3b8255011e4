"""Results as tables, printed as they come."""
from collections.abc import Iterable

from tabulate import tabulate

from .measure import Row


def print_rows(rows: Iterable[Row]) -> None:
    """Time and peak memory of each form, and their ratios to the first form."""
    rows = list(rows)
    first = rows[0][1]
    table = [(label, f'{measured.seconds * 1e3:.1f} ms', f'{measured.seconds / first.seconds:.2f}',
              f'{measured.peak_bytes / 2**20:.1f} MiB',
              f'{measured.peak_bytes / first.peak_bytes:.2f}' if first.peak_bytes else '') for label, measured in rows]
    print_table(table, ('', 'time', 'ratio', 'peak memory', 'ratio'))


def print_counts(rows: Iterable[tuple[str, dict]]) -> None:
    """Operators, groups of the optimizer, tensors sent to the device, and what the host waited for."""
    table = [(label, counts['operators'], counts['groups'], counts['uploads'],
              ', '.join(f'{name} {times}' for name, times in counts['synchronisations'].items()) or 'none')
             for label, counts in rows]
    print_table(table, ('', 'operators', 'groups', 'sent', 'waits of the host'))


def print_table(rows: list[tuple], headers: tuple[str, ...]) -> None:
    print(tabulate(rows, headers, tablefmt='plain', disable_numparse=True,
                   colalign=('left', *('right' for _ in headers[1:]))), flush=True)
