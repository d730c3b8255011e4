"""Referring expressions of RefCOCO as annotation files."""
import json
import os
import pickle
from collections import Counter
from pathlib import Path

import pytest
from hand_parses import rule_parser
from refer_data import BOX, REFS, ref, write_refer

from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.annotations.builders.image_lists import load_plain_pickle
from mmdet_ext.annotations.builders.refexp import read_refer, refexp_pairs, safe_images
from mmdet_ext.text.parsing import load_parser


class Harmful:
    """Unpickled carelessly, it makes a folder."""

    def __reduce__(self):
        return os.mkdir, ('harm', )


def built(root: Path, split: str, *names: str, parser=rule_parser, safe=None) -> tuple[dict, dict]:
    datasets = [read_refer(root, name) for name in names or ('refcoco', )]
    counts = Counter()
    expressions = [expression for expressions, _ in datasets for expression in expressions]
    write_grounding(root / 'out.json', refexp_pairs(expressions, parser, counts, split=split, safe=safe), counts,
                    datasets[0][1])
    return json.loads((root / 'out.json').read_text()), counts


def test_each_expression_is_an_entry_with_one_box(tmp_path):
    content, counts = built(write_refer(tmp_path), 'train')
    assert content['images'][0] == dict(
        file_name='COCO_train2014_000000000005.jpg', height=90, width=100, original_id=101, id=0,
        caption='the woman near the dog', dataset_name='refcoco', tokens_negative=[[0, 22]])
    assert content['annotations'][0] == dict(area=700.5, iscrowd=0, category_id=18, bbox=BOX, image_id=0, id=0,
                                             tokens_positive=[[0, 3], [4, 9]])
    assert [image['caption'] for image in content['images']] == ['the woman near the dog', 'lady', 'him']
    assert [row['image_id'] for row in content['annotations']] == [0, 1, 2]
    assert content['categories'] == [dict(id=18, name='dog')]
    assert counts == Counter({'roots': 1, 'whole texts': 2, 'captions': 3, 'boxes': 3, 'images': 2})


def test_without_a_parser_the_whole_text_is_positive(tmp_path):
    content, _ = built(write_refer(tmp_path), 'train', parser=load_parser('none'))
    assert [row['tokens_positive'] for row in content['annotations']] == [[[0, 22]], [[0, 4]], [[0, 3]]]


def test_splits_are_those_of_the_file(tmp_path):
    content, _ = built(write_refer(tmp_path), 'testA')
    assert [image['caption'] for image in content['images']] == ['a big cup']


def test_images_of_a_validation_or_test_split_of_any_data_set_are_not_safe(tmp_path):
    write_refer(tmp_path, 'refcocog', refs=(ref(1, 'test', 5, 'x'), ref(2, 'train', 7, 'y')))
    write_refer(tmp_path)
    first, second = (read_refer(tmp_path, name)[0] for name in ('refcocog', 'refcoco'))
    assert safe_images(first) == {'7'} and safe_images([*first, *second]) == set()


def test_data_sets_follow_one_another_and_unsafe_images_are_left_out(tmp_path):
    write_refer(tmp_path, 'refcoco+')
    content, counts = built(write_refer(tmp_path), 'train', 'refcoco', 'refcoco+', safe={'5'})
    assert [(image['dataset_name'], image['caption']) for image in content['images']] == [
        (name, text) for name in ('refcoco', 'refcoco+') for text in ('the woman near the dog', 'lady')]
    assert counts['dropped'] == 2 and [image['id'] for image in content['images']] == [0, 1, 2, 3]


def test_pickles_of_python_2_have_their_text_as_utf8(tmp_path):
    (tmp_path / 'old.p').write_bytes(b"(dp0\nS'sent'\np1\nS'caf\\xc3\\xa9'\np2\ns.")
    assert load_plain_pickle(tmp_path / 'old.p') == {'sent': 'café'}


def test_nothing_that_a_pickle_names_is_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'bad.p').write_bytes(pickle.dumps([Harmful()]))
    with pytest.raises(ValueError, match=r'bad.p: refused, it names \w+.mkdir'):
        load_plain_pickle(tmp_path / 'bad.p')
    assert not Path('harm').exists()


@pytest.mark.parametrize('change, message', [
    (dict(ann_id=999), r'refs\(unc\).p: reference 0: ann_id 999 is not in .*instances.json'),
    (dict(image_id=999), r'reference 0: image_id 999 is not in .*instances.json'),
    (dict(split='minival'), "reference 0: split: Invalid enum value 'minival', got 'minival'"),
    (dict(file_name='x.jpg'), "file_name should be IMAGE_NUMBER.jpg, got 'x.jpg'"),
    (dict(sentences=[dict(sent=' ')]), r"reference 0: sentences\[0\].sent: Expected str that is not blank, got ' '"),
    (dict(sentences=None), 'reference 0: sentences: Expected array, got null, got None'),
    (dict(sentences=['man']), r"reference 0: sentences\[0\]: Expected object, got str, got 'man'"),
])
def test_a_bad_reference_is_an_error_that_names_it(tmp_path, change, message):
    write_refer(tmp_path, refs=(REFS[0] | change, ))
    with pytest.raises(ValueError, match=message):
        read_refer(tmp_path, 'refcoco')


def test_a_reference_without_a_field_too(tmp_path):
    write_refer(tmp_path, refs=({key: value for key, value in REFS[0].items() if key != 'split'}, ))
    with pytest.raises(ValueError, match=r'refs\(unc\).p: reference 0: Object missing required field split'):
        read_refer(tmp_path, 'refcoco')


@pytest.mark.parametrize('tables, message', [
    (dict(annotations=None), 'instances.json: annotations: Expected array, got null, got None'),
    (dict(annotations=[dict(id=1)]), r'instances.json: annotations\[0\]: Object missing required field bbox'),
])
def test_bad_instances_are_an_error_that_names_the_row(tmp_path, tables, message):
    with pytest.raises(ValueError, match=message):
        read_refer(write_refer(tmp_path, **tables), 'refcoco')


def test_an_unknown_data_set_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="must be one of .*'refclef'"):
        read_refer(tmp_path, 'refclef')
