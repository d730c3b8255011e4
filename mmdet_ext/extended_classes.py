"""Classes of other packages that get a part of ours and keep their name and interface."""
from functools import cache
from typing import Any


@cache
def extended(base: type, mixin: type) -> type:
    """A subclass of `mixin` and `base` with the name of `base`, whose instances can be copied and pickled."""
    root, mixins = getattr(base, '_extended', (base, ()))
    return type(base.__name__, (mixin, base), dict(
        __doc__=base.__doc__, __module__=base.__module__, __reduce_ex__=_reduce, _extended=(root, (*mixins, mixin))))


def _reduce(instance: Any, protocol: int) -> tuple:
    return _restore, type(instance)._extended, instance.__dict__


def _restore(root: type, mixins: tuple[type, ...]) -> Any:
    cls = root
    for mixin in mixins:
        cls = extended(cls, mixin)
    return cls.__new__(cls)
