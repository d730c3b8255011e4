"""Flickr30k Entities as MDETR's annotation files, against the published conversion; all exactly equal."""
import json

import pytest
from golden.cases import load_case
from mmdet_ext.datasets.builders.flickr import build_flickr


@pytest.mark.parametrize('kind', ['separateGT', 'mergedGT'])
def test_conversion(tmp_path, kind):
    case = load_case('mdetr', 'flickr')
    for name, text in case.inputs['files'].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / 'val.txt').write_text('\n'.join(case.inputs['image_ids']) + '\n')
    build_flickr(tmp_path, tmp_path / 'val.txt', tmp_path / 'out.json', merged=kind == 'mergedGT')
    assert json.loads((tmp_path / 'out.json').read_text()) == case.results['converted'][kind]
