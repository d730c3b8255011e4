"""A caption as an image: lines of text in which phrases have colours."""
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby

import numpy as np

Color = tuple[int, int, int]
INK: Color = (60, 60, 60)
_MARGIN = 8  # pixels
_DPI = 100


def draw_caption(caption: str, colors: Sequence[Color | None], width: int, *, size: float = 10,
                 font_families: str | Sequence[str] = 'sans-serif') -> np.ndarray:
    """Write a caption on white, broken at spaces, or between letters where a word is wider than the image.

    Args:
        caption: The text; new lines count as spaces.
        colors: RGB of each of its characters, which are bold then, or None for plain text.
        width: Of the image, in pixels.
        size: Of the letters, in points of 100/72 pixels.
        font_families: For matplotlib, which draws a box for a letter that none of them has.

    Returns:
        (height, width, 3) uint8 RGB, as high as the lines need.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # only now: it takes a while
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

    plain, bold = (FontProperties(family=font_families, size=size, weight=weight) for weight in ('normal', 'bold'))
    canvas = FigureCanvasAgg(Figure(dpi=_DPI))
    renderer = canvas.get_renderer()

    def measure(text: str, color: Color | None) -> float:
        """Between two bars, because matplotlib leaves out spaces at the end."""
        with_text, bars = (renderer.get_text_width_height_descent(line, bold if color else plain, False)[0]
                           for line in (f'|{text}|', '||'))
        return with_text - bars

    lines = _break_lines(_words(caption, colors), measure, width - 2 * _MARGIN)
    line_height = 1.5 * size * _DPI / 72
    height = round(len(lines) * line_height + _MARGIN)
    canvas.figure.set_size_inches((width + 0.01) / _DPI, (height + 0.01) / _DPI)
    for row, line in enumerate(lines):
        for left, text, color in line:
            canvas.figure.text((_MARGIN + left) / width, 1 - (_MARGIN / 2 + (row + 0.75) * line_height) / height, text,
                               fontproperties=bold if color else plain, color=[c / 255 for c in color or INK],
                               va='baseline', parse_math=False)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:height, :width, :3].copy()


@contextmanager
def one_warning_of_letters() -> Iterator[None]:
    """Warn once of all letters that no font has, and say what to do; matplotlib warns at each of them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings('always', 'Glyph')
        yield
    glyphs = [re.match(r'Glyph (\d+) ', str(warning.message)) for warning in caught]
    for warning in (warning for warning, glyph in zip(caught, glyphs) if not glyph):
        warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    if letters := sorted({chr(int(glyph[1])) for glyph in glyphs if glyph}):
        warnings.warn(f'no font of the visualizer has the letters {"".join(letters)}, drawn as boxes: name one that '
                      'has them, visualizer=dict(font_families=...)', stacklevel=3)


def _words(caption: str, colors: Sequence[Color | None]) -> list[tuple[str, Color | None]]:
    """Words and spaces, each cut where its colour changes."""
    groups = groupby(zip(caption, colors, strict=True), key=lambda item: (item[0].isspace(), item[1]))
    return [(' ' if space else ''.join(letter for letter, _ in group), color) for (space, color), group in groups]


def _break_lines(words: Sequence[tuple[str, Color | None]], measure: Callable[[str, Color | None], float],
                 line_width: float) -> list[list[tuple[float, str, Color | None]]]:
    """Lines of (left, text, colour), `line_width` pixels wide unless a single letter is wider."""
    lines, left = [[]], 0.
    for text, color in words:
        for part in [text] if measure(text, color) <= line_width else text:
            part_width = measure(part, color)
            if lines[-1] and left + part_width > line_width:
                lines.append([])
                left = 0.
            if part != ' ' or lines[-1]:
                lines[-1].append((left, part, color))
                left += part_width
    return lines
