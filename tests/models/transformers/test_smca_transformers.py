"""Encoders and decoder of SMCA-DETR: textbook forms, options, padding, precision, errors."""
import copy

import pytest
import torch
from mmdet.models.layers import DetrTransformerEncoder
from torch import Tensor
from torch.testing import assert_close

from mmdet_ext.models.layers import log_gaussian
from mmdet_ext.models.transformers import Maps, Memory, SMCAConvEncoder, SMCATransformerDecoder, SMCATransformerEncoder

ATTENTION = dict(embed_dims=16, num_heads=4, dropout=0.)
FFN = dict(embed_dims=16, feedforward_channels=32)
SHAPES = {1: [(5, 6)], 3: [(9, 12), (5, 6), (3, 3)], 4: [(9, 12), (9, 12), (5, 6), (3, 3)]}
STRIDES = {1: (32, ), 3: (16, 32, 64), 4: (16, 16, 32, 64)}


def make_decoder(num_scales: int = 1, **options) -> SMCATransformerDecoder:
    decoder = SMCATransformerDecoder(2, dict(self_attn_cfg=ATTENTION, cross_attn_cfg=ATTENTION, ffn_cfg=FFN),
                                     strides=STRIDES[num_scales], **options)
    decoder.init_weights()
    for layer in decoder.layers:
        for part in (layer.modulation.scale, layer.modulation.selection):
            if part is not None:
                torch.nn.init.normal_(part.weight, std=0.3)
    return decoder.eval()


def make_memory(num_scales: int = 1, batch: int = 2, padded: bool = False) -> Memory:
    values = [torch.randn(batch, h * w, 16) for h, w in SHAPES[num_scales]]
    padding = [None] * num_scales
    if padded:
        masks = [torch.zeros(batch, h, w, dtype=torch.bool) for h, w in SHAPES[num_scales]]
        for mask in masks:
            mask[1, -1:] = mask[1, :, -1:] = True
        padding = [mask.flatten(1) for mask in masks]
    return Memory(values, [value + torch.randn_like(value) for value in values], padding, SHAPES[num_scales])


def decode(decoder: SMCATransformerDecoder, memory: Memory, query: Tensor, query_pos: Tensor) -> Tensor:
    return decoder(query, query_pos, memory, torch.tensor([[190., 150]] * len(query))).hidden_states


def textbook_layer(layer, query: Tensor, query_pos: Tensor, memory: Memory, centres: Tensor, smooths) -> Tensor:
    """The layer of the paper with its attention written out: weights of each map, times alpha, side by side."""
    modulation = layer.modulation(layer.modulation.norm(query + query_pos))
    query = layer.norms[0](query + layer.self_attn(query + query_pos, query + query_pos, query))
    q, weights, values = layer.cross_attn.project(query + query_pos, 0), [], []
    for level, shape in enumerate(memory.shapes):
        k, v = layer.keys_and_values(memory, level)
        head_centres = centres[:, :, level, None] + modulation.offsets[:, :, level]
        bias = log_gaussian(head_centres, modulation.scales[:, :, level], shape, smooths[level])
        products = q @ k.transpose(2, 3) / q.shape[-1]**0.5 + bias
        if memory.padding[level] is not None:
            products = products.masked_fill(memory.padding[level][:, None, None], -torch.inf)
        weights.append(products.softmax(dim=-1) * modulation.alpha[:, None, :, level, None])
        values.append(v)
    attended = torch.cat(weights, -1) @ torch.cat(values, 2)
    query = layer.norms[1](query + layer.cross_attn.out_proj(attended.transpose(1, 2).flatten(2)))
    return layer.norms[2](layer.ffn(query))


VARIANTS = [(1, {}), (1, dict(dynamic_scale='type1')), (1, dict(dynamic_scale='type2')),
            (1, dict(dynamic_scale='type4')), (1, dict(head_shared=True)), (3, {}),
            (3, dict(scale_selection=False)), (3, dict(share_kv=False)),
            (3, dict(distance_factors=(0.25, 1, 4))), (4, {})]


@pytest.mark.parametrize('padded', [False, True])
@pytest.mark.parametrize('num_scales, options', VARIANTS)
def test_layers_equal_the_textbook_form(num_scales, options, padded):
    decoder, memory = make_decoder(num_scales, **options), make_memory(num_scales, padded=padded)
    query, query_pos = torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    with torch.no_grad():
        states = decode(decoder, memory, query, query_pos)
        reference = decoder.centre(decoder.layers[0].modulation.norm(query + query_pos)).sigmoid()
        centres = torch.stack([reference * torch.tensor([190., 150]) / stride for stride in decoder.strides], 2)
        for layer, state in zip(decoder.layers, states):
            query = textbook_layer(layer, query, query_pos, memory, centres, decoder.smooths)
            assert_close(state, decoder.post_norm(query), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('num_scales, options', VARIANTS)
def test_a_batch_of_two_equals_two_batches_of_one(num_scales, options):
    decoder, memory = make_decoder(num_scales, **options), make_memory(num_scales, padded=True)
    query, query_pos = torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    with torch.no_grad():
        both = decode(decoder, memory, query, query_pos)
        for i in range(2):
            one = Memory(*([None if part is None else part[i:i + 1] for part in parts] for parts in memory[:3]),
                         memory.shapes)
            alone = decode(decoder, one, query[i:i + 1], query_pos[i:i + 1])
            assert_close(alone, both[:, i:i + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('num_scales, options', VARIANTS)
def test_more_padding_changes_nothing(num_scales, options):
    decoder, memory = make_decoder(num_scales, **options), make_memory(num_scales)
    wider, masks, keys = [], [], []
    for value, key, (h, w) in zip(memory.values, memory.keys, memory.shapes):
        mask = torch.ones(2, h + 2, w + 3, dtype=torch.bool)
        mask[:, :h, :w] = False
        for into, source in ((wider, value), (keys, key)):
            into.append(torch.randn(2, (h + 2) * (w + 3), 16))
            into[-1][~mask.flatten(1)] = source.flatten(0, 1)
        masks.append(mask.flatten(1))
    query, query_pos = torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    padded = Memory(wider, keys, masks, [(h + 2, w + 3) for h, w in memory.shapes])
    with torch.no_grad():
        assert_close(decode(decoder, padded, query, query_pos), decode(decoder, memory, query, query_pos), rtol=1e-4,
                     atol=1e-5)


@pytest.mark.parametrize('num_scales, options', VARIANTS)
def test_every_part_learns(num_scales, options):
    decoder, memory = make_decoder(num_scales, **options).train(), make_memory(num_scales)
    output = decoder(torch.randn(2, 7, 16), torch.randn(2, 7, 16), memory, torch.tensor([[190., 150]] * 2))
    weights = torch.randn_like(output.hidden_states)  # after a norm their plain sum is constant
    ((output.hidden_states * weights).sum() + output.reference_logits.sum()).backward()
    idle = [name for name, p in decoder.named_parameters() if p.grad is None or not p.grad.any()]
    # a bias of keys moves all scores of a query alike
    assert [name for name in idle if 'in_proj_bias' not in name] == []


def test_initial_scales_survive_the_models_initialisation():
    decoder = make_decoder()
    decoder.init_weights()
    for layer in decoder.layers:
        assert not layer.modulation.scale.weight.any() and (layer.modulation.scale.bias == 1).all()
    bound = (6 / (16 + 48))**0.5  # Xavier's for the packed projection as one matrix
    assert bound * 0.95 < decoder.layers[0].cross_attn.in_proj_weight.abs().max() <= bound


def test_the_last_layer_alone():
    decoder, memory = make_decoder(), make_memory()
    query, query_pos = torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    with torch.no_grad():
        both = decode(decoder, memory, query, query_pos)
        decoder.return_intermediate = False
        assert decode(decoder, memory, query, query_pos).equal(both[-1:])


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
@pytest.mark.parametrize('num_scales, options', VARIANTS)
def test_half_precision_stays_close_and_finite(dtype, num_scales, options):
    decoder, memory = make_decoder(num_scales, **options), make_memory(num_scales, padded=True)
    query, query_pos = torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    exact = decode(decoder, memory, query, query_pos)
    with torch.autocast('cpu', dtype=dtype):
        half_states = decode(decoder, memory, query, query_pos)
    assert (half_states.float() - exact).abs().mean() < 0.03
    half_states.float().square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in decoder.parameters())


@pytest.mark.parametrize('dtype, offset, scale', [(torch.float16, 60., 8.), (torch.bfloat16, 200., 0.14)])
@torch.no_grad()
def test_half_precision_tells_cells_far_from_the_centre_apart(dtype, offset, scale):
    """All log Gaussians are beyond the range of half precision, or its steps are as wide as their differences; only the
    differences matter."""
    decoder, memory = make_decoder(), make_memory()
    for layer in decoder.layers:
        layer.modulation.offset.weight.zero_()
        layer.modulation.offset.bias.fill_(offset)
        layer.modulation.scale.weight.zero_()
        layer.modulation.scale.bias.fill_(scale)
    query, query_pos = torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    expected = decode(decoder, memory, query, query_pos)
    with torch.autocast('cpu', dtype=dtype):
        half_states = decode(decoder, memory, query, query_pos)
    assert_close(half_states.float(), expected, rtol=0, atol=0.05)


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_bears_centres_far_outside_the_map(dtype):
    decoder, memory = make_decoder(), make_memory()
    torch.nn.init.constant_(decoder.layers[0].modulation.offset.bias, 1e4)
    with torch.autocast('cpu', dtype=dtype):
        assert decode(decoder, memory, torch.randn(2, 7, 16), torch.randn(2, 7, 16)).isfinite().all()


def test_the_encoder_of_one_map_is_detrs():
    layer = dict(self_attn_cfg=dict(ATTENTION), ffn_cfg=dict(FFN))
    encoder = SMCATransformerEncoder(2, layer).eval()
    detr_encoder = DetrTransformerEncoder(2, copy.deepcopy(layer)).eval()
    renamed = {name.replace('self_attn.attn', 'attentions.0').replace('.ffn.', '.ffns.0.'): value
               for name, value in detr_encoder.state_dict().items()}
    encoder.load_state_dict(renamed)
    feat, pos = torch.randn(2, 16, 4, 5), torch.randn(2, 16, 4, 5)
    mask = torch.zeros(2, 4, 5, dtype=torch.bool)
    mask[1, 3] = True
    encoded = encoder(Maps([feat], [pos], [mask])).feats[0]
    expected = detr_encoder(feat.flatten(2).mT, query_pos=pos.flatten(2).mT, key_padding_mask=mask.flatten(1))
    assert_close(encoded.flatten(2).mT, expected, rtol=1e-4, atol=1e-5)


def make_maps(shapes: list[tuple[int, int]]) -> Maps:
    return Maps([torch.randn(2, 16, *shape) for shape in shapes], [torch.randn(2, 16, *shape) for shape in shapes],
                [None] * len(shapes))


def make_encoder(*multi_scale: bool, **options) -> SMCATransformerEncoder:
    layer = dict(self_attn_cfg=ATTENTION, ffn_cfg=FFN)
    return SMCATransformerEncoder(len(multi_scale), layer, multi_scale=multi_scale, **options).eval()


def test_intra_scale_layers_look_at_one_map_and_multi_scale_layers_at_all():
    maps = make_maps(SHAPES[3])
    changed = maps._replace(feats=[*maps.feats[:2], maps.feats[2] + 1])
    apart, together = make_encoder(False, False), make_encoder(False, True)
    assert apart(maps).feats[0].equal(apart(changed).feats[0])
    assert not torch.allclose(together(maps).feats[0], together(changed).feats[0])


def test_a_multi_scale_layer_is_one_layer_over_all_tokens():
    maps, encoder = make_maps(SHAPES[3]), make_encoder(True)
    tokens, pos = (torch.cat([level_map.flatten(2).mT for level_map in part], 1) for part in maps[:2])
    joined = encoder.layers[0](tokens, pos, None)
    assert_close(torch.cat([feat.flatten(2).mT for feat in encoder(maps).feats], 1), joined)


def test_maps_that_share_nothing_have_weights_of_their_own():
    maps, encoder = make_maps(SHAPES[3]), make_encoder(False, num_scales=3, share_attention=False, share_ffn=False)
    before = encoder(maps).feats
    torch.nn.init.zeros_(encoder.layers[0].ffns[1].layers[1].weight)
    after = encoder(maps).feats
    assert [a.equal(b) for a, b in zip(before, after)] == [True, False, True]


CONV_SHAPES = [(17, 24), (9, 12), (5, 6), (3, 3)]


@pytest.mark.parametrize('options', [{}, dict(pointwise=False), dict(share_cross=False), dict(kernel_size=5)])
def test_the_convolutional_encoder_halves_its_first_map_and_learns(options):
    encoder, maps = SMCAConvEncoder(2, 16, **options), make_maps(CONV_SHAPES)
    encoded = encoder(maps)
    assert [feat.shape[2:] for feat in encoded.feats] == [(9, 12), (9, 12), (5, 6), (3, 3)]
    assert encoded.pos[0].equal(maps.pos[1]) and encoded.pos[1].equal(maps.pos[1])
    sum((feat * torch.randn_like(feat)).sum() for feat in encoded.feats).backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_the_convolutional_encoder_mixes_neighbouring_maps_alone():
    encoder, maps = SMCAConvEncoder(1, 16).eval(), make_maps(CONV_SHAPES)
    changed = maps._replace(feats=[*maps.feats[:3], maps.feats[3] + 1])
    same = [a.equal(b) for a, b in zip(encoder(maps).feats, encoder(changed).feats)]
    assert same == [True, True, False, False]


@pytest.mark.parametrize('make, message', [
    (lambda: make_decoder(dynamic_scale='round'), "dynamic_scale.*'round'"),
    (lambda: make_decoder(smooth=0), 'smooth.*0'),
    (lambda: make_decoder(3, distance_factors=(1, 2)), r'distance_factors.*\[1, 2\].*\[16, 32, 64\]'),
    (lambda: SMCATransformerEncoder(2, {}, multi_scale=(True, )), r'each of 2 layers, got \(True,\)'),
    (lambda: make_encoder(False, True, num_scales=3, share_ffn=False), 'share_ffn'),
    (lambda: SMCAConvEncoder(kernel_size=4), 'kernel_size.*4'),
    (lambda: SMCAConvEncoder(1, 16)(make_maps(SHAPES[3])), 'four maps.*got 3'),
    (lambda: SMCAConvEncoder(1, 16)(make_maps([(8, 8)] * 4)), r'half as large.*\(8, 8\)'),
    (lambda: decode(make_decoder(3), make_memory(1), torch.randn(2, 7, 16), torch.randn(2, 7, 16)), '3 maps, got 1'),
])
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_words_behind_the_map_are_attended_without_a_gaussian():
    decoder, plain = make_decoder(), make_memory()
    words = torch.randn(2, 5, plain.values[0].shape[2])
    memory = Memory([torch.cat([plain.values[0], words], dim=1)], [torch.cat([plain.keys[0], words], dim=1)], [None],
                    plain.shapes)
    layer, query, query_pos = decoder.layers[0], torch.randn(2, 3, 16), torch.randn(2, 3, 16)
    centres = torch.full((2, 3, 1, 2), 1e4)  # so far away that nothing is left of the map
    output = layer(query, query_pos, memory, centres, decoder.smooths)
    only_words = Memory([words], [words], [None], [(1, 5)])
    layer.modulation.scale.weight.data.zero_(), layer.modulation.scale.bias.data.zero_()  # no Gaussian at all
    assert_close(output, layer(query, query_pos, only_words, centres, decoder.smooths), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(torch.__version__.startswith('2.6.'), reason="an internal error of torch 2.6's compiler")
@pytest.mark.parametrize('num_scales, options', [(1, dict(dynamic_scale='type4'))])
def test_the_compiler_sees_one_graph_of_both_passes(num_scales, options):
    decoder, memory = make_decoder(num_scales, **options), make_memory(num_scales, padded=True)
    query, query_pos = torch.randn(2, 7, 16), torch.randn(2, 7, 16)
    torch._dynamo.reset()
    compiled, results = torch.compile(decoder, fullgraph=True, backend='aot_eager'), []
    for form in (decoder, compiled):
        output = form(query, query_pos, memory, torch.tensor([[190., 150]] * 2))
        (output.hidden_states.sin().sum() + output.reference_logits.sum()).backward()
        results.append([output.hidden_states, *(p.grad.clone() for p in decoder.parameters())])
        decoder.zero_grad()
    assert_close(*results, rtol=1e-5, atol=1e-5)
