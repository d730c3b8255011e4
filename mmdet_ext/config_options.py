"""The option --cfg-options of the command lines."""
import ast
import re
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from mmengine.config import DictAction


class ConfigOptions(DictAction):
    """mmengine's `DictAction`, with which an argument that is no KEY=VALUE is an error of the command line, and which
    keeps spaces: `data_root=/my images` and `classes="('hot dog', 'cat')"`."""

    def __call__(self, parser: ArgumentParser, namespace: Namespace, values: Sequence[str],
                 option_string: str | None = None) -> None:
        for value in values:
            try:
                super().__call__(parser, Namespace(), [value], option_string)
            except (ValueError, AssertionError, IndexError) as error:
                raise ArgumentError(self, f'should be KEY=VALUE, got {value!r}' +
                                    (f' ({error})' if '=' in value else '')) from error
        super().__call__(parser, namespace, values, option_string)

    @staticmethod
    def _parse_iterable(val: str) -> Any:
        """A value of the command line. mmengine would take all spaces away.

        Raises:
            ValueError: In a list there are words with a space between them, and no quotes.
        """
        try:
            literal = ast.literal_eval(val)
        except (ValueError, SyntaxError):
            literal = None
        is_list = isinstance(literal, (list, tuple)) and val.strip()[0] in '(['
        if is_list or (isinstance(literal, str) and ' ' in literal):
            return literal
        if re.search(r'[^\s,(\[]\s+[^\s,)\]]', val.strip()):
            if not re.search(r'[,()\[\]]', val):
                return val
            raise ValueError('a name with a space stands between quotes, as in "(\'hot dog\', \'cat\')"')
        return DictAction._parse_iterable(val)
