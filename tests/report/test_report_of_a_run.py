"""The report that a training ends with, written by its hook and opened in a browser."""
import logging
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmdet_ext.lettering import font_for
from mmdet_ext.report import build
from mmdet_ext.report.build import Report
from mmdet_ext.report.collect import collect_results, evaluate, read_predictions
from mmdet_ext.report.command import main
from mmdet_ext.report.hook import ReportHook
from mmdet_ext.report.run_folder import read_run
from mmdet_ext.visualization.images import read_image

CHROMIUM = shutil.which('chromium')
BROWSER = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
           '--disable-component-update', '--disable-sync']
SECTIONS = ['summary', 'curves', 'scores', 'confusion', 'mistakes', 'worst', 'labels', 'network', 'config', 'versions']


@pytest.fixture(scope='module')
def log() -> list[str]:
    return []


@pytest.fixture(scope='module')
def report(run_folder, log) -> Path:
    """The folder that ReportHook leaves; `log` has what it logged."""
    logger = logging.getLogger('a training with a report')
    logger.addHandler(handler := logging.Handler())
    logger.setLevel(logging.INFO)
    handler.emit = lambda record: log.append(record.getMessage())
    runner = SimpleNamespace(work_dir=str(run_folder), logger=logger, cfg=SimpleNamespace(filename=None))
    ReportHook().after_train(runner)
    return run_folder / 'report'


@pytest.fixture(scope='module')
def browser():
    sync_api = pytest.importorskip('playwright.sync_api')
    if CHROMIUM is None:
        pytest.skip('there is no chromium')
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER)
        yield browser
        browser.close()


@pytest.fixture
def browse(report, browser):
    """Open the page in a window of a width; returns it with what it said and asked for."""

    def open_page(width: int, scheme: str = 'light'):
        page = browser.new_page(viewport=dict(width=width, height=900), color_scheme=scheme)
        page.messages, page.requests = [], []
        page.on('console', lambda message: page.messages.append(message.text))
        page.on('pageerror', lambda error: page.messages.append(str(error)))
        page.on('request', lambda request: page.requests.append(request.url))
        page.goto((report / 'report.html').as_uri())
        return page

    return open_page


def test_the_hook_writes_the_report_and_says_where(report, log):
    assert log == [f'The report of this run is being written to {report}/report.html.',
                   f'The report is {(report / "report.html").resolve()}']
    assert not (report / 'errors.txt').exists()
    pngs = {path.name for path in report.glob('*.png')}
    assert {'losses.png', 'metrics.png', 'f1.png', 'classes.png', 'positions.png'} <= pngs


def test_a_second_report_takes_the_results_of_the_first(report, run_folder, monkeypatch, capsys, tmp_path):
    before = [(path.name, path.stat().st_mtime_ns) for path in (report / 'results').iterdir()]
    assert len(before) == 1 and before[0][0].startswith('val-')
    monkeypatch.setattr('mmengine.runner.Runner.test', None)
    run = read_run(run_folder)
    first = evaluate(run.cfg, run.checkpoint, cache=report / 'results')
    assert 'coco/bbox_mAP' in first.metrics and len(first.samples) == 4
    assert before == [(path.name, path.stat().st_mtime_ns) for path in (report / 'results').iterdir()]


def test_results_are_ground_truth_and_predictions_of_the_files(report, run_folder):
    run = read_run(run_folder)
    results = collect_results(run.cfg, run.checkpoint, cache=report / 'results')
    assert results.classes[0] == 'circle' and len(results.images) == 4
    evaluation = evaluate(run.cfg, run.checkpoint, cache=report / 'results')
    for image, sample in zip(results.images, evaluation.samples, strict=True):
        assert image.shape == read_image(image.path).shape[:2]
        assert image.true_boxes.shape == (len(image.true_labels), 4) and not image.ignored.any()
        assert (image.scores[:-1] >= image.scores[1:]).all()
        assert sorted(image.scores.tolist()) == sorted(sample['pred_instances']['scores'].tolist())
    rows = [row for index in range(4) for row in evaluation.dataset.get_data_info(index)['instances']]
    assert sum(len(image.true_boxes) for image in results.images) == len(rows) > 4


def test_predictions_of_test_py_are_taken_and_others_refused(report, run_folder, tmp_path):
    import pickle

    run = read_run(run_folder)
    samples = evaluate(run.cfg, run.checkpoint, cache=report / 'results').samples
    (tmp_path / 'out.pkl').write_bytes(pickle.dumps(samples))
    assert len(read_predictions(run.cfg, tmp_path / 'out.pkl', 'val').samples) == 4
    (tmp_path / 'out.pkl').write_bytes(pickle.dumps(dict(a=1)))
    with pytest.raises(ValueError, match='does not hold predictions'):
        read_predictions(run.cfg, tmp_path / 'out.pkl', 'val')
    page = report / 'report.html'
    written = page.stat().st_mtime_ns
    (tmp_path / 'other.pkl').write_bytes(pickle.dumps([samples[0] | dict(img_id=-1)]))
    for name, message in (('out', 'does not hold predictions'), ('other', 'the data set has no image -1')):
        with pytest.raises(ValueError, match=message):
            Report(run, report, predictions=tmp_path / f'{name}.pkl').write()
    assert page.stat().st_mtime_ns == written  # a good page is not replaced
    with pytest.raises(ValueError, match='there is no val_dataloader'):
        run.cfg.val_dataloader = None
        evaluate(run.cfg, run.checkpoint)


@pytest.mark.parametrize('width', [1280, 400])
@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_the_page_opens_without_errors_requests_or_overflow(browse, width, scheme):
    page = browse(width, scheme)
    assert page.messages == []
    assert [url for url in page.requests if not url.startswith('data:')] == [page.url]
    assert page.evaluate('document.documentElement.scrollWidth') <= width
    images = page.evaluate('[...document.querySelectorAll("main img")].map(i => [i.naturalWidth, i.width, i.alt])')
    assert len(images) > 10 and all(natural > 0 and shown > 0 and alt for natural, shown, alt in images)
    assert page.evaluate('[...document.querySelectorAll("section")].map(s => s.id)') == [
        key for key in SECTIONS if page.query_selector(f'#{key}')]
    dark = page.evaluate('getComputedStyle(document.body).backgroundColor') == 'rgb(21, 24, 28)'
    assert dark == (scheme == 'dark')


def test_links_lead_to_sections(browse):
    page = browse(1280)
    links = page.query_selector_all('nav a')
    assert len(links) == page.evaluate('document.querySelectorAll("section").length') >= 8
    for link in links:
        link.click()
        assert page.url.endswith(link.get_attribute('href'))
        assert -1 < page.evaluate('document.querySelector(location.hash).getBoundingClientRect().top') < 900
    assert page.url.endswith('#versions') and page.messages == []


def test_contents_are_folded_on_a_narrow_page(browse):
    assert not browse(400).query_selector('nav a').is_visible()
    assert browse(1280).query_selector('nav a').is_visible()


def test_a_figure_is_enlarged_by_a_click(browse):
    page = browse(400)
    image = page.query_selector('#curves .zoom img')
    small = image.bounding_box()['width']
    image.click()
    large = page.query_selector('dialog img')
    assert large.is_visible() and large.get_attribute('alt') == image.get_attribute('alt')
    large.click()
    assert large.bounding_box()['width'] > 2 * small
    page.keyboard.press('Escape')
    assert not large.is_visible() and page.messages == []


def test_a_table_is_sorted_by_a_click_on_its_heading(browse):
    page = browse(1280)

    def column() -> list[str]:
        return page.evaluate('[...document.querySelector("#labels-table-2 + div table").tBodies[0].rows]'
                             '.map(row => row.cells[1].textContent)')

    heading = page.query_selector('#labels-table-2 + div th:nth-child(2) button')
    before = [int(text) for text in column()]
    heading.click()
    assert [int(text) for text in column()] == sorted(before, reverse=True)
    heading.click()
    assert [int(text) for text in column()] == sorted(before)


def test_a_part_that_fails_is_left_out_and_told(run_folder, monkeypatch, capsys, tmp_path):
    shutil.copytree(run_folder, tmp_path / 'run', ignore=shutil.ignore_patterns('*.pth', 'report', 'last_checkpoint'))

    def fail(*_):
        raise ValueError('boxes.json: row 3 is wrong')

    monkeypatch.setattr(build, 'labels_section', fail)
    assert main([str(tmp_path / 'run'), '--out', str(tmp_path / 'out')]) == 1
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == 'left out: labels: ValueError: boxes.json: row 3 is wrong'
    html = (tmp_path / 'out' / 'report.html').read_text()
    assert 'labels: ValueError: boxes.json: row 3 is wrong' in html and 'id="curves"' in html
    assert 'This run has no checkpoint' in html


def test_letters_that_no_font_has_are_told_on_the_page(tmp_path):
    report = Report(None, tmp_path)
    for _ in range(2):
        report._try('labels', lambda: [font_for(['\U000F1234'])])
    section, = report._missing()
    assert section.text.startswith('Letters in the figures:') and report.problems == []
    assert section.text.count('\U000F1234 are drawn as boxes; install one that has them') == 1
