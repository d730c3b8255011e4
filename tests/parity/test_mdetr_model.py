"""The whole MDETR against the numbers of the published implementation, through the converter."""
import torch
from golden.cases import Case, load_case
from golden.compare import approx, assert_close
from golden.fill import image
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample

from mmdet_ext.checkpoints import convert_with_report
from mmdet_ext.models.detectors.mdetr import TextTokens
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

TOLERANCE = dict(rtol=1e-4, atol=1e-4)


def build(case: Case, folder, device: torch.device, **options) -> torch.nn.Module:
    """Our model of the case's sizes; its tokenizer is not used."""
    args = case.settings
    save_encoder_folder(train_tokenizer(['a b'], 300), folder, layers=1, hidden_size=32, heads=2)
    attention = dict(embed_dims=256, num_heads=8, dropout=0.1)
    layer = dict(self_attn_cfg=attention, ffn_cfg=dict(embed_dims=256, feedforward_channels=2048, ffn_drop=0.1))
    text = {key: value for key, value in case.settings['roberta'].items() if key not in ('class', 'note')}
    depth = int(args['backbone'].removeprefix('resnet'))
    model = MODELS.build(dict(
        dict(
            type='MDETR',
            num_queries=args['num_queries'],
            backbone=dict(type='ResNet', depth=depth, out_indices=(3, ), norm_cfg=dict(type='BN', requires_grad=False),
                          norm_eval=True, style='pytorch'),
            neck=dict(type='ChannelMapper', in_channels=[2048 if depth > 34 else 512], kernel_size=1, out_channels=256,
                      act_cfg=None, norm_cfg=None, num_outs=1),
            text_encoder=dict(type='RobertaTextEncoder', name=str(folder), pretrained=False, config=text, pooled=True),
            encoder=dict(num_layers=args['enc_layers'], layer_cfg=layer),
            decoder=dict(num_layers=args['dec_layers'], layer_cfg=dict(layer, cross_attn_cfg=attention)),
            positional_encoding=dict(num_feats=128, normalize=True),
            bbox_head=dict(type='MDETRHead', loss_align=dict(type='ContrastiveAlignLoss'))), **options))
    return model.to(device).eval()


def inputs_of(case: Case, device: torch.device) -> tuple[torch.Tensor, list[DetDataSample]]:
    """Normalised, padded images, and samples with their sizes."""
    spec = case.inputs['image']
    name, shape = spec['name'], spec['shape']
    mean, std = (torch.tensor(spec[key]).view(3, 1, 1) for key in ('mean', 'std'))
    images = (torch.from_numpy(image(name, tuple(shape))) - mean) / std
    samples = []
    for pixels, (height, width) in zip(images, spec['valid_hw']):
        pixels[:, height:] = 0
        pixels[:, :, width:] = 0
        sample = DetDataSample()
        sample.set_metainfo(dict(img_shape=(height, width), batch_input_shape=tuple(shape[2:])))
        samples.append(sample)
    return images.to(device), samples


def text_of(model: torch.nn.Module, case: Case) -> tuple[torch.Tensor, TextTokens]:
    ids, mask = (torch.tensor(case.inputs[key]) for key in ('input_ids', 'attention_mask'))
    ids, mask = (tensor.to(model.query_embedding.weight.device) for tensor in (ids, mask))
    hidden, pooled = model.text_encoder.encode_tokens(ids, mask)
    return hidden, TextTokens(model.resizer(hidden), mask == 0, pooled, case.inputs['offsets'])


@torch.no_grad()
def test_every_stage_of_the_model(tmp_path, device):
    case = load_case('mdetr', 'model')
    conversion = convert_with_report('mdetr', case.state_dict)
    assert conversion.recipe.model == 'mdetr-r50' and len(conversion.rows) == 506
    assert conversion.recipe.options == {'model.backbone.depth': 50, 'model.text_encoder.config.num_hidden_layers': 2,
                                         'model.text_encoder.pretrained': False}
    model = build(case, tmp_path, device)
    model.load_state_dict(conversion.state_dict)
    images, samples = inputs_of(case, device)

    hidden, text = text_of(model, case)
    words = ~text.padding.cpu()
    assert_close(hidden[~text.padding], case['text_last_hidden'][words], **TOLERANCE)
    assert_close(text.pooled, case['text_pooler'], **TOLERANCE)
    assert_close(text.tokens[~text.padding], case['text_memory_resized'].transpose(0, 1)[words], **TOLERANCE)

    feat, = model.extract_feat(images)
    assert_close(feat, case['input_proj'], **TOLERANCE)
    tokens = model.encode_image(images, samples)
    assert_close(tokens.pos, case['pos_embed'].flatten(2).transpose(1, 2), **TOLERANCE)
    assert tokens.padding.cpu().equal(case['feat_mask'].flatten(1))

    fused = model.fuse(tokens, text)
    assert fused.padding.cpu().equal(case['mask'])
    seen = ~fused.padding
    assert_close(fused.memory[seen], case['img_memory'].transpose(0, 1)[seen.cpu()], **TOLERANCE)
    outputs = model.bbox_head(model.decode(fused).objects, fused.text)
    assert_close(outputs.logits, case['pred_logits'], rtol=0, atol=1e-4)
    assert_close(outputs.boxes, case['pred_boxes'], rtol=0, atol=3e-5)
    assert_close(outputs.queries, case['proj_queries'], rtol=0, atol=1e-5)
    assert_close(outputs.tokens[~text.padding], case['proj_tokens'][words], rtol=0, atol=1e-5)

    for sample, size in zip(samples, case.inputs['post_target_sizes_hw']):
        sample.set_metainfo(dict(ori_shape=tuple(size)))
    results = model.bbox_head.predict(model.decode(fused).objects[-1:], fused.text, text.offsets, samples)
    for i, result in enumerate(results):
        assert_close(result.scores, case['post_scores'][i], **TOLERANCE)
        assert_close(result.bboxes, case['post_boxes'][i], rtol=0, atol=2e-2)


@torch.no_grad()
def test_the_contrast_of_images_and_captions(tmp_path, device):
    case = load_case('mdetr', 'model_cls')
    conversion = convert_with_report('mdetr', case.state_dict)
    assert conversion.recipe.options['model.loss_image_text.type'] == 'ImageTextContrastiveLoss'
    model = build(case, tmp_path, device, loss_image_text=dict(type='ImageTextContrastiveLoss', loss_weight=1.))
    model.load_state_dict(conversion.state_dict)
    _, text = text_of(model, case)
    fused = model.fuse(model.encode_image(*inputs_of(case, device)), text)
    seen = ~fused.padding
    assert fused.padding.cpu().equal(case['mask'])
    assert_close(fused.memory[seen], case['img_memory'].transpose(0, 1)[seen.cpu()], **TOLERANCE)
    pooled = model.pool(fused, text)
    for vectors, published_name in zip(pooled, ('img_pooled', 'text_pooled')):
        assert_close(vectors, case[published_name], **TOLERANCE)
    assert model.loss_image_text(*pooled).item() == approx(case.results['contrastive_loss'], device, rel=1e-4)
    outputs = model.bbox_head(model.decode(fused).objects, fused.text)
    assert_close(outputs.logits, case['pred_logits'], rtol=0, atol=1e-4)
    assert_close(outputs.boxes, case['pred_boxes'], rtol=0, atol=3e-5)
