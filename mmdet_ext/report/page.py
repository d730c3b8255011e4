"""The page of a report: one HTML file with its images inside, which opens offline."""
import base64
import math
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ..extras import import_extra
from ..files import replace_file
from .section import Figure, Section

PAGE = 'report.html'
WIDE = 1300  # pixels
DASH = '-'


class _Image(NamedTuple):
    """A PNG file as the page embeds it; sizes in pixels."""
    uri: str
    width: int
    height: int


def write_page(title: str, sections: Sequence[Section], folder: Path) -> Path:
    """Write `folder`/report.html, with images, style and script inside: it asks for no other file and no network.

    The section 'summary' shows its first table as tiles. In texts, `words` between backticks are set as code and an
    empty line begins a paragraph; everything else is shown as it is written, markup too.

    Args:
        title: The heading.
        sections: In the order of the page, with unique keys.
        folder: Figures whose files lie elsewhere are copied into it.

    Returns:
        The path of the page.

    Raises:
        ImportError: jinja2 is missing; names the extra.
        ValueError: Two sections have the same key, or a figure is no PNG file.
    """
    jinja2 = import_extra('jinja2', 'report')
    keys = [section.key for section in sections]
    if len(set(keys)) < len(keys):
        raise ValueError(f'the sections of a page have different keys, got {", ".join(keys)}')
    folder.mkdir(parents=True, exist_ok=True)
    for section in sections:
        for figure in section.figures:
            _bring(figure, folder)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).with_name('templates')),
                                     autoescape=True, undefined=jinja2.StrictUndefined)
    environment.tests.update(wide=_is_wide)
    environment.filters.update(cell=format_cell, image=_embed, paragraphs=_paragraphs)
    html = environment.get_template('page.html').render(title=title, sections=sections)
    path = folder / PAGE
    with replace_file(path) as file:
        file.write(html.encode('utf-8', 'replace'))
    return path


def format_cell(value: str | float | None) -> str:
    """A value of a table as it is shown: three digits behind the point below 10, thousands apart, a dash for None."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if isinstance(value, str | bool):
        return str(value)
    if float(value).is_integer() and not isinstance(value, float):
        return f'{value:,}'
    if value and abs(value) < 1e-3:
        return f'{value:.2e}'
    return f'{value:,.3f}' if abs(value) < 10 else f'{value:,.1f}'


def _bring(figure: Figure, folder: Path) -> None:
    if figure.path.resolve().parent != folder.resolve():
        shutil.copyfile(figure.path, folder / figure.path.name)


def _embed(path: Path) -> _Image:
    content = Path(path).read_bytes()
    if not content.startswith(b'\x89PNG\r\n\x1a\n'):
        raise ValueError(f'{path} is no PNG file')
    width, height = (int.from_bytes(content[start:start + 4]) for start in (16, 20))
    return _Image(f'data:image/png;base64,{base64.b64encode(content).decode()}', width, height)


def _is_wide(image: _Image) -> bool:
    """Whether an image takes the whole width of the page, not half of it."""
    return image.width > 1.7 * image.height or image.width >= WIDE


def _paragraphs(text: str) -> list[str]:
    """Paragraphs of a text, escaped, with what stands between backticks set as code."""
    markupsafe = import_extra('markupsafe', 'report')  # comes with jinja2
    paragraphs = [str(markupsafe.escape(part.strip())) for part in re.split(r'\n\s*\n', text) if part.strip()]
    return [markupsafe.Markup(re.sub('`([^`]+)`', r'<code>\1</code>', part)) for part in paragraphs]
