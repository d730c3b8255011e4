"""Gaussians and attention are those of the decoder, and lie on the image where it means them to."""
import pytest
import torch
from smca_probes import small_probe
from torch.testing import assert_close

from mmdet_ext.cell_grid import CellGrid
from mmdet_ext.visualization.images import batch_of
from mmdet_ext.visualization.smca.capture import recorded
from mmdet_ext.visualization.smca.maps import (attention_maps, gaussians, head_centres, log_gaussians,
                                               reference_centre)
from mmdet_ext.visualization.smca.scale_selection import alpha_by_size

# an image of 200 x 100 pixels (width, height), halved to 100 x 50
META = dict(ori_shape=(100, 200), scale_factor=(0.5, 0.5))


@pytest.fixture
def capture_smca(image_file):
    """A small detector of a kind, its capture of an image, and the calls of its parts meanwhile."""

    def make(kind):
        probe = small_probe(kind)
        with recorded(probe.decoder, *(layer.cross_attn.out_proj for layer in probe.decoder.layers)) as calls:
            return probe, probe(image_file), calls

    return make


def test_cell_i_has_its_middle_at_i_strides_by_hand():
    grid = CellGrid.from_stride(META, 16, (4, 7))
    assert grid == CellGrid((100, 200), (4, 7), (-16., -16., 208., 112.))
    pixels = grid.pixels_of(torch.tensor([[0., 0.], [1., 2.], [2.5, -1.]]))
    assert_close(pixels, torch.tensor([[0., 0.], [32., 64.], [80., -32.]]))


def test_resampling_keeps_a_plane_and_goes_on_beyond_the_outermost_cells():
    grid = CellGrid.from_stride(META, 16, (4, 7))
    plane = (torch.arange(4.)[:, None] * 32 + torch.arange(7.) * 3200)[None]  # y + 100 x at the middles of the cells
    resampled = grid.resample(plane, (100, 200))[0]
    x, y = (torch.arange(count) + 0.5 for count in (200, 100))
    assert_close(resampled, y.clamp(max=96)[:, None] + 100 * x.clamp(max=192), rtol=1e-4, atol=1e-2)


def test_resampling_does_not_depend_on_padded_cells_out_of_reach():
    grid = CellGrid.from_stride(META, 16, (8, 7))
    maps = torch.rand(2, 8, 7)
    resampled = grid.resample(maps, (10, 20))
    maps[:, 5:] = 7
    assert_close(grid.resample(maps, (10, 20)), resampled)


@pytest.mark.parametrize('kind', ['single', 'padded', 'multi', 'multi_padded', 'own_kv', 'no_selection', 'softmax'])
def test_attention_reproduces_the_output_of_the_cross_attention(capture_smca, kind):
    """sum_j alpha_j A_j V_j through the output projection, for each query and layer."""
    _, capture, calls = capture_smca(kind)
    with torch.no_grad():
        for number, layer in enumerate(capture.decoder.layers):
            expected = calls[layer.cross_attn.out_proj].output[0]
            for query in range(len(expected)):
                attended = 0
                for scale in range(len(capture.grids)):
                    weights = attention_maps(capture, number, query, scale).flatten(1)
                    assert_close(weights.sum(dim=1), torch.ones(len(weights)))
                    values = layer.keys_and_values(capture.memory, scale)[1][0]  # (M, S, C / M)
                    part = torch.einsum('ms,msc->mc', weights, values)
                    attended = attended + part * capture.alphas(number)[query, scale]
                assert_close(layer.cross_attn.out_proj(attended.flatten()), expected[query], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('kind', ['padded', 'multi_padded'])
def test_padding_gets_no_attention(capture_smca, kind):
    _, capture, _ = capture_smca(kind)
    assert all(padding.any() for padding in capture.memory.padding)
    for scale, padding in enumerate(capture.memory.padding):
        maps = attention_maps(capture, 1, 0, scale).flatten(1)
        assert not maps[:, padding[0]].any() and (maps[:, ~padding[0]] > 0).any()


def test_a_gaussian_by_hand(capture_smca):
    _, capture, _ = capture_smca('multi')
    layer, query, scale, head = 1, 3, 1, 1
    modulation = capture.layers[layer].modulation
    x, y = (capture.centres[0, query, scale] + modulation.offsets[0, query, scale, head]).tolist()
    s_x, s_y = modulation.scales[0, query, scale, head].tolist()
    values = log_gaussians(capture, layer, query, scale)
    assert values.shape == (2, *capture.memory.shapes[scale])
    smooth = 8 / (capture.decoder.strides[scale] / 32)
    assert values[head, 2, 1].item() == pytest.approx(-(s_x * (1 - x)**2 + s_y * (2 - y)**2) / smooth, rel=1e-4)
    assert_close(gaussians(capture, layer, query, scale), values.exp())


@pytest.mark.parametrize('kind', ['single', 'padded', 'multi'])
def test_the_reference_is_the_sigmoid_of_its_logits_times_the_size_of_the_image(capture_smca, kind):
    probe, capture, calls = capture_smca(kind)
    logits = calls[probe.decoder].output.reference_logits[0]
    height, width = capture.image.shape[:2]
    for query in (0, 4):
        expected = logits[query].sigmoid() * torch.tensor([width, height])
        assert_close(reference_centre(capture, query), expected, rtol=1e-4, atol=1e-3)


def test_heads_are_their_offsets_away_from_the_reference(capture_smca):
    _, capture, _ = capture_smca('multi')
    scale_x, scale_y = 64 / 96, 43 / 64  # the input's size over the image's
    for scale, stride in enumerate(capture.decoder.strides):
        offsets = capture.layers[0].modulation.offsets[0, 2, scale]
        expected = reference_centre(capture, 2) + offsets * torch.tensor([stride / scale_x, stride / scale_y])
        assert_close(head_centres(capture, 0, 2, scale), expected, rtol=1e-4, atol=1e-3)


def test_the_highest_cell_of_a_gaussian_is_the_nearest_to_its_head_centre(capture_smca):
    _, capture, _ = capture_smca('single')
    rows, columns = capture.memory.shapes[0]
    cells = capture.grids[0].pixels_of(torch.tensor([[[x, y] for x in range(columns)] for y in range(rows)]).float())
    for head, centre in enumerate(head_centres(capture, 0, 5, 0)):  # in layer 0 all scales are 1
        nearest = (cells - centre).norm(dim=2).argmin()
        assert gaussians(capture, 0, 5, 0)[head].argmax() == nearest


def test_alpha_sums_to_1_and_differs_by_query(capture_smca):
    _, capture, _ = capture_smca('multi')
    alpha = capture.alphas(1)
    assert alpha.shape == (6, 3)
    assert_close(alpha.sum(dim=1), torch.ones(6))
    assert len(set(alpha.argmax(dim=1).tolist())) > 1


def test_without_selection_every_scale_counts_fully(capture_smca):
    _, capture, _ = capture_smca('no_selection')
    assert_close(capture.alphas(0), torch.ones(6, 3))


def test_alpha_by_size_by_hand():
    sizes, alpha = torch.tensor([4., 1., 3., 2.]), torch.tensor([[0.4], [0.1], [0.3], [0.2]])
    medians, means = alpha_by_size(sizes, alpha, bins=2)
    assert_close(medians, torch.tensor([1., 3.]))  # of two, the lower is torch's median
    assert_close(means, torch.tensor([[0.15], [0.35]]))


@pytest.mark.parametrize('kind', ['single', 'padded', 'softmax'])
def test_the_best_query_is_the_best_detection(capture_smca, image_file, kind):
    probe, capture, _ = capture_smca(kind)
    batch = batch_of(image_file, probe.model, probe.pipeline)
    with torch.no_grad():
        detections = probe.model(**batch, mode='predict')[0].pred_instances
    best, first = capture.best_queries(1)[0], detections.scores.argmax()
    assert_close(capture.predictions.scores[best], detections.scores[first])
    assert capture.predictions.labels[best] == detections.labels[first]
    box = capture.predictions.bboxes[best]
    if kind == 'softmax':  # DETR's detections end at the image's border
        box = box.view(2, 2).clamp(min=torch.zeros(2), max=torch.tensor([96., 64.])).flatten()
    assert_close(detections.bboxes[first], box, rtol=1e-4, atol=1e-3)


def test_leaves_no_hook_behind(capture_smca):
    probe, _, _ = capture_smca('multi')
    assert not any(module._forward_hooks for module in probe.model.modules())


def test_a_recorded_call_is_the_last_one():
    model = torch.nn.Linear(2, 3)
    with recorded(model) as calls:
        outputs = [model(torch.full((1, 2), float(value))) for value in range(2)]
    model(torch.zeros(1, 2))
    assert_close(calls[model].arguments[0], torch.ones(1, 2))
    assert calls[model].output is outputs[1]
