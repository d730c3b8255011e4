"""What a report is made of: sections with text, tables and figures."""
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """A PNG file that a section shows.

    Attributes:
        path: The file. The page embeds it.
        title: A short line above it.
        text: What one sees in it, in a sentence or two: the caption, and the text for those who cannot see it.
    """
    path: Path
    title: str
    text: str


@dataclass(frozen=True)
class Table:
    """A table that a section shows. Numbers are given as numbers; the page formats them.

    Attributes:
        title: A short line above it.
        header: Names of the columns.
        rows: A value for each column: str, int, float or None for a value that is not defined.
    """
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | int | float | None]]


@dataclass(frozen=True)
class Listing:
    """A text that a section shows as it is written, folded: a config, the output of a command.

    Attributes:
        title: The line that unfolds it.
        text: The text, with its line breaks.
    """
    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        key: Short word for links and file names: 'curves', 'mistakes'.
        title: The heading.
        text: What this part shows and how to read it, in whole sentences; may be empty.
        figures: In the order in which they are shown, after the text.
        tables: After the figures.
        listings: At the end.
    """
    key: str
    title: str
    text: str = ''
    figures: Sequence[Figure] = ()
    tables: Sequence[Table] = ()
    listings: Sequence[Listing] = ()
