"""The option --cfg-options of the command lines."""
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence

from mmengine.config import DictAction


class ConfigOptions(DictAction):
    """mmengine's `DictAction`, with which an argument that is no KEY=VALUE is an error of the command line."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Sequence[str],
                 option_string: str | None = None) -> None:
        for value in values:
            try:
                super().__call__(parser, Namespace(), [value], option_string)
            except (ValueError, AssertionError, IndexError) as error:
                raise ArgumentError(self, f'should be KEY=VALUE, got {value!r}' +
                                    (f' ({error})' if '=' in value else '')) from error
        super().__call__(parser, namespace, values, option_string)
