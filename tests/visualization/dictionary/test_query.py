"""From an image to what is drawn of it."""
import pytest
import torch
from torch.testing import assert_close

from mmdet_ext.models.layers import RetrieverDictionary
from mmdet_ext.visualization.dictionary.query import query_at
from mmdet_ext.visualization.dictionary.training_set import Provenance
from mmdet_ext.visualization.images import unique_names

KNOWN = Provenance(None, 'No samples.')


@pytest.fixture
def rd():
    return RetrieverDictionary(8, 5)


def test_a_query_is_of_the_cell_under_the_point(make_capture, rd):
    capture = make_capture()
    query = query_at(capture, rd, (20, 10), KNOWN, top=2)
    assert query.cell == (2, 2)  # one row of padding above
    assert_close(query.coefficients, capture.coefficients[:, 2, 2])
    feature = capture.before[:, 2, 2]
    expected = rd.atoms.detach() @ feature / feature.norm() / rd.atoms.detach().norm(dim=1)
    assert_close(query.correlations['atom'], expected)


def test_folded_atoms_choose_if_they_are_asked_for(make_capture, rd):
    torch.nn.init.uniform_(rd.dictionary.norm.weight, -2, 2)
    query = query_at(make_capture(), rd, (20, 10), KNOWN, top=5, folded=True)
    assert list(query.correlations) == ['atom', 'folded atom']
    score = query.correlations['folded atom'].clamp(min=0) * query.coefficients.clamp(min=0)
    expected = [index for index in score.argsort(descending=True).tolist() if score[index] > 0]
    assert query.groups['related atoms'] == expected


def test_atoms_of_texts_are_chosen_by_coefficients_alone_and_the_figure_says_so(make_capture, rd):
    capture = make_capture()
    query = query_at(capture, rd, (20, 10), Provenance(None, '', foreign='texts'), top=1)
    assert query.groups['related atoms'] == [capture.coefficients[:, 2, 2].argmax().item()]
    assert any('texts' in note and 'only the coefficients' in note for note in query.notes)


def test_named_atoms_are_shown_in_their_order(make_capture, rd):
    query = query_at(make_capture(), rd, (20, 10), KNOWN, show=[3, 1])
    assert query.groups == {'chosen atoms': [3, 1]}


def test_names_are_unique_though_stems_are_not():
    assert unique_names(['x/a.png', 'y/a.jpg', 'b.png', 'z/a.png']) == ['a', 'a-2', 'b', 'a-3']
