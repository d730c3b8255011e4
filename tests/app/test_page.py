"""The page in Chromium: every control is used; no error in the console, no request to another machine."""
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('gradio')
playwright = pytest.importorskip('playwright.sync_api')
CHROMIUM = '/usr/bin/chromium'
if not Path(CHROMIUM).exists():
    pytest.skip(f'there is no {CHROMIUM}', allow_module_level=True)

from mmdet_ext.app.models import Model, Source  # noqa: E402
from mmdet_ext.app.page import build_page, launch_page  # noqa: E402

CONFIGS = dict(rd='configs/yolo_rd/yolov9t_rd_shapes.py', smca='configs/smca/smca_r18_shapes.py',
               mdetr='configs/mdetr/mdetr_r18_shapes.py')
FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
         '--disable-component-update', '--disable-sync']
CLIPBOARD = """async data => {
  const blob = await (await fetch(data)).blob();
  await navigator.clipboard.write([new ClipboardItem({'image/png': blob})]);
}"""


@pytest.fixture(scope='module')
def models(shapes, checkpoints):
    data = shapes / 'data'
    options = dict(
        rd={'train_dataloader.dataset.dataset.data_root': f'{data}/shapes/', 'model.test_cfg.max_per_img': 12},
        smca={'model.test_cfg.max_per_img': 12},
        mdetr={'model.text_encoder.name': str(data / 'text' / 'shapes')})
    return [Model(Source(CONFIGS[name], str(checkpoints.get(name, 'missing.pth')), name), 'cpu',
                  options[name] | {'test_dataloader.dataset.data_root': f'{data}/shapes/'}) for name in CONFIGS] + [
        Model(Source(CONFIGS['smca'], 'missing.pth', 'broken'), 'cpu')]


@pytest.fixture(scope='module')
def address(models, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(__file__).resolve().parents[2])
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        page = build_page(models)
        yield launch_page(page, '127.0.0.1', None, browser=False, block=False)
        page.close()


@pytest.fixture(scope='module')
def context(address):
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport=dict(width=1280, height=900), accept_downloads=True)
        context.grant_permissions(['clipboard-read', 'clipboard-write'], origin=address.rstrip('/'))
        context.set_default_timeout(30_000)
        yield context
        browser.close()


@pytest.fixture(scope='module')
def opened() -> dict:
    """The pages that are open, by tab, and what went wrong in any of them."""
    return dict(wrong=[])


@pytest.fixture
def open_tab(context, address, opened):
    """A page at the tab of a name, without an image. At the end of the test no page may have seen an error."""
    wrong = opened['wrong']

    def open_page(name: str):
        if name in opened:  # opening a page takes a second
            page = opened[name]
            shown(page, 'button[aria-label="Remove Image"]').click()
            playwright.expect(shown(page, '.box')).to_have_count(0)
            return page
        page = opened[name] = context.new_page()
        page.on('console', lambda message: wrong.append(message.text) if message.type == 'error' else None)
        page.on('pageerror', lambda error: wrong.append(str(error)))
        page.on('request', lambda request: None if request.url.startswith((address, 'data:', 'blob:'))
                else wrong.append(f'asked for {request.url}'))
        page.on('response', lambda response: wrong.append(f'{response.status} {response.url}')
                if response.status >= 400 else None)
        page.goto(address)
        page.get_by_role('tab', name=name, exact=True).click()
        return page

    yield open_page
    seen, wrong[:] = list(wrong), []
    assert seen == []


def shown(page, selector: str):
    """What is visible: each tab has the same controls."""
    return page.locator(selector).locator('visible=true')


def upload(page, file: Path) -> None:
    """Into the tab that is open."""
    shown(page, 'button[aria-label="Upload file"]').click()  # an image may have been pasted before
    with page.expect_file_chooser() as chooser:
        shown(page, 'button:has-text("Click to Upload")').click()
    chooser.value.set_files(str(file))


def set_threshold(page, value: float) -> None:
    box = shown(page, 'input[type=number]')
    box.fill(str(value))
    box.press('Enter')


def test_boxes_of_an_uploaded_image_by_threshold_and_class(open_tab, models, shapes, monkeypatch):
    calls = []
    detect = models[0].detect
    monkeypatch.setattr(models[0], 'detect', lambda *args: calls.append(args) or detect(*args))
    page = open_tab('rd')
    upload(page, shapes / 'data' / 'shapes' / 'test' / '000001.png')
    shown(page, '.box').first.wait_for()
    assert shown(page, 'table.boxes tr[data-box]').count() == shown(page, '.box').count() > 10
    classes = shown(page, 'table.boxes td:nth-child(2)').all_inner_texts()
    page.get_by_label('Show only').locator('visible=true').click()
    page.get_by_role('option', name=classes[0], exact=True).click()
    playwright.expect(shown(page, '.box')).to_have_count(classes.count(classes[0]))
    page.keyboard.press('Escape')
    set_threshold(page, 0.99)
    playwright.expect(shown(page, '.box')).to_have_count(0)
    assert len(calls) == 1  # neither runs the network
    shown(page, 'button[aria-label^="Reset"]').click()  # the next tests use this page
    shown(page, 'button:has-text("Detect")').click()
    shown(page, '.box').first.wait_for()
    waited = 0
    while len(calls) < 2 and waited < 300:  # the click is handled a moment later
        waited += 1
        page.wait_for_timeout(100)
    assert len(calls) == 2


def test_the_boxes_that_are_shown_are_saved(open_tab, shapes):
    page = open_tab('rd')
    shown(page, '.gallery-item').first.click()
    shown(page, '.box').first.wait_for()
    with page.expect_download() as download:
        shown(page, 'button:has-text("COCO json")').click()
    content = json.loads(Path(download.value.path()).read_text())
    assert download.value.suggested_filename.endswith('_boxes.json')
    assert len(content['annotations']) == shown(page, '.box').count()
    with page.expect_download() as download:
        shown(page, 'button:has-text("drawn image")').click()
    assert download.value.suggested_filename.endswith('_boxes.png')
    assert cv2.imread(str(download.value.path())).shape[0] >= 160


def test_what_is_no_image_is_told_in_the_page(open_tab, tmp_path):
    page = open_tab('smca')
    shown(page, 'button:has-text("Detect")').click()
    playwright.expect(shown(page, '.message')).to_contain_text('There is no image: upload one')
    shown(page, 'button:has-text("COCO json")').click()
    playwright.expect(shown(page, '.message')).to_contain_text('nothing to save')
    (tmp_path / 'notes.png').write_text('no image')
    upload(page, tmp_path / 'notes.png')
    playwright.expect(shown(page, '.message')).to_contain_text('notes.png is no image')
    assert '/' not in shown(page, '.message').inner_text()


def test_a_model_that_cannot_be_loaded_has_a_tab_that_says_why(open_tab):
    page = open_tab('broken')
    playwright.expect(shown(page, '.message')).to_contain_text('there is no checkpoint missing.pth')


def test_an_image_is_pasted(open_tab):
    page = open_tab('smca')
    _, encoded = cv2.imencode('.png', np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))
    import base64

    page.evaluate(CLIPBOARD, f'data:image/png;base64,{base64.b64encode(encoded).decode()}')
    shown(page, 'button[aria-label="Paste from clipboard"]').click()
    shown(page, '.box').first.wait_for()
    playwright.expect(shown(page, '.summary')).to_contain_text('96 x 64 pixels')


def test_a_box_shows_its_atoms_and_their_patches(open_tab, models, shapes):
    page = open_tab('rd')
    shown(page, '.gallery-item').nth(1).click()
    shown(page, 'table.boxes tr[data-box]').first.click()
    shown(page, '.atom').first.wait_for()
    assert shown(page, '.atom .patch').count() == 0
    shown(page, 'button:has-text("training images")').click()
    shown(page, '.atom .patch').first.wait_for()
    assert shown(page, '.atom .patch').count() == 4 * shown(page, '.atom').count()
    assert '4 training images' in shown(page, '.prose.atoms').inner_text()


def test_missing_training_images_are_told_by_the_button(open_tab, shapes, monkeypatch, models):
    monkeypatch.setattr(models[0].atoms, '_cache', shapes / 'no cache')
    models[0].atoms.__dict__.pop('_file', None)
    shutil.move(shapes / 'data' / 'shapes' / 'train', shapes / 'elsewhere')
    try:
        page = open_tab('rd')
        shown(page, '.gallery-item').first.click()
        shown(page, '.box').last.focus()
        page.keyboard.press('Enter')
        button = shown(page, 'button:has-text("The training images are not here")')
        playwright.expect(button).to_be_disabled()
    finally:
        shutil.move(shapes / 'elsewhere', shapes / 'data' / 'shapes' / 'train')
        models[0].atoms.__dict__.pop('_file', None)


def test_a_box_shows_the_gaussians_of_its_query(open_tab):
    page = open_tab('smca')
    shown(page, '.gallery-item').first.click()
    shown(page, 'table.boxes tr[data-box]').first.click()
    playwright.expect(shown(page, '.heads figure')).to_have_count(8)
    assert 'layer 2' in shown(page, '.prose.gaussians').inner_text()
    shown(page, 'label:has-text("attention")').click()
    playwright.expect(shown(page, '.prose.gaussians')).to_contain_text('max')
    page.get_by_role('radio', name='0').locator('visible=true').click()
    playwright.expect(shown(page, '.prose.gaussians')).to_contain_text('layer 0')


def test_phrases_and_boxes_show_each_other(open_tab):
    page = open_tab('mdetr')
    shown(page, '.gallery-item').first.click()
    shown(page, '.box').first.wait_for()
    assert shown(page, 'textarea').input_value() == shown(page, '.caption').inner_text()
    page.mouse.move(0, 0)
    assert shown(page, '.lit').count() == 0
    phrase = shown(page, '.phrase').first
    phrase.hover()
    key = phrase.get_attribute('data-keys').split()[0]
    boxes = shown(page, f'.box[data-shows~="{key}"]')
    assert shown(page, '.box.lit').count() >= boxes.count() > 0
    shown(page, 'table.boxes tr[data-box]').first.hover()
    playwright.expect(shown(page, '.box.lit')).to_have_count(1)
    shown(page, '.box').last.hover()
    assert shown(page, '.phrase.lit').count() > 0


def test_mdetr_needs_words_and_takes_class_names(open_tab):
    page = open_tab('mdetr')
    shown(page, '.gallery-item').first.click()
    shown(page, '.box').first.wait_for()
    words = shown(page, 'textarea')
    words.fill(' ')
    shown(page, 'button:has-text("Detect")').click()
    playwright.expect(shown(page, '.message')).to_contain_text('The caption is empty')
    assert shown(page, '.box').count() == 0
    page.get_by_role('radio', name='class names').locator('visible=true').click()
    words.fill('circle, star')
    words.press('Enter')
    shown(page, '.box').first.wait_for()
    names = shown(page, 'table.boxes td:nth-child(2)').all_inner_texts()
    assert sorted(set(names)) == ['circle', 'star']
    assert len(names) == 40  # 20 queries for each
    words.fill(',')
    words.press('Enter')
    playwright.expect(shown(page, '.message')).to_contain_text('There are no names')


def test_two_models_are_compared(open_tab):
    page = open_tab('Compare')
    shown(page, '.gallery-item').first.click()
    playwright.expect(shown(page, '.hint')).to_have_count(0)
    shown(page, '.pair .box').first.wait_for()
    playwright.expect(shown(page, '.summary')).to_contain_text('only left')
    assert shown(page, '.pair > div').count() == 2
    only = shown(page, '.box.only').count()
    assert only == shown(page, 'table.boxes tr[data-box]').count() > 0
    page.get_by_label('Right').locator('visible=true').click()
    page.get_by_role('option', name='rd', exact=True).click()
    playwright.expect(shown(page, 'div.below')).to_contain_text('No difference')
    set_threshold(page, 1)
    playwright.expect(shown(page, '.summary')).to_contain_text('0 in both')
    shown(page, 'button:has-text("Compare")').last.click()


def test_two_pages_wait_for_each_other(open_tab):
    pages = [open_tab('smca'), open_tab('rd')]
    for page in pages:
        shown(page, '.gallery-item').first.click()
    for page in pages:
        shown(page, '.box').first.wait_for()
        assert shown(page, 'table.boxes tr[data-box]').count() == shown(page, '.box').count()


def test_a_wide_image_fits_a_narrow_page(open_tab, tmp_path):
    page = open_tab('smca')
    page.set_viewport_size(dict(width=400, height=800))  # the last test: the page is kept
    cv2.imwrite(str(tmp_path / 'wide.png'), np.full((100, 1200, 3), 128, np.uint8))
    upload(page, tmp_path / 'wide.png')
    stage = shown(page, '.stage')
    stage.wait_for()
    assert stage.bounding_box()['width'] <= 400
    assert page.evaluate('document.documentElement.scrollWidth') <= 400


def test_a_port_that_is_taken_names_the_option(models, address):
    port = int(address.rstrip('/').rpartition(':')[2])
    with pytest.raises(OSError, match=rf'^port {port} of 127\.0\.0\.1 is in use: --port N takes another one$'):
        launch_page(build_page(models[:1]), '127.0.0.1', port, browser=False, block=False)
