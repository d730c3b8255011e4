import numpy as np
import pytest

from mmdet_ext.annotations.builders.combined.captions import Caption, colour_graph, combine_captions, overlap_graph

LEFT, RIGHT = [0., 0., 10., 10.], [50., 0., 10., 10.]


def caption(text: str, *boxes: list[float]) -> Caption:
    """Its first word is tied to all boxes."""
    return Caption(text, [dict(bbox=bbox, tokens_positive=[[0, len(text.split()[0])]]) for bbox in boxes],
                   [[0, len(text)]])


def graph(count: int, *edges: tuple[int, int]) -> np.ndarray:
    adjacent = np.zeros((count, count), dtype=bool)
    for one, other in edges:
        adjacent[one, other] = adjacent[other, one] = True
    return adjacent


def test_captions_of_other_objects_are_joined_last_first_and_their_spans_move():
    combined, = combine_captions([caption('cat on a bed', LEFT), caption('dog!', RIGHT), caption('day or night?')])
    assert combined.text == 'day or night? dog!. cat on a bed.'
    words = [[combined.text[begin:end] for begin, end in box['tokens_positive']] for box in combined.boxes]
    assert words == [['dog'], ['cat']]
    assert [combined.text[begin:end] for begin, end in combined.negative] == ['day or night', 'dog', 'cat on a bed']


def test_captions_of_one_object_stay_apart():
    combined = combine_captions([caption('cat', LEFT), caption('animal', RIGHT, LEFT)])
    assert [caption.text for caption in combined] == ['animal.', 'cat.']


@pytest.mark.parametrize('width, apart', [(20., False), (19.99, True)])
def test_an_iou_of_exactly_a_half_is_no_edge(width, apart):
    boxes = [caption('a', [0., 0., width, 10.]).boxes, caption('b', LEFT).boxes, []]
    expected = graph(3, (0, 1)) if apart else graph(3)
    np.testing.assert_array_equal(overlap_graph(boxes, 0.5), expected)


def test_giou_is_the_stricter_measure():
    boxes = [caption('a', [0., 0., 10., 10.]).boxes, caption('b', [1.5, 1.5, 10., 10.]).boxes]  # 0.565, 0.531
    corner = [caption('a', [0., 0., 10., 10.]).boxes, caption('b', [1.8, 1.8, 10., 10.]).boxes]  # 0.506, 0.460
    assert overlap_graph(boxes, 0.5).any() and overlap_graph(boxes, 0.5, generalized=True).any()
    assert overlap_graph(corner, 0.5).any() and not overlap_graph(corner, 0.5, generalized=True).any()


def test_edges_are_those_of_a_loop_over_all_pairs():
    boxes = [[dict(bbox=[*np.random.rand(2) * 12, 10., 10.]) for _ in range(np.random.randint(4))]
             for _ in range(12)]
    expected = np.zeros((12, 12), dtype=bool)
    for one in range(12):
        for other in range(12):
            for box in boxes[one]:
                for rival in boxes[other]:
                    sides = [10 - abs(box['bbox'][axis] - rival['bbox'][axis]) for axis in (0, 1)]
                    shared = max(sides[0], 0) * max(sides[1], 0)  # of two squares of 10 x 10
                    expected[one, other] |= one != other and shared / (200 - shared) > 0.5
    np.testing.assert_array_equal(overlap_graph(boxes, 0.5), expected)
    assert expected.any()


def test_nodes_with_most_neighbours_are_coloured_first():
    assert colour_graph(graph(4, (0, 1), (0, 2)), [1] * 4, 99) == [[0, 3], [2, 1]]


def test_a_colour_takes_what_fits_with_two_characters_more():
    assert colour_graph(graph(2), [10, 20], 32) == [[1, 0]]
    assert colour_graph(graph(2), [10, 20], 31) == [[1], [0]]
    assert colour_graph(graph(3), [10, 40, 10], 22) == [[2, 0], [1]]  # too long for any: alone


def test_random_graphs_are_coloured_properly():
    for _ in range(20):
        adjacent = np.triu(np.random.rand(15, 15) < 0.3, 1)
        adjacent |= adjacent.T
        lengths = np.random.randint(5, 60, 15).tolist()
        colours = colour_graph(adjacent, lengths, 100)
        assert sorted(node for nodes in colours for node in nodes) == list(range(15))
        for nodes in colours:
            assert not adjacent[np.ix_(nodes, nodes)].any()
            assert len(nodes) == 1 or sum(lengths[node] for node in nodes) <= 98


def test_spans_do_not_reach_into_the_next_caption():
    combined, = combine_captions([caption('man'), Caption('tie', [dict(bbox=LEFT, tokens_positive=[[-1, 30]])])])
    assert combined.text == 'tie. man.' and combined.boxes[0]['tokens_positive'] == [[0, 3]]


def test_an_image_without_boxes_and_one_without_captions():
    assert [one.text for one in combine_captions([caption('is it day?'), caption('night.')])] == ['night. is it day?']
    assert combine_captions([]) == []
