import pytest
from matplotlib.figure import Figure as Canvas

from mmdet_ext.report import Figure, Listing, Section, Table
from mmdet_ext.report.page import format_cell, write_page
from mmdet_ext.visualization.style import save

MARKUP = '<script>alert("x")</script> & <b>'


@pytest.fixture
def figure(tmp_path):
    canvas = Canvas((2, 1))
    canvas.subplots()
    return Figure(save(canvas, tmp_path / 'elsewhere' / 'plot.png'), MARKUP, MARKUP)


@pytest.mark.parametrize('value, shown', [
    (None, '-'), (float('nan'), '-'), ('<b>', '<b>'), (1234567, '1,234,567'), (0, '0'), (0.0, '0.000'),
    (0.43251, '0.433'), (-0.5, '-0.500'), (12.345, '12.3'), (12345.6, '12,345.6'), (0.00012, '1.20e-04'),
    (3.0, '3.000')])
def test_values_of_tables_are_short_and_exact(value, shown):
    assert format_cell(value) == shown


def test_everything_is_in_one_file_and_the_figures_lie_beside_it(tmp_path, figure):
    page = write_page('Title', [Section('x', 'X', figures=[figure])], tmp_path / 'report')
    assert page == tmp_path / 'report' / 'report.html'
    assert (tmp_path / 'report' / 'plot.png').read_bytes() == figure.path.read_bytes()
    html = page.read_text()
    assert 'src="data:image/png;base64,' in html and 'width="300" height="150"' in html
    assert 'http://' not in html and 'https://' not in html and 'plot.png' not in html


def test_what_users_write_is_shown_and_not_run(tmp_path, figure):
    section = Section('x', MARKUP, MARKUP, [figure], [Table(MARKUP, [MARKUP], [[MARKUP]])], [Listing(MARKUP, MARKUP)])
    html = write_page(MARKUP, [section], tmp_path).read_text()
    assert 'alert("x")' not in html and '<b>' not in html
    assert html.count('&lt;script&gt;') == 14


def test_backticks_are_code_and_empty_lines_paragraphs(tmp_path):
    html = write_page('T', [Section('x', 'X', 'Use `a <b>` here.\n\nThen.')], tmp_path).read_text()
    assert '<p>Use <code>a &lt;b&gt;</code> here.</p>\n<p>Then.</p>' in html


def test_a_command_at_the_end_of_a_paragraph_has_its_own_line_and_its_words_stay_whole(tmp_path):
    html = write_page('T', [Section('x', 'X', 'Type `a`, then: `run <x> --out b`')], tmp_path).read_text()
    assert ('Type <code>a</code>, then: <code class="command"><span>run</span> <span>&lt;x&gt;</span> '
            '<span>--out</span> <span>b</span></code></p>') in html


def test_columns_of_numbers_and_their_headings_stand_at_the_right_and_long_names_can_be_broken(tmp_path):
    table = Table('T', ['name', 'count'], [['a.b_c', 1], ['none', None]])
    html = write_page('T', [Section('x', 'X', tables=[table])], tmp_path).read_text()
    assert '<th scope="col"><button' in html and '<th scope="col" class="number"><button' in html
    assert '<td>a.<wbr>b_<wbr>c</td><td class="number" data-value="1">1</td>' in html


def test_the_first_table_of_the_summary_is_tiles(tmp_path):
    tables = [Table('Main', ('', ''), [('AP', 0.5)]), Table('Second', ('a', ), [[1]])]
    html = write_page('T', [Section('summary', 'S', tables=tables)], tmp_path).read_text()
    assert '<dt>AP</dt><dd>0.500</dd>' in html and html.count('<table>') == 1


def test_writing_again_gives_the_same_file(tmp_path, figure):
    sections = [Section('x', 'X', figures=[figure])]
    first = write_page('T', sections, tmp_path).read_bytes()
    assert write_page('T', sections, tmp_path).read_bytes() == first


def test_keys_are_different_and_figures_are_png_files(tmp_path):
    with pytest.raises(ValueError, match='different keys, got x, x'):
        write_page('T', [Section('x', 'X'), Section('x', 'Y')], tmp_path)
    (tmp_path / 'a.png').write_bytes(b'GIF89a')
    sections = [Section(key, key, figures=[Figure(tmp_path / key / 'a.png', '', '')]) for key in ('x', 'y')]
    with pytest.raises(ValueError, match=r'different names, got a\.png twice'):
        write_page('T', sections, tmp_path)
    with pytest.raises(ValueError, match=r'a\.png is no PNG file'):
        write_page('T', [Section('x', 'X', figures=[Figure(tmp_path / 'a.png', '', '')])], tmp_path)


@pytest.mark.parametrize('count, folded', [(7, 0), (9, 3)])
def test_figures_behind_the_sixth_are_folded_unless_there_is_one(tmp_path, count, folded):
    canvas = Canvas((2, 1))
    figures = [Figure(save(canvas, tmp_path / f'{number}.png'), f'Figure {number}', '') for number in range(count)]
    html = write_page('T', [Section('x', 'X', figures=figures)], tmp_path).read_text()
    before, _, rest = html.partition('<details class="more">')
    assert before.count('<figure') == count - folded and rest.count('<figure') == folded
    assert (f'<summary>{folded} more figures</summary>' in rest) == bool(folded)
