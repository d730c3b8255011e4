"""Texts and numbers as label tools write them: in several encodings, with white space, or as no number at all."""
import codecs
from math import isfinite
from pathlib import Path


def read_text(path: Path) -> str:
    """A text in UTF-8 or UTF-16 with or without a byte order mark, or else in Latin-1."""
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode('utf-16', 'replace')
    try:
        return data.decode('utf-8-sig')
    except UnicodeDecodeError:
        return data.decode('latin-1')


def number_of(text: object) -> float | None:
    """A finite number, or None; a text may have spaces around it, and a comma as the decimal point."""
    try:
        number = float(text.strip().replace(',', '.') if isinstance(text, str) else text)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def size_from(width: object, height: object) -> tuple[int, int] | None:
    """(width, height) in pixels, or None if they are absent, 0 or no numbers, as many tools write them."""
    width, height = number_of(width), number_of(height)
    return (round(width), round(height)) if width and height and min(width, height) >= 1 else None
