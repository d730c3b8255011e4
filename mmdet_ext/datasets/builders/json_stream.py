"""Large json files, read one entry at a time: memory is that of one entry, however long the file is."""
import codecs
import json
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO

_CHUNK = 1 << 20
_WHITESPACE = ' \t\n\r'


def stream_members(path: Path, *, on_bytes: Callable[[int], object] = lambda count: None) -> Iterator[tuple[str, Any]]:
    """The keys and values of the object that a file holds, in their order.

    Args:
        path: The file.
        on_bytes: Called with the number of bytes of each piece that was read.

    Raises:
        ValueError: If the file is no json, or holds something other than an object.
    """
    with path.open('rb') as file:
        reader = _Reader(file, path, on_bytes)
        for key in reader.keys():
            yield key, reader.value()
        reader.end()


def stream_items(path: Path, key: str, *, on_bytes: Callable[[int], object] = lambda count: None) -> Iterator[Any]:
    """The items of the array that a file has under `key`, or of which it consists, in their order.

    Args:
        path: The file.
        key: Of the array, in the object that the file holds.
        on_bytes: Called with the number of bytes of each piece that was read.

    Raises:
        ValueError: If the file is no json, or has no array there.
    """
    with path.open('rb') as file:
        reader = _Reader(file, path, on_bytes)
        if reader.peek() == '[':
            yield from reader.items()
            reader.end()
            return
        found = False
        for own in reader.keys():
            if own != key:
                reader.skip()
            else:
                found = True
                yield from reader.items()
        reader.end()
        if not found:
            raise ValueError(f'{path} has no array {key!r}')


def first_key(path: Path, keys: Collection[str]) -> str:
    """The first of `keys` that the object of a file has; what follows it is not read.

    Raises:
        ValueError: If the file is no json up to there, or has none of them.
    """
    with path.open('rb') as file:
        reader = _Reader(file, path, lambda count: None)
        for key in reader.keys():
            if key in keys:
                return key
            reader.value()
    raise ValueError(f'{path} has none of {", ".join(sorted(keys))}')


class _Reader:
    """A place in the text of a file, of which a piece is in memory."""

    def __init__(self, file: BinaryIO, path: Path, on_bytes: Callable[[int], object]) -> None:
        self._file = file
        self._path = path
        self._on_bytes = on_bytes
        self._decode = codecs.getincrementaldecoder('utf-8')().decode
        self._parse = json.JSONDecoder().raw_decode
        self._text = ''
        self._place = 0
        self._bytes = 0

    def peek(self) -> str:
        """The next character that is no white space, '' at the end of the file."""
        while True:
            while self._place < len(self._text):
                if (char := self._text[self._place]) not in _WHITESPACE:
                    return char
                self._place += 1
            if not self._more(_CHUNK):
                return ''

    def take(self, chars: str) -> str:
        """Pass the next character, which must be one of `chars`."""
        char = self.peek()
        if not char or char not in chars:
            found = repr(char) if char else 'the end'
            raise self._broken(f'{" or ".join(chars)} should stand where {found} is')
        self._place += 1
        return char

    def value(self) -> Any:
        """The value that begins here."""
        self.peek()
        size = _CHUNK
        while True:
            try:
                value, end = self._parse(self._text, self._place)
            except ValueError as error:
                problem = str(error)
            else:
                if end < len(self._text) or not self._more(size):  # a number may go on in the next piece
                    self._place = end
                    return value
                continue
            if not self._more(size):
                raise self._broken(problem)
            size *= 2

    def keys(self) -> Iterator[str]:
        """The keys of the object that begins here; the caller reads the value of each before the next."""
        self.take('{')
        if self.peek() == '}':
            self._place += 1
            return
        while True:
            if self.peek() != '"':
                raise self._broken('a key in quotation marks should stand here')
            key = self.value()
            self.take(':')
            yield key
            if self.take(',}') == '}':
                return

    def items(self) -> Iterator[Any]:
        """The items of the array that begins here."""
        self.take('[')
        if self.peek() == ']':
            self._place += 1
            return
        while True:
            yield self.value()
            if self.take(',]') == ']':
                return

    def skip(self) -> None:
        """Pass the value that begins here, an array item by item."""
        if self.peek() == '[':
            for _ in self.items():
                pass
        else:
            self.value()

    def end(self) -> None:
        """Check that nothing follows."""
        if self.peek():
            raise self._broken('the end of the file should be here')

    def _more(self, size: int) -> bool:
        """Read on; False at the end of the file."""
        content = self._file.read(size)
        if not content:
            return False
        self._on_bytes(len(content))
        try:
            text = self._decode(content)
        except UnicodeDecodeError as error:
            raise self._broken(f'it is not UTF-8 ({error})') from error
        self._bytes += len(content)
        self._text, self._place = self._text[self._place:] + text, 0
        return True

    def _broken(self, problem: str) -> ValueError:
        rest = len(self._text[self._place:].encode())
        return ValueError(f'{self._path} is no json that can be read: at about byte {self._bytes - rest}, {problem}')
