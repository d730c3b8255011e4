"""LVIS's prompts against the published conversion: names, balanced subsets, and the file of one subset; all equal."""
import json

import pytest
from golden.cases import Case, load_case

from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.annotations.builders.lvis import make_prompts, prompt_pairs
from mmdet_ext.text.prompts import prompt_text


@pytest.fixture(scope='module')
def case() -> Case:
    return load_case('mdetr', 'data_lvis')


@pytest.fixture
def build(case, tmp_path):

    def run(fraction: float) -> dict:
        prompts = make_prompts(case.inputs['lvis_v1_train'], 'lvis.json', fraction=fraction,
                               seed=case.settings['seed'])
        write_grounding(tmp_path / 'out.json', prompt_pairs(prompts.images, prompts.captions), prompts.counts)
        return json.loads((tmp_path / 'out.json').read_text())

    return run


def as_sets(content: dict) -> set:
    """Each prompt with its boxes, whatever the order and the ids."""
    boxes = {image['id']: [] for image in content['images']}
    for row in content['annotations']:
        boxes[row['image_id']].append(without(row, 'id', 'image_id'))
    return {json.dumps([without(image, 'id'), sorted(boxes[image['id']])]) for image in content['images']}


def without(row: dict, *keys: str) -> str:
    return json.dumps({key: value for key, value in row.items() if key not in keys}, sort_keys=True)


def test_names(case):
    assert {name: prompt_text(name) for name in case.results['clean_name']} == case.results['clean_name']


@pytest.mark.parametrize('fraction', ['1', '0.5', '0.3'])
def test_balanced_subsets(case, build, fraction):
    built = build(float(fraction))
    assert sorted({image['original_id'] for image in built['images']}) == case.results['kept_image_ids'][fraction]


def test_the_file_of_a_subset(case, build):
    expected, built = case.results['output']['finetune_lvis30_train.json'], build(0.3)
    assert len(built['images']) == len(expected['images']) and as_sets(built) == as_sets(expected)
    assert without(built, 'images', 'annotations') == without(expected, 'images', 'annotations')
    assert [row['id'] for row in built['annotations']] == list(range(len(expected['annotations'])))
