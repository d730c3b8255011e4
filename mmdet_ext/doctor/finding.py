"""One line of the doctor's report."""
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """`MISSING` is an optional library that is not installed."""
    OK = 'ok'
    MISSING = 'missing'
    WARNING = 'warning'
    ERROR = 'error'


@dataclass(frozen=True)
class Finding:
    """What was examined and what came of it.

    Attributes:
        group: Heading under which it is printed.
        name: What was examined.
        state: Whether it works.
        text: What was seen, with values.
        remedy: Command or setting that mends it, or gives what is missing; empty where nothing is to be done.
    """
    group: str
    name: str
    state: State
    text: str
    remedy: str = ''
