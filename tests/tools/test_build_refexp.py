"""tools/data/build_refexp.py and tools/data/build_vg_regions.py on small files."""
import json
import pickle
import re
import sys
from pathlib import Path

import pytest

from mmdet_ext.annotations.builders import visual_genome
from mmdet_ext.annotations.grounding_checks import grounding_problems

TOOLS = Path(__file__).resolve().parents[2] / 'tools' / 'data'
REFEXP, REGIONS = (str(TOOLS / name) for name in ('build_refexp.py', 'build_vg_regions.py'))


def ref(number: int, split: str, image: int, text: str) -> dict:
    return dict(ref_id=number, ann_id=number, image_id=image, category_id=1, split=split, sentences=[dict(sent=text)],
                file_name=f'COCO_train2014_{image:012d}_{number}.jpg')


@pytest.fixture
def refer(tmp_path) -> Path:
    """RefCOCO with images 5 (train), 6 (train and val); RefCOCOg with 5 and 7 (train)."""
    refs = dict(refcoco=[ref(1, 'train', 5, 'a dog'), ref(2, 'train', 6, 'a cat'), ref(3, 'val', 6, 'a cow')],
                refcocog=[ref(1, 'train', 5, 'the dog'), ref(2, 'train', 7, 'the sky')])
    boxes = [dict(id=id_, bbox=[1, 2, 30, 40], area=9, iscrowd=0, category_id=1) for id_ in (1, 2, 3)]
    content = dict(images=[dict(id=id_, height=90, width=100) for id_ in (5, 6, 7)], categories=[], annotations=boxes)
    for name, rows in refs.items():
        (tmp_path / name).mkdir()
        kind = dict(refcoco='unc', refcocog='umd')[name]
        (tmp_path / name / f'refs({kind}).p').write_bytes(pickle.dumps(rows, protocol=2))
        (tmp_path / name / 'instances.json').write_text(json.dumps(content))
    return tmp_path


@pytest.fixture
def vg(tmp_path) -> Path:
    cup = dict(object_id=1, name='cup', synsets=['cup.n.01'], x=1, y=2, w=30, h=40)
    synset = dict(synset_name='cup.n.01', entity_name='cup', entity_idx_start=4, entity_idx_end=7)
    region = dict(region_id=1, image_id=3, phrase='the cup', x=0, y=0, width=50, height=60, objects=[cup],
                  synsets=[synset])
    (tmp_path / 'region_graphs.json').write_text(json.dumps([dict(image_id=3, regions=[region])]))
    (tmp_path / 'image_data.json').write_text(json.dumps([dict(image_id=3, width=100, height=90, coco_id=None)]))
    return tmp_path


def captions(path: Path) -> list[str]:
    content = json.loads(path.read_text())
    assert list(grounding_problems(content)) == []
    return [image['caption'] for image in content['images']]


def test_a_file_for_each_split_of_each_data_set(in_process, refer, tmp_path):
    options = ('--out', tmp_path / 'out', '--datasets', 'refcoco', 'refcocog', '--parser', 'none')
    message, out = in_process(REFEXP, refer, *options)
    assert message == '' and '         2  whole texts' in out
    made = {path.name: captions(path) for path in (tmp_path / 'out').iterdir()}
    assert made == {'finetune_refcoco_train.json': ['a dog', 'a cat'], 'finetune_refcoco_val.json': ['a cow'],
                    'finetune_refcocog_train.json': ['the dog', 'the sky']}
    assert in_process(REFEXP, refer, *options)[1].count('is there already and stays') == 3


@pytest.mark.parametrize('ids, train', [(None, ['a dog', 'the dog', 'the sky']), ([6, 7], ['a cat', 'the sky'])])
def test_pre_training_is_on_safe_images(in_process, refer, tmp_path, ids, train):
    options = []
    if ids:
        (tmp_path / 'safe.pkl').write_bytes(pickle.dumps(ids))
        options = ['--safe-ids', tmp_path / 'safe.pkl']
    message, _ = in_process(REFEXP, refer, '--out', tmp_path / 'out', '--datasets', 'refcoco', 'refcocog', '--parser',
                            'none', '--pretrain', *options)
    assert message == ''
    assert captions(tmp_path / 'out' / 'final_refexp_train.json') == train
    assert captions(tmp_path / 'out' / 'final_refexp_val.json') == ['a cow']


def test_without_spacy_the_error_says_how_to_get_it(in_process, refer, vg, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'spacy', None)
    for message in (in_process(REFEXP, refer, '--out', tmp_path / 'out', '--datasets', 'refcoco')[0],
                    in_process(REGIONS, vg / 'region_graphs.json', vg / 'image_data.json', '--out', vg / 'vg.json')[0]):
        assert '\n' not in message and 'pip install spacy' in message and '--parser none' in message
    assert not (tmp_path / 'out').exists() and not (vg / 'vg.json').exists()


@pytest.mark.parametrize('arguments, message', [
    (('--datasets', 'refcoco+'), 'there is no folder .*refcoco\\+: leave refcoco\\+ out of --datasets'),
    (('--datasets', 'refcoco', '--safe-ids', __file__), '--safe-ids is for --pretrain'),
])
def test_bad_arguments_are_refused(in_process, refer, tmp_path, arguments, message):
    error, _ = in_process(REFEXP, refer, '--out', tmp_path / 'out', *arguments)
    assert re.search(message, error)


def test_a_damaged_pickle_is_one_line(in_process, refer, tmp_path):
    (refer / 'refcoco' / 'refs(unc).p').write_text('no pickle')
    message, _ = in_process(REFEXP, refer, '--out', tmp_path / 'out', '--datasets', 'refcoco', '--parser', 'none')
    assert '\n' not in message and 'refs(unc).p: not a pickle, or damaged' in message


def test_regions_become_a_file(in_process, vg):
    options = (vg / 'region_graphs.json', vg / 'image_data.json', '--out', vg / 'vg.json', '--parser', 'none')
    message, out = in_process(REGIONS, *options)
    assert message == '' and f'wrote {vg / "vg.json"}' in out and '1  objects tied to words' in out
    assert captions(vg / 'vg.json') == ['the cup']
    assert 'vg.json is there already' in in_process(REGIONS, *options)[0]


def test_what_interrupted_work_left_is_forgotten_on_request(in_process, vg):
    options = (vg / 'region_graphs.json', vg / 'image_data.json', '--out', vg / 'vg.json', '--parser', 'none')
    parts = vg / 'vg.json.parts'
    parts.mkdir()
    (parts / 'settings.json').write_text('{"parser":"spacy"}')
    message, _ = in_process(REGIONS, *options)
    assert 'vg.json.parts holds unfinished work with other settings: parser was "spacy" and is "none"' in message
    assert in_process(REGIONS, *options, '--restart')[0] == '' and not parts.exists()


def test_an_interrupted_run_goes_on(in_process, vg, monkeypatch):
    options = (vg / 'region_graphs.json', vg / 'image_data.json', '--out', vg / 'vg.json', '--parser', 'none')
    rows = json.loads((vg / 'region_graphs.json').read_text())
    (vg / 'region_graphs.json').write_text(json.dumps([*rows, *rows]))
    monkeypatch.setattr(visual_genome, 'PIECE_IMAGES', 1)
    merge, merged = visual_genome.merge_regions, []

    def stops_at_the_second_image(regions: list, counts: dict) -> list:
        merged.append(regions)
        if len(merged) == 2:
            raise KeyboardInterrupt
        return merge(regions, counts)

    monkeypatch.setattr(visual_genome, 'merge_regions', stops_at_the_second_image)
    message, _ = in_process(REGIONS, *options)
    assert message == 'build_vg_regions.py: interrupted, the same command goes on from here'
    assert not (vg / 'vg.json').exists() and (vg / 'vg.json.parts').is_dir()
    assert in_process(REGIONS, *options)[0] == '' and len(merged) == 3
    assert captions(vg / 'vg.json') == ['the cup', 'the cup'] and not (vg / 'vg.json.parts').exists()


@pytest.mark.parametrize('content, message', [
    ('{"regions": []}', "has no table 'images'"),
    ('[{"image_id": 3', 'is no json'),
    ('[{"image_id": 4, "regions": []}]', 'image 4 is not in'),
])
def test_what_are_no_regions_is_one_line(in_process, vg, content, message):
    (vg / 'region_graphs.json').write_text(content)
    error, _ = in_process(REGIONS, vg / 'region_graphs.json', vg / 'image_data.json', '--out', vg / 'vg.json',
                          '--parser', 'none')
    assert '\n' not in error and message in error and 'region_graphs.json' in error
