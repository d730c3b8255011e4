"""The files of Flickr30k Entities, beyond what the published case has."""
import pytest
from mmdet_ext.annotations.flickr_entities import Phrase, read_entities, read_sentences, read_split

SIZE = '<size><width>4</width><height>2</height><depth>3</depth></size>'


def test_a_split_is_a_list_of_ids(tmp_path):
    path = tmp_path / 'val.txt'
    path.write_text('1001\r\n1002\n\n')
    assert read_split(path) == ['1001', '1002']


def test_marks_are_taken_out_and_words_counted(tmp_path):
    path = tmp_path / '1.txt'
    path.write_text('See [/EN#5/people/other  two  men ], [/EN#0/notvisual who]  sit .\n\n  \nDone .')
    first, second = read_sentences(path)
    assert first.text == 'See two men , who sit .'
    assert first.phrases == [Phrase(1, 'two men', '5', ('people', 'other')), Phrase(4, 'who', '0', ('notvisual', ))]
    assert second == ('Done .', [])


@pytest.mark.parametrize('line', ['[/EN#5/people] sits', '[/EN#5/people a man sits', 'x [/EN#5 a man]',
                                  '[/EN#5/people a man in [/EN#6/clothing a hat]'])
def test_a_broken_mark_is_an_error_that_names_the_line(tmp_path, line):
    path = tmp_path / '1.txt'
    path.write_text(f'Fine .\n{line}\n')
    with pytest.raises(ValueError, match='1.txt, line 2: a phrase should be marked'):
        read_sentences(path)


@pytest.mark.parametrize('text', [
    'no xml', '<annotation></annotation>',
    f'<annotation>{SIZE}<object><name>1</name><bndbox><xmin>1</xmin></bndbox></object></annotation>'
])
def test_a_broken_annotation_is_an_error_that_names_the_file(tmp_path, text):
    path = tmp_path / '1.xml'
    path.write_text(text)
    with pytest.raises(ValueError, match='1.xml is not an annotation of Flickr30k Entities'):
        read_entities(path)
