"""Flickr30k Entities as MDETR's annotation files, against the published conversion; all exactly equal."""
import json
from collections import Counter

import pytest
from golden.cases import load_case

from mmdet_ext.annotations.builders.flickr import flickr_pairs, read_image_ids
from mmdet_ext.annotations.builders.grounding_file import write_grounding


@pytest.mark.parametrize('kind', ['separateGT', 'mergedGT'])
def test_conversion(tmp_path, kind):
    case = load_case('mdetr', 'flickr')
    for name, text in case.inputs['files'].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / 'val.txt').write_text('\n'.join(case.inputs['image_ids']) + '\n')
    counts = Counter()
    images = read_image_ids(tmp_path / 'val.txt')
    write_grounding(tmp_path / 'out.json', flickr_pairs(tmp_path, images, counts, merged=kind == 'mergedGT'), counts)
    assert json.loads((tmp_path / 'out.json').read_text()) == case.results['converted'][kind]
