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
from .section import Figure, Section, Table

PAGE = 'report.html'
WIDE = 800  # pixels: more than a plot has
SHOWN = 6  # figures of a section; more are folded
DASH = '-'


class _Image(NamedTuple):
    """A PNG file as the page embeds it; sizes in pixels."""
    uri: str
    width: int
    height: int


def write_page(title: str, sections: Sequence[Section], folder: Path) -> Path:
    """Write `folder`/report.html, with images, style and script inside: it asks for no other file and no network.

    The section 'summary' shows its first table as tiles. In texts, `words` between backticks are set as code, at
    the end of a paragraph in a line of their own, and an empty line begins a paragraph; everything else is shown as it
    is written, markup too.

    Args:
        title: The heading.
        sections: In the order of the page, with unique keys.
        folder: Figures whose files lie elsewhere are copied into it.

    Returns:
        The path of the page.

    Raises:
        ImportError: jinja2 is missing; names the extra.
        ValueError: Two sections have the same key, two figures the same name of file, or a figure is no PNG file.
    """
    jinja2 = import_extra('jinja2', 'report')
    keys = [section.key for section in sections]
    if len(set(keys)) < len(keys):
        raise ValueError(f'the sections of a page have different keys, got {", ".join(keys)}')
    folder.mkdir(parents=True, exist_ok=True)
    figures = [figure for section in sections for figure in section.figures]
    names = [figure.path.name for figure in figures]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f'the figures of a page have files of different names, got {", ".join(twice)} twice')
    for figure in figures:
        _bring(figure, folder)
    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(Path(__file__).with_name('templates')),
                                     autoescape=True, undefined=jinja2.StrictUndefined)
    environment.tests.update(wide=_is_wide)
    environment.globals.update(numeric=_numeric, shown=SHOWN)
    environment.filters.update(cell=_cell, image=_embed, paragraphs=_paragraphs)
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


def _cell(value: str | float | None) -> str:
    """The same, escaped; dotted names and paths may be broken behind a dot, a slash or an underscore."""
    markupsafe = import_extra('markupsafe', 'report')  # comes with jinja2
    text = str(markupsafe.escape(format_cell(value)))
    return markupsafe.Markup(re.sub(r'(?<=\w)([./_]+)(?=\w)', r'\1<wbr>', text) if isinstance(value, str) else text)


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
    return image.width >= WIDE


def _numeric(table: Table) -> list[bool]:
    """For each column whether it has numbers, which stand at its right."""
    return [any(isinstance(row[column], int | float) for row in table.rows) for column in range(len(table.header))]


def _paragraphs(text: str) -> list[str]:
    """Paragraphs of a text, escaped, with what stands between backticks set as code."""
    markupsafe = import_extra('markupsafe', 'report')  # comes with jinja2
    paragraphs = [str(markupsafe.escape(part.strip())) for part in re.split(r'\n\s*\n', text) if part.strip()]
    return [markupsafe.Markup(re.sub('`([^`]+)`', r'<code>\1</code>', re.sub('`([^`]+)`$', _command, part)))
            for part in paragraphs]


def _command(code: re.Match) -> str:
    """A command as a line of its own, which is broken between words only: not behind the dashes of an option."""
    return f'<code class="command">{" ".join(f"<span>{word}</span>" for word in code[1].split())}</code>'
