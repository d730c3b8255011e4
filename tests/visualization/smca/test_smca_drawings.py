"""The figures of SMCA-DETR hold what they should and differ where their input does."""
import cv2
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from smca_probes import small_probe

from mmdet_ext.visualization.smca.centre_marks import draw_centres, mark_centre, nearest_inside, spread
from mmdet_ext.visualization.smca.capture import SMCAProbe
from mmdet_ext.visualization.smca.query_figure import draw_query_maps
from mmdet_ext.visualization.smca.report import SMCAChoice, class_names, draw_smca_report

CLASSES = ['circle', 'square', 'triangle', 'star', 'cross', 'pentagon']
YELLOW, VERMILLION = (0x42, 0xE4, 0xF0), (0x00, 0x5E, 0xD5)  # BGR


@pytest.fixture
def axes():
    """One inch wide, 72 pixels of an image: a pixel is a point."""
    axes = Figure((1, 0.5)).add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 72), ylim=(36, 0))
    return axes


def is_inside(axes, point):
    return axes.viewLim.contains(*point)


def has(path, color):
    return (cv2.imread(str(path)) == color).all(axis=-1).any()


def markers(axes):
    return [line.get_marker() for line in axes.lines]


def test_a_centre_inside_is_a_cross_and_one_outside_a_triangle_that_points_to_it(axes):
    mark_centre(axes, (10., 20.))
    assert markers(axes) == ['+'] and axes.lines[0].get_xydata().tolist() == [[10, 20]]
    for centre, turn in (((20., -30.), 0), ((-30., 20.), 90), ((20., 90.), 180), ((100., 20.), 270)):
        mark_centre(axes, centre)
        *kind, angle = axes.lines[-1].get_marker()
        assert kind == [3, 0] and angle % 360 == pytest.approx(turn)
        assert is_inside(axes, tuple(axes.lines[-1].get_xydata()[0]))


def test_the_nearest_place_inside_by_hand(axes):
    assert nearest_inside(axes, (10, 20), 3) == pytest.approx((10, 20))
    assert nearest_inside(axes, (-10, 20), 3) == pytest.approx((3, 20))
    assert nearest_inside(axes, (100, 50), 0) == pytest.approx((72, 36))


def test_each_head_has_a_number_inside(axes):
    draw_centres(axes, (30., 10.), [(30., 10.), (31., 10.), (500., -400.)])
    assert [text.get_text() for text in axes.texts] == ['0', '1', '2']
    assert all(is_inside(axes, text.get_position()) for text in axes.texts)
    assert 's' in markers(axes)


def test_places_move_apart_but_the_first():
    moved = np.array(spread([(5., 5.)] * 6 + [(100., 100.)], 4.))
    distances = np.linalg.norm(moved[:, None] - moved, axis=2)[~np.eye(7, dtype=bool)]
    assert distances.min() > 3.8
    assert moved[0].tolist() == [5, 5] and moved[-1] == pytest.approx([100, 100], abs=0.01)
    assert np.linalg.norm(moved[:-1] - 5, axis=1).max() < 10


@pytest.mark.parametrize('kind, expected', [
    ('single', ['a_query4.png', 'a_query0.png']),
    ('multi', ['a_query4.png', 'a_query0.png', 'a_alpha.png']),
    ('no_selection', ['a_query4.png', 'a_query0.png']),
])
def test_an_image_per_query_and_one_of_alpha_where_scales_are_selected(kind, expected, image_file, tmp_path):
    choice = SMCAChoice(queries=[4, 0], layers=[1])
    written = draw_smca_report(small_probe(kind)(image_file), CLASSES, tmp_path, 'a', choice)
    assert [path.name for path in written] == expected
    assert sorted(tmp_path.glob('a_*')) == sorted(written)
    assert all(has(path, YELLOW) and has(path, VERMILLION) for path in written[:2])


def test_the_default_are_the_best_queries_in_the_first_and_the_last_layer(image_file, tmp_path, monkeypatch):
    capture, drawn = small_probe('multi')(image_file), []
    monkeypatch.setattr('mmdet_ext.visualization.smca.report.draw_query_maps',
                        lambda _, query, name, scales, path: drawn.append((query, name, scales)))
    draw_smca_report(capture, CLASSES, tmp_path, 'a', SMCAChoice(top=2))
    scores = capture.predictions.scores
    assert [query for query, _, _ in drawn] == scores.argsort(descending=True)[:2].tolist()
    for query, name, scales in drawn:
        assert name == f'{CLASSES[capture.predictions.labels[query]]} {scores[query]:.2f}'
        assert scales == {layer: capture.layers[layer].modulation.alpha[0, query].argmax().item() for layer in (0, 1)}
    drawn.clear()
    draw_smca_report(capture, CLASSES, tmp_path, 'a', SMCAChoice(queries=[5], layers=[1], scale=2))
    assert [(query, scales) for query, _, scales in drawn] == [(5, {1: 2})]


def test_the_figure_differs_by_query_layer_and_scale(image_file, tmp_path):
    capture = small_probe('multi')(image_file)
    for number, (query, scales) in enumerate([(0, {0: 0}), (1, {0: 0}), (0, {1: 0}), (0, {0: 1})]):
        draw_query_maps(capture, query, 'circle', scales, tmp_path / f'{number}.png')
    assert len({path.read_bytes() for path in tmp_path.glob('?.png')}) == 4


def test_a_map_has_colours_around_its_peak_only(image_file, tmp_path):
    """All heads' Gaussians lie at the reference: the maps have colours there and are grey in the far corner."""
    grey = np.full((64, 96, 3), 128, np.uint8)
    cv2.imwrite(str(image_file), grey)
    probe = small_probe('single')
    torch.nn.init.constant_(probe.decoder.centre.layers[-1].bias, -4)  # the top left corner
    torch.nn.init.zeros_(probe.decoder.layers[0].modulation.offset.weight)
    torch.nn.init.zeros_(probe.decoder.layers[0].modulation.offset.bias)
    torch.nn.init.constant_(probe.decoder.layers[0].modulation.scale.bias, 3)
    draw_query_maps(probe(image_file), 0, 'circle', {0: 0}, tmp_path / 'maps.png')
    drawn = cv2.imread(str(tmp_path / 'maps.png')).astype(int)
    saturation = drawn.max(axis=2) - drawn.min(axis=2)
    assert has(tmp_path / 'maps.png', VERMILLION)
    width = saturation.shape[1]
    maps = saturation[:, int(0.51 * width):int(0.89 * width)]  # of both heads, without the image and the colour bar
    share = (maps > 60).any(axis=0).mean()
    assert 0.1 < share < 0.6


@pytest.mark.parametrize('choice, message', [
    (dict(queries=[0, 6]), 'queries 0..5, got 6'), (dict(queries=[-1]), 'queries 0..5, got -1'),
    (dict(layers=[2, 7]), 'layers 0..1, got 2, 7'), (dict(scale=3), 'scales 0..2, got 3'),
])
def test_rejects_what_the_model_has_not(choice, message):
    with pytest.raises(ValueError, match=message):
        SMCAChoice(**choice).check(small_probe('multi'))


def test_rejects_a_model_without_the_decoder():
    with pytest.raises(ValueError, match='decoder of the model should be a SMCATransformerDecoder.*Linear has none'):
        SMCAProbe(torch.nn.Linear(1, 1), None)


def test_class_names_are_those_of_the_model_or_numbers():
    model = small_probe('single').model
    for names, expected in ((CLASSES, CLASSES), (CLASSES[:2], [f'class {i}' for i in range(6)]), (None, None)):
        model.dataset_meta = dict(classes=names) if names else {}
        assert class_names(model) == (expected or [f'class {i}' for i in range(6)])
