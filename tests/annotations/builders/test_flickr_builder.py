"""Flickr30k Entities as annotation files, beyond what the published case has."""
import json
from collections import Counter
from pathlib import Path

import pytest

from mmdet_ext.annotations.builders.flickr import flickr_pairs, read_image_ids
from mmdet_ext.annotations.builders.grounding_file import write_grounding

MAN, SAME, OTHER = (10, 10, 110, 110), (11, 10, 110, 110), (30, 30, 60, 60)


@pytest.fixture
def root(tmp_path) -> Path:
    for name in ('Annotations', 'Sentences'):
        (tmp_path / name).mkdir()
    return tmp_path


def write(root: Path, sentences: str, *boxes: tuple, others: str = '') -> None:
    """One image, 7: boxes as (entity, (x1, y1, x2, y2))."""
    sides = ('xmin', 'ymin', 'xmax', 'ymax')
    rows = [f'<object><name>{entity}</name><bndbox>'
            + ''.join(f'<{side}>{value}</{side}>' for side, value in zip(sides, box, strict=True))
            + '</bndbox></object>' for entity, box in boxes]
    size = '<size><width>200</width><height>100</height><depth>3</depth></size>'
    (root / 'Annotations' / '7.xml').write_text(f'<annotation>{size}{"".join(rows)}{others}</annotation>')
    (root / 'Sentences' / '7.txt').write_text(sentences)
    (root / 'val.txt').write_text('7\n')


def built(root: Path, **options) -> tuple[dict, dict]:
    counts = Counter()
    images = read_image_ids(root / 'val.txt')
    write_grounding(root / 'out.json', flickr_pairs(root, images, counts, **options), counts)
    return json.loads((root / 'out.json').read_text()), counts


def named(content: dict) -> list[tuple[list, list[str]]]:
    captions = [image['caption'] for image in content['images']]
    return [(row['bbox'], [captions[row['image_id']][begin:end] for begin, end in row['tokens_positive']])
            for row in content['annotations']]


def test_an_entity_named_twice_is_one_object_with_both_phrases(root):
    write(root, '[/EN#1/people A man] and [/EN#2/other a cat] see [/EN#1/people himself] .', ('1', MAN), ('2', OTHER))
    content, counts = built(root)
    assert named(content) == [([10, 10, 100, 100], ['A man', 'himself']), ([30, 30, 30, 30], ['a cat'])]
    assert counts['merged'] == 1 and counts['boxes'] == 2
    assert [len(spans) for spans in content['images'][0]['tokens_positive_eval']] == [1, 1, 1]


def test_of_nearly_equal_boxes_the_last_stays(root):
    write(root, '[/EN#1/people A man] , [/EN#2/people a cook] .', ('2', SAME), ('1', MAN), ('1', OTHER))
    assert named(built(root)[0]) == [([11, 10, 99, 100], ['A man', 'a cook']), ([30, 30, 30, 30], ['A man'])]


def test_merged_boxes_enclose_those_of_an_entity_before_entities_are_compared(root):
    write(root, '[/EN#1/people Men] , [/EN#2/people a group] .', ('1', (0, 0, 50, 99)), ('1', (40, 5, 100, 90)),
          ('2', (0, 0, 100, 99)))
    assert named(built(root, merged=True)[0]) == [([0, 0, 100, 99], ['Men', 'a group'])]
    assert len(built(root)[0]['annotations']) == 3


def test_phrases_without_a_box_are_not_asked_for(root):
    write(root, '[/EN#1/people A man] in [/EN#3/scene a park] , [/EN#0/notvisual who] has [/EN#4/other a plan] .',
          ('1', MAN), others='<object><name>3</name><scene>1</scene></object>'
          '<object><name>4</name><nobndbox>1</nobndbox></object>')
    content, counts = built(root)
    assert content['images'][0]['tokens_positive_eval'] == [[[0, 5]]]
    assert counts['phrases without a box'] == 3 and counts['phrases with a box'] == 1


def test_a_sentence_and_an_image_that_disagree_are_an_error_that_names_the_line(root):
    write(root, 'Nothing .\n\n[/EN#1/people A man] and [/EN#12/other a ghost] .\n', ('1', MAN))
    with pytest.raises(ValueError, match="7.txt, line 3: the phrase 'a ghost' names the entity 12, which .*7.xml"):
        built(root)
    assert not (root / 'out.json').exists()


def test_on_request_they_have_no_box(root):
    write(root, '[/EN#1/people A man] and [/EN#12/other a ghost] .\n', ('1', MAN))
    content, counts = built(root, allow_unknown=True)
    assert len(content['annotations']) == 1 and counts['phrases of unknown entities'] == 1


@pytest.mark.parametrize('ids, message', [('', 'val.txt lists no images'), ('7\n7', 'lists 1 images twice. .*: 7'),
                                          ('7.jpg', "should be a number, got '7.jpg'")])
def test_a_bad_split_is_an_error(root, ids, message):
    write(root, 'Nothing .')
    (root / 'val.txt').write_text(ids)
    with pytest.raises(ValueError, match=message):
        built(root)


def test_the_file_has_the_same_bytes_again_and_ends_with_a_newline(root):
    write(root, '[/EN#1/people A man] .\nNothing .', ('1', MAN))
    built(root)
    first = (root / 'out.json').read_bytes()
    built(root)
    assert (root / 'out.json').read_bytes() == first
    assert first.endswith(b']}\n') and b', "' not in first and b': ' not in first
