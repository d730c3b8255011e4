"""The documentation builds as a site, with every link valid, and asks nothing of other servers."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet_ext import exported, predict
from mmdet_ext.annotations import formats

ROOT = Path(__file__).resolve().parents[1]
FOR_PACKAGES = {'Metadata', 'is_exported'}  # public for other packages of mmdet_ext, not for users


@pytest.fixture(scope='module')
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('site')
    result = subprocess.run([sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', str(folder)], cwd=ROOT,
                            env=os.environ | {'NO_MKDOCS_2_WARNING': '1'}, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return folder


def test_every_page_is_in_the_navigation(site):
    pages = {path.stem for path in (ROOT / 'docs').glob('*.md')}
    listed = set(re.findall(r': (\w+)\.md$', (ROOT / 'mkdocs.yml').read_text(), re.MULTILINE))
    assert listed == pages
    assert {path.stem for path in site.glob('*.html')} == pages | {'404'}


def test_the_python_interface_shows_docstrings(site):
    text = re.sub('<[^>]+>', '', (site / 'api.html').read_text())
    assert 'the detections are the same as with' in text  # of Predictor
    assert 'in pixels of the original image' in text
    public = {name for package in (predict, exported, formats) for name in package.__all__}
    assert {name for name in public - FOR_PACKAGES if name not in text} == set()


def test_no_page_loads_anything_from_another_server(site):
    for page in site.glob('*.html'):
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img|iframe)[^>]*\ssrc="(https?:[^"]*)"', text)
        loaded += re.findall(r'<link[^>]*rel="(?:stylesheet|preconnect)"[^>]*href="(https?:[^"]*)"', text)
        assert loaded == [], page.name
