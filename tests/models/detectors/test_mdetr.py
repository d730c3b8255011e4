"""MDETR: training, prediction, its steps apart, and captions of every kind."""
import pytest
import torch
from small_mdetr import build, sample
from torch.testing import assert_close

from mmdet_ext.models.detectors.mdetr import TextTokens
from mmdet_ext.models.transformers import Memory
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

CAPTIONS = ('a red circle left of two blue stars', 'the cat')
either_decoder = pytest.mark.parametrize('decoder', [dict(), dict(type='SMCATransformerDecoder', strides=(32, ))],
                                         ids=['mdetr', 'smca'])


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer(CAPTIONS, 300), folder, layers=2, hidden_size=32, heads=2)
    return str(folder)


@either_decoder
@pytest.mark.parametrize('spans', [
    ([[[0, 12]], [[21, 35]], [[21, 35], [0, 12]]], [[[4, 7]]]), ([], [[[4, 7]]]), ([], [])])
def test_losses_are_finite_and_every_part_learns(folder, spans, decoder):
    model = build(folder, decoder=decoder).train()
    losses = model.loss(torch.randn(2, 3, 96, 128), [sample(*arguments) for arguments in zip(CAPTIONS, spans)])
    logged = {layer + 'cardinality_error' for layer in ('', 'd0.')}
    assert losses.keys() - logged == {
        f'{layer}loss_{part}' for layer in ('', 'd0.') for part in ('ce', 'bbox', 'iou', 'align')}
    total, _ = model.parse_losses(losses)
    assert total.isfinite()
    total.backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []


@either_decoder
@pytest.mark.parametrize('lengths', [(2, 1), (1, 0)])
@torch.no_grad()
def test_a_batch_of_two_equals_two_batches_of_one(folder, lengths, decoder):
    model = build(folder, decoder=decoder).eval()
    images, samples = torch.randn(2, 3, 96, 128), [sample(' '.join([CAPTIONS[0]] * n)) for n in lengths]
    both = model(images, samples, mode='tensor')
    for i in range(2):
        one = model(images[i:i + 1], samples[i:i + 1], mode='tensor')
        for output, expected in ((one.logits, both.logits), (one.boxes, both.boxes), (one.queries, both.queries)):
            assert_close(output, expected[:, i:i + 1], rtol=1e-4, atol=1e-5)
        assert_close(one.tokens[0], both.tokens[i, :one.tokens.shape[1]], rtol=1e-4, atol=1e-5)


@either_decoder
@torch.no_grad()
def test_features_in_the_padding_change_nothing(folder, decoder):
    model = build(folder, decoder=decoder).eval()
    feat, samples = torch.randn(2, 64, 3, 4), [sample(CAPTIONS[0]), sample(CAPTIONS[1], shape=(64, 64))]
    changed = feat.clone()
    changed[1, :, 2:] += 1
    changed[1, :, :, 2:] += 1
    text = model.encode_text(CAPTIONS)
    states = [model.decode(model.fuse(model.image_tokens(feats, samples), text)).objects for feats in (feat, changed)]
    assert_close(*states, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_sizes_of_images_are_exact_in_half_precision(folder):
    samples = [sample('', shape=(799, 1333))]
    samples[0].set_metainfo(dict(batch_input_shape=(800, 1333)))
    tokens = build(folder).image_tokens(torch.zeros(1, 64, 25, 42, dtype=torch.bfloat16), samples)
    assert tokens.sizes.tolist() == [[1333., 799.]]


@either_decoder
@torch.no_grad()
def test_one_image_with_many_captions_equals_full_passes(folder, decoder):
    model = build(folder, decoder=decoder).eval()
    image, captions = torch.randn(1, 3, 96, 128), [*CAPTIONS, 'blue', '']
    tokens, text = model.encode_image(image, [sample('')]), model.encode_text(captions)
    fused = model.fuse(tokens.expand(4), text)
    states, references, _ = model.decode(fused)
    references = [None] * 4 if references is None else references
    for i, caption in enumerate(captions):
        full_pass = model(image, [sample(caption)], mode='tensor')
        outputs = model.bbox_head(states[:, i:i + 1], fused.text[i:i + 1], references[i])
        assert_close(outputs.logits, full_pass.logits, rtol=1e-4, atol=1e-5)
        assert_close(outputs.boxes, full_pass.boxes, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_query_of_smcas_decoder_predicts_around_its_point(folder):
    model = build(folder, decoder=dict(type='SMCATransformerDecoder', strides=(32, ))).eval()
    feat, samples, text = torch.randn(1, 64, 3, 4), [sample(CAPTIONS[0])], model.encode_text(CAPTIONS[:1])
    points = model.decoder.references(model.query_embedding.weight).sigmoid()
    for layer in model.bbox_head.reg_mlp.layers:
        torch.nn.init.zeros_(layer.weight), torch.nn.init.zeros_(layer.bias)
    fused = model.fuse(model.image_tokens(feat, samples), text)
    decoded = model.decode(fused)
    outputs = model.bbox_head(decoded.objects, fused.text, decoded.references)
    assert_close(outputs.boxes[..., :2], points.expand(2, 1, -1, -1))


def test_smcas_decoder_and_the_contrast_of_whole_images_exclude_each_other(folder):
    with pytest.raises(ValueError, match='loss_image_text'):
        build(folder, dict(pooled=True), decoder=dict(type='SMCATransformerDecoder', strides=(32, )),
              loss_image_text=dict(type='ImageTextContrastiveLoss'))


@torch.no_grad()
def test_a_repeated_image_goes_through_the_backbone_once(folder, monkeypatch):
    model = build(folder).eval()
    images, captions = torch.randn(3, 3, 96, 128)[[0, 0, 0, 1, 2, 2]], [*CAPTIONS, 'blue', '', *CAPTIONS]
    names = ['a', 'a', 'a', 'a', 'c', None]  # the fourth is another crop; of the last nothing is known
    samples = [sample(caption, **(dict(img_path=name) if name else {})) for caption, name in zip(captions, names)]
    expected = [model(images[i:i + 1], samples[i:i + 1], mode='tensor') for i in range(6)]
    seen, backbone = [], model.backbone.forward
    monkeypatch.setattr(model.backbone, 'forward', lambda x: (seen.append(len(x)), backbone(x))[1])
    outputs = model(images, samples, mode='tensor')
    assert seen == [4]
    for i, expected_output in enumerate(expected):
        assert_close(outputs.logits[:, i:i + 1], expected_output.logits, rtol=1e-4, atol=1e-5)
        assert_close(outputs.boxes[:, i:i + 1], expected_output.boxes, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('mode', ['loss', 'predict', 'tensor'])
def test_points_of_smcas_decoder_are_predicted_once(folder, mode):
    model, calls = build(folder, decoder=dict(type='SMCATransformerDecoder', strides=(32, ))), []
    model.decoder.centre.register_forward_hook(lambda *_: calls.append(mode))
    model(torch.randn(1, 3, 96, 128), [sample(CAPTIONS[0], [[[0, 5]]])], mode=mode)
    assert calls == [mode]


def test_mdetrs_decoder_takes_one_map(folder):
    tokens = torch.randn(1, 6, 64)
    memory = Memory([tokens] * 2, [tokens] * 2, [None] * 2, [(2, 3)] * 2)
    with pytest.raises(ValueError, match='takes 1 maps, got 2'):
        build(folder).decoder(tokens, tokens, memory)


@torch.no_grad()
def test_texts_can_be_chosen_from_those_encoded_before(folder):
    model = build(folder).eval()
    text = model.encode_text(CAPTIONS)
    chosen = text.select([1, 0, 1])
    assert isinstance(chosen, TextTokens) and chosen.offsets == [text.offsets[i] for i in (1, 0, 1)]
    assert chosen.tokens.equal(text.tokens[[1, 0, 1]]) and chosen.padding.equal(text.padding[[1, 0, 1]])


@torch.no_grad()
def test_scores_of_phrases(folder):
    model = build(folder).eval()
    phrases = [[[0, 12]], [[21, 35]], [[12, 13]]]  # the last is a space
    result, = model.predict(torch.randn(1, 3, 96, 128), [sample(CAPTIONS[0], tokens_positive_eval=phrases)])
    instances = result.pred_instances
    assert instances.phrase_scores.shape == (10, 3) and not instances.phrase_scores[:, 2].any()
    text = model.encode_text(CAPTIONS[:1])
    assert (instances.phrase_scores[:, :2] > 0).all() and (instances.scores <= 1).all()
    assert text.offsets[0][1] == (0, 1)


@pytest.mark.parametrize('caption', ['', 'a', '赤い丸の左の青い星', 'a 🐈 on a mat', 'zzz qqq unseen ÄÖÜ'])
def test_any_caption_trains_and_predicts(folder, caption):
    model = build(folder).train()
    spans = [[[0, len(caption)]]] if caption else []
    losses = model.loss(torch.randn(1, 3, 96, 128), [sample(caption, spans)])
    assert sum(losses.values()).isfinite()
    with torch.no_grad():
        result, = model.eval().predict(torch.randn(1, 3, 96, 128), [sample(caption, spans)])
    assert len(result.pred_instances) == 10


def test_more_objects_than_queries(folder):
    model = build(folder).train()
    losses = model.loss(torch.randn(1, 3, 96, 128), [sample(CAPTIONS[0], [[[0, 12]]] * 300)])
    assert sum(losses.values()).isfinite()


def test_a_frozen_text_encoder_stays_as_it_is(folder):
    model = build(folder, text=dict(frozen=True)).train()
    sum(model.loss(torch.randn(1, 3, 96, 128), [sample(CAPTIONS[0])]).values()).backward()
    assert all(p.grad is None for p in model.text_encoder.parameters())
    assert all(p.grad is not None for p in model.resizer.parameters())


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_half_precision_is_finite(folder, dtype):
    model = build(folder).train()
    with torch.autocast('cpu', dtype=dtype):
        losses = model.loss(torch.randn(1, 3, 96, 128), [sample(CAPTIONS[0])])
    total = sum(losses.values())
    assert total.dtype == torch.float32 and total.isfinite()
    total.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_a_contrast_of_images_and_captions(folder):
    loss = dict(type='ImageTextContrastiveLoss')
    model = build(folder, text=dict(pooled=True), loss_image_text=loss).train()
    losses = model.loss(torch.randn(2, 3, 96, 128), [sample(caption) for caption in CAPTIONS])
    assert losses['loss_image_text'].isfinite()
    sum(losses.values()).backward()
    assert [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None] == []
    with pytest.raises(ValueError, match='pooled=True'):
        build(folder, loss_image_text=loss)


def test_samples_without_caption_or_spans_are_named(folder):
    model = build(folder).train()
    silent = sample(CAPTIONS[0], img_path='a/b.jpg')
    silent.set_metainfo(dict(text=None))
    with pytest.raises(ValueError, match='a/b.jpg: MDETR needs a caption'):
        model.loss(torch.randn(1, 3, 96, 128), [silent])
    bare = sample(CAPTIONS[0], img_path='a/b.jpg')
    del bare.gt_instances.tokens_positive
    with pytest.raises(ValueError, match='a/b.jpg: gt_instances has no tokens_positive'):
        model.loss(torch.randn(1, 3, 96, 128), [bare])


def test_a_caption_that_is_too_long_is_named(folder):
    with pytest.raises(ValueError, match='tokens'):
        build(folder).encode_text(['cat ' * 600])
