"""Progress bars and warnings on stderr."""
import sys
from collections.abc import Sequence

from tqdm import tqdm


def progress_bar(label: str, total: int, unit: str, *, initial: int = 0, disable: bool = False) -> tqdm:
    """A bar over `total` units, of which `initial` were done by an earlier run; twice a minute where nobody watches."""
    quiet = not sys.stderr.isatty()
    return tqdm(desc=label, total=total, unit=f' {unit}', initial=initial, disable=disable, file=sys.stderr,
                mininterval=30 if quiet else 0.1, dynamic_ncols=not quiet)


def warn(lines: Sequence[str]) -> None:
    """Write warnings above the bar; where nobody watches on lines of their own, without drawing the bar for each."""
    text = '\n'.join(f'warning: {line}' for line in lines)
    if text and sys.stderr.isatty():
        tqdm.write(text, file=sys.stderr)
    elif text:
        print(f'\n{text}', file=sys.stderr)
