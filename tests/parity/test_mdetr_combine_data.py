"""The mixed pre-training data and tidy spans against the published implementation: all exactly equal."""
import json
import pickle
from collections import Counter
from pathlib import Path

import pytest
from golden.cases import load_case

from mmdet_ext.annotations.builders.combined.mixture import ImageTable, Mixture, mixed_pairs
from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.text.spans import consolidate_spans

CASE = load_case('mdetr', 'data_combine')
INPUTS = CASE.inputs


@pytest.fixture
def mixture(tmp_path) -> Mixture:
    content = dict(coco=INPUTS['coco_train'], vg=INPUTS['vg_image_data'], val=INPUTS['coco_val_ids'])
    for name, value in content.items():
        (tmp_path / f'{name}.json').write_text(json.dumps(value))
    for name, ids in INPUTS['unsafe_ids'].items():
        (tmp_path / name).write_bytes(pickle.dumps(ids))
    vg = [tmp_path / name for name in ('phrase_cut_unsafe_ids.pkl', 'gqa_unsafe_ids.pkl')]
    return Mixture(ImageTable(tmp_path / 'coco.json', tmp_path / 'vg.json', exclude_vg=vg,
                              exclude_coco=[tmp_path / 'val.json', tmp_path / 'refexp_all_unsafe_ids.pkl']))


def write_annotations(path: Path, source: str, items: list[dict]) -> Path:
    """The items as the annotation file that the published builders make of them."""
    images, annotations = [], []
    for place, item in enumerate(items):
        name = f'COCO_train2014_{item["image_id"]:012d}.jpg' if source == 'refexp' else f'{item["image_id"]}.jpg'
        images.append(item | dict(id=place, file_name=name, height=150, width=200))
        annotations += [row | dict(id=len(annotations) + number, image_id=place)
                        for number, row in enumerate(item['annotations'])]
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))
    return path


def test_final_mixed_train(mixture, tmp_path):
    for source in ('refexp', 'gqa', 'vg'):
        mixture.add(write_annotations(tmp_path / f'{source}_captions.json', source, INPUTS['datasets'][source]))
    counts = Counter()
    pairs = mixed_pairs(mixture, counts, max_chars=CASE.settings['max_chars'])
    write_grounding(tmp_path / 'out.json', pairs, counts, ())
    assert json.loads((tmp_path / 'out.json').read_text()) == CASE.results['output_final_mixed_train']


@pytest.mark.parametrize('case', CASE.results['consolidate_spans'], ids=lambda case: case['what'])
def test_consolidate_spans(case):
    assert consolidate_spans(case['spans'], case['caption']) == case['result']
