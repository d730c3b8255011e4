"""Which of mmcv's operators a model calls."""
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from typing import Any


@contextmanager
def operator_calls() -> Iterator[set[str]]:
    """The names of the operators in `mmcv._ext` that are called in the block."""
    module, called = import_module('mmcv._ext'), set()
    operators = {name: value for name, value in vars(module).items() if callable(value) and not name.startswith('_')}
    for name, operator in operators.items():
        setattr(module, name, _recorded(name, operator, called))
    try:
        yield called
    finally:
        for name, operator in operators.items():
            setattr(module, name, operator)


def _recorded(name: str, operator: Callable, called: set[str]) -> Callable:
    def record(*args: Any, **kwargs: Any) -> Any:
        called.add(name)
        return operator(*args, **kwargs)

    return wraps(operator)(record)
