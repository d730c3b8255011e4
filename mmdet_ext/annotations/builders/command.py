"""What the command lines that build annotation files have in common."""
import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from .grounding_file import OBJECT, Pair, write_grounding

T = TypeVar('T')


def new_parser(doc: str, *, folder: bool = False) -> argparse.ArgumentParser:
    """A parser with --out, a file or a folder, and --overwrite."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, required=True, metavar='DIR' if folder else 'OUT.json',
                        help=f'{"folder" if folder else "file"} to write{" to" * folder}')
    parser.add_argument('--overwrite', action='store_true', help='replace files that exist')
    return parser


def parse_new_file(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The arguments; ends with an error if the file --out exists and may not be replaced."""
    args = parser.parse_args()
    if args.out.exists() and not args.overwrite:
        parser.error(f'{args.out} is there already: give another --out, or --overwrite')
    return args


def existing_file(text: str, kind: str = 'file') -> Path:
    """Type of an argument: the path of a file, or of a 'folder'."""
    path = Path(text)
    if not (path.is_file() if kind == 'file' else path.is_dir()):
        raise argparse.ArgumentTypeError(f'there is no {kind} {text}')
    return path


existing_folder = partial(existing_file, kind='folder')


def positive_number(text: str) -> int:
    """Type of an argument: a whole number of at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'should be a whole number of at least 1, got {text}')
    return int(text)


def stays(out: Path, overwrite: bool) -> bool:
    """Whether a file of the folder --out exists and is kept; says so."""
    if out.exists() and not overwrite:
        print(f'{out} is there already and stays (--overwrite makes it again)')
        return True
    return False


def progress(rows: Iterable[T] | None, label: str, unit: str, total: int | None = None) -> 'tqdm[T]':
    """The rows with a bar on stderr, drawn twice a minute if that is no terminal."""
    terminal = sys.stderr.isatty()
    return tqdm(rows, desc=label, unit=f' {unit}', total=total, mininterval=0.1 if terminal else 30,
                dynamic_ncols=terminal)


def write_rows(out: Path, rows: Iterable[T], unit: str, make_pairs: Callable[..., Iterable[Pair]], *,
               total: int | None = None, categories: Sequence[dict] = OBJECT) -> None:
    """Write an annotation file of the pairs that `make_pairs(rows, counts=counts)` gives, with a bar of the rows."""
    counts = Counter()
    with progress(rows, out.stem, unit, total) as bar:
        write_file(out, make_pairs(bar, counts=counts), counts, categories)


def write_file(out: Path, pairs: Iterable[Pair], counts: Counter, categories: Sequence[dict] = OBJECT) -> None:
    """Write an annotation file in MDETR's format, and print how many there are of what (see `write_grounding`)."""
    out.parent.mkdir(parents=True, exist_ok=True)
    write_grounding(out, pairs, counts, categories)
    print_counts(f'wrote {out}', counts)


def print_counts(title: str, counts: Counter) -> None:
    """Print how many there are of what."""
    print(title)
    for name, count in counts.items():
        print(f'{count:10d}  {name}')
