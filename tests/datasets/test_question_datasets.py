"""GQADataset, ClevrDataset and the epochs of ChunkSampler."""
import json
from collections import Counter
from itertools import chain

import cv2
import numpy as np
import pytest
from golden.cases import load_case
from grounding_files import image, row, write_grounding
from mmdet.registry import DATA_SAMPLERS, DATASETS

from mmdet_ext.annotations.questions import clevr_type, read_clevr_questions, read_gqa_questions
from mmdet_ext.datasets import ChunkSampler, ClevrDataset, GQADataset

PACK = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True),
        dict(type='FloorResize', scales=[(40, 50)]), dict(type='PackGroundingInputs')]


def gqa_image(id_=1, **fields):
    return image(id_, questionId=f'q{id_}', question_type='obj', answer='yes') | fields


def without(fields, *keys):
    return {key: value for key, value in fields.items() if key not in keys}


@pytest.fixture
def read(tmp_path):
    """Write an annotation file and read it by a data set."""

    def read(cls, *rows, images, **arguments):
        return cls(**write_grounding(tmp_path, *rows, images=images) | arguments)

    return read


@pytest.fixture
def read_questions(tmp_path):
    """Write one of CLEVR's own question files and read it."""

    def read_questions(*questions):
        (tmp_path / 'questions.json').write_text(json.dumps(dict(info={}, questions=questions)))
        return ClevrDataset(data_root=str(tmp_path), ann_file='questions.json', data_prefix=dict(img='images'))

    return read_questions


# ---- GQA

def test_gqas_published_conversion_is_read_whole(tmp_path):
    published = load_case('mdetr', 'data_gqa').results['output']
    (tmp_path / 'ann.json').write_text(json.dumps(published))
    dataset = GQADataset(ann_file=str(tmp_path / 'ann.json'), data_prefix=dict(img='gqa'))
    assert len(dataset) == 5  # the question without boxes stays
    for item, entry in zip(map(dataset.get_data_info, range(5)), published['images'], strict=True):
        assert item['question_id'] == entry['questionId']
        assert (item['text'], item['img_id']) == (entry['caption'], entry['id'])
        assert (item['answer'], item['question_type']) == (entry['answer'], entry['question_type'])
        rows = [row for row in published['annotations'] if row['image_id'] == entry['id']]
        assert item['gt_tokens_positive'] == [row['tokens_positive'] for row in rows]
        assert 'questionId' not in item
    assert list(read_gqa_questions(str(tmp_path / 'ann.json'))) == ['q1', 'q2', 'q3', 'q4', 'q5']


@pytest.mark.parametrize('absent', [{}, dict(question_type=None, answer=None)])
def test_splits_without_answers_have_questions_alone(read, absent):
    images = without(gqa_image(), 'question_type', 'answer') | absent
    item = read(GQADataset, images=(images, ))[0]
    assert item['question_id'] == 'q1' and 'answer' not in item and 'question_type' not in item


def test_the_fields_of_a_question_reach_the_sample(read, tmp_path):
    cv2.imwrite(str(tmp_path / '1.png'), np.zeros((80, 100, 3), np.uint8))
    sample = read(GQADataset, row(), images=(gqa_image(), ), pipeline=PACK)[0]['data_samples']
    assert (sample.question_id, sample.question_type, sample.answer) == ('q1', 'obj', 'yes')
    assert sample.metainfo['answer'] == 'yes' and len(sample.gt_instances.bboxes) == 1


@pytest.mark.parametrize('images, message', [
    ((without(gqa_image(), 'questionId'), ), 'ann.json: image 1 has no questionId'),
    ((gqa_image(question_type='binary'), ),
     "ann.json: image 1: question_type should be one of obj, attr, rel, global, cat, got 'binary'"),
    ((gqa_image(question_type=None), ), "ann.json: image 1 has the answer 'yes' and no question_type"),
    ((gqa_image(answer=3), ), 'ann.json: image 1: answer should be a text, .* got 3'),
    ((gqa_image(answer=''), ), "ann.json: image 1: answer should be a text, .* got ''"),
    ((gqa_image(1), gqa_image(2, questionId='q1')), "ann.json: two questions have the id 'q1'"),
])
def test_errors_of_gqa_name_file_image_and_value(read, tmp_path, images, message):
    with pytest.raises(ValueError, match=message):
        read(GQADataset, images=images)
    with pytest.raises(ValueError, match=message):
        read_gqa_questions(str(tmp_path / 'ann.json'))


# ---- CLEVR

@pytest.mark.parametrize('answer, kind', [('yes', 'binary'), ('no', 'binary'), ('0', 'reg'), ('12', 'reg'),
                                          ('red', 'attr'), ('cube', 'attr'), ('1.5', 'attr')])
def test_the_form_of_an_answer_tells_its_type(read, answer, kind):
    assert clevr_type(answer) == kind
    assert read(ClevrDataset, images=(image(answer=answer), ))[0]['question_type'] == kind


def test_clevrs_files_have_tokens_and_no_question_ids(read):
    box = without(row(tokens=[[4, 7], [8, 14]]), 'tokens_positive')
    item = read(ClevrDataset, box, images=(image(7, answer='2'), image(1, answer='yes')))[1]
    assert item['question_id'] == 1 and item['gt_tokens_positive'] == [[[4, 7], [8, 14]]]
    assert 'question_kind' not in item and 'gt_isfinal' not in item


def test_isfinal_stays_with_its_box(read, tmp_path):
    for name in '12':
        cv2.imwrite(str(tmp_path / f'{name}.png'), np.zeros((80, 100, 3), np.uint8))
    rows = (row(1, isfinal=0, bbox=[0, 0, 0, 5]), row(2, isfinal=1), row(3, isfinal=False, bbox=[60, 10, 20, 20]))
    pipeline = [*PACK[:2], dict(type='BoxSafeRandomCrop', min_size=5, max_size=5, attempts=1), PACK[-1]]
    dataset = read(ClevrDataset, *rows, images=(image(1), image(2)))
    item = dataset.get_data_info(0)
    assert item['gt_isfinal'].tolist() == [1, 0] and item['gt_isfinal'].dtype == np.float32
    dataset = read(ClevrDataset, *rows, images=(image(1), image(2)), pipeline=PACK)
    assert [packed['data_samples'].gt_instances.isfinal.tolist() for packed in dataset] == [[1, 0], []]
    cropped = [packed['data_samples'].gt_instances
               for packed in read(ClevrDataset, *rows, images=[image(1)], pipeline=pipeline) for _ in range(20)]
    assert all(len(instances.isfinal) == len(instances.bboxes) for instances in cropped)


@pytest.mark.parametrize('last, kind', [
    ('exist', 'exist'), ('count', 'count'), ('equal_integer', 'compare_number'), ('less_than', 'compare_number'),
    ('greater_than', 'compare_number'), ('query_size', 'query_attribute'), ('equal_material', 'compare_attribute')])
def test_a_program_tells_the_kind_of_a_question(read_questions, last, kind):
    program = [dict(function='scene', inputs=[]), dict(function=last, inputs=[0])]
    item = read_questions(dict(question='Is it?', image_filename='CLEVR_val_000003.png', question_index=40,
                               answer='yes', program=program))[0]
    assert (item['question_kind'], item['question_id']) == (kind, 40)


def test_clevr_humans_own_file_has_no_boxes(read_questions, tmp_path):
    item = read_questions(*(dict(question=f'Are there {count} spheres?', image_filename=f'CLEVR_{count}.png',
                                 answer='no', split='val') for count in (2, 3)))[1]
    assert (item['text'], item['answer'], item['question_type']) == ('Are there 3 spheres?', 'no', 'binary')
    assert item['img_path'] == str(tmp_path / 'images/CLEVR_3.png') and (item['width'], item['height']) == (480, 320)
    assert item['question_id'] == 1 and item['instances'] == [] and 'question_kind' not in item


def test_clevrs_test_questions_have_no_answer(read_questions):
    item = read_questions(dict(question='Is it?', image_filename='a.png', question_index=0))[0]
    assert 'answer' not in item and 'question_type' not in item


@pytest.mark.parametrize('images, message', [
    ((image(answer=True), ), 'ann.json: image 1: answer should be a text, .* got True'),
    ((image(answer='yes', question_type='obj'), ),
     "ann.json: image 1: question_type should be one of binary, attr, reg, got 'obj'"),
    ((image(answer='yes', question_type='attr'), ),
     "ann.json: image 1: question_type is 'attr', and the answer 'yes' is of the type 'binary'"),
    ((image(1, question_id=5), image(2, question_id=5)), 'ann.json: two questions have the id 5'),
])
def test_errors_of_clevr_name_file_image_and_value(read, tmp_path, images, message):
    with pytest.raises(ValueError, match=message):
        read(ClevrDataset, images=images)
    with pytest.raises(ValueError, match=message):
        read_clevr_questions(str(tmp_path / 'ann.json'))


@pytest.mark.parametrize('other', [{}, dict(isfinal=2), dict(isfinal='yes')])
def test_boxes_without_isfinal_beside_some_with_it_are_an_error(read, other):
    with pytest.raises(ValueError, match='ann.json: image 1: isfinal of each box should be 0 or 1, got'):
        read(ClevrDataset, row(1, isfinal=1), row(2, **other), images=(image(), ))


def test_a_question_without_text_or_image_is_an_error(read_questions):
    with pytest.raises(ValueError, match='questions.json: question 1 has no question and no image_filename'):
        read_questions(dict(question='Is it?', image_filename='a.png'), dict(answer='yes'))


def test_configs_name_them():
    for name in ('GQADataset', 'ClevrDataset'):
        assert DATASETS.get(name) is not None
    sampler = DATA_SAMPLERS.build(dict(type='ChunkSampler', dataset=range(10), num_chunks=5, seed=0))
    assert len(sampler) == 2


# ---- epochs of a part each

def epoch(sampler, number):
    sampler.set_epoch(number)
    indices = list(sampler)
    assert len(indices) == len(sampler)
    return indices


@pytest.mark.parametrize('size, chunks', [(100, 25), (101, 25), (124, 25), (7, 7), (5, 1)])
def test_as_many_epochs_as_chunks_see_each_sample(size, chunks):
    sampler = ChunkSampler(range(size), chunks, seed=3)
    passes = [[index for number in range(start, start + chunks) for index in epoch(sampler, number)]
              for start in (0, chunks)]
    for seen in passes:
        counts = Counter(seen)
        assert set(counts) == set(range(size)) and max(counts.values()) <= 2 and len(seen) - size < chunks
    assert (size == 1) or passes[0] != passes[1]
    assert epoch(sampler, 1 % chunks) == epoch(ChunkSampler(range(size), chunks, seed=3), 1 % chunks)


def test_processes_share_a_part(monkeypatch):
    def of_rank(rank, round_up):
        monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (rank, 4))
        return epoch(ChunkSampler(range(103), 10, seed=1, round_up=round_up), 4)

    of_one_process = epoch(ChunkSampler(range(103), 10, seed=1), 4)
    shares = [of_rank(rank, True) for rank in range(4)]
    assert [len(share) for share in shares] == [3] * 4 and set(chain(*shares)) == set(of_one_process)
    shares = [of_rank(rank, False) for rank in range(4)]
    assert [len(share) for share in shares] == [3, 3, 3, 2]
    assert sorted(chain(*shares)) == sorted(of_one_process)


def test_without_shuffle_the_order_is_the_files():
    assert epoch(ChunkSampler(range(6), 3, shuffle=False, seed=0), 4) == [1, 4]


@pytest.mark.parametrize('chunks', [0, 11])
def test_rejects_a_number_of_chunks(chunks):
    with pytest.raises(ValueError, match=f'num_chunks must be between 1 and the number of samples, 10, got {chunks}'):
        ChunkSampler(range(10), chunks)
