"""Answers by the words of a question alone, worked out by hand."""
import json

import pytest

from mmdet_ext.evaluation import blind_accuracy


@pytest.fixture
def write(tmp_path):
    def write(name, *questions):
        images = [dict(id=id_, caption=text, answer=answer) | dict(zip(('question_kind', ), kind))
                  for id_, (text, answer, *kind) in enumerate(questions)]
        (tmp_path / name).write_text(json.dumps(dict(images=images)))
        return str(tmp_path / name)

    return write


TRAIN = [('what is red', 'cube'), ('what is red', 'ball'), ('what is red', 'cube'), ('what is blue', 'ball'),
         ('what is blue', 'ball'), ('is it', 'yes'), ('is it', 'no'), ('is it blue', 'yes'), ('how many', '3')]


@pytest.mark.parametrize('question, answer', [
    ('what is red', 'cube'),  # the same question, twice against once
    ('What is  blue', 'ball'),  # capitals and spaces do not matter
    ('what is green', 'ball'),  # "what is": ball three times, cube twice
    ('is it', 'no'),  # the same question, not those that go on; equally frequent, so the first in the alphabet
    ('is it red', 'yes'),  # "is it": yes twice, no once
    ('why', 'ball'),  # all questions
])
def test_the_most_similar_questions_answer(write, question, answer):
    train = write('train.json', *TRAIN)
    assert blind_accuracy(train, write('test.json', (question, answer)))['accuracy'] == 1
    assert blind_accuracy(train, write('test.json', (question, 'other')))['accuracy'] == 0


def test_accuracies_by_kind_and_of_known_questions(write):
    test = write('test.json', ('what is red', 'cube', 'query'), ('what is red', 'ball', 'query'),
                 ('what is', 'ball', 'query'), ('how many', '3', 'count'))
    assert blind_accuracy(write('train.json', *TRAIN), test) == dict(
        accuracy=3 / 4, known=3 / 4, accuracy_known=2 / 3, accuracy_query=2 / 3, accuracy_count=1)


def test_clevrs_own_files_are_read(tmp_path):
    rows = [dict(question='Is it?', image_filename='a.png', answer='yes', program=[dict(function='exist')])]
    (tmp_path / 'q.json').write_text(json.dumps(dict(questions=rows)))
    file = str(tmp_path / 'q.json')
    assert blind_accuracy(file, file) == dict(accuracy=1, known=1, accuracy_known=1, accuracy_exist=1)


def test_a_file_without_questions_or_answers_is_an_error(write):
    train = write('train.json', *TRAIN)
    with pytest.raises(ValueError, match="empty.json: 'images' is missing or empty"):
        blind_accuracy(train, write('empty.json'))
    with pytest.raises(ValueError, match="test.json: image 0 has the caption 'is it' and the answer None"):
        blind_accuracy(train, write('test.json', ('is it', None)))
