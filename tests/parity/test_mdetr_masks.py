"""MDETR's masks against the numbers of the published implementation: the whole model, post-processing, losses."""

import pytest
import torch
from golden.cases import Case, load_case
from golden.compare import approx, assert_close
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from parity.test_mdetr_model import inputs_of, text_of
from torchvision.ops import box_convert

from mmdet_ext.checkpoints import convert_with_report
from mmdet_ext.models.detectors.mdetr_segmenter import MDETRSegmenter, mask_inputs
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

TOLERANCE = dict(rtol=1e-4, atol=1e-4)


@pytest.fixture(scope='module')
def case() -> Case:
    return load_case('mdetr', 'model_segm')


def threshold(case: Case) -> float:
    """The published one is the score of a query, and not above itself: a little more, as ours may differ from it."""
    return case.inputs['phrasecut_score_thresh'] + 1e-6


@pytest.fixture(scope='module')
def model(case, tmp_path_factory, device) -> MDETRSegmenter:
    """Our model of the config and the options that the converter names; its tokenizer is not used."""
    init_default_scope('mmdet')
    folder = tmp_path_factory.mktemp('text')
    conversion = convert_with_report('mdetr', case.state_dict)
    assert conversion.recipe.model == 'mdetr-r50-phrasecut' and len(conversion.rows) == len(case.state_dict)
    save_encoder_folder(train_tokenizer(['a b'], 300), folder, layers=1, hidden_size=32, heads=2)
    cfg = Config.fromfile(conversion.recipe.config)
    cfg.merge_from_dict(dict(conversion.recipe.options))
    text = {key: value for key, value in case.settings['roberta'].items() if key not in ('class', 'note')}
    cfg.merge_from_dict(dict(model=dict(text_encoder=dict(name=str(folder), pretrained=False, pooled=True, config=text),
                                        backbone=dict(init_cfg=None),
                                        test_cfg=dict(score_thr=threshold(case)))))
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(conversion.state_dict)
    return model.to(device)


@pytest.fixture(scope='module')
def stages(case, model, device) -> tuple:
    """Maps, fused tokens and hidden states of the case."""
    images, samples = inputs_of(case, device)
    with torch.no_grad():
        maps = model.extract_feat(images)
        fused = model.fuse(model.image_tokens(maps[-1], samples), text_of(model, case)[1])
        return maps, fused, model.decode(fused).objects


@torch.no_grad()
def test_attention_and_masks_of_all_queries(case, model, stages, device):
    maps, fused, states = stages
    inputs = mask_inputs(maps, fused, states)
    attention = model.mask_head.attention(inputs.states, inputs.memory, inputs.padding)
    assert_close(attention.view(case['attention'].shape), case['attention'], rtol=1e-4, atol=1e-5)
    outputs = model.bbox_head(states, fused.text)
    assert_close(outputs.logits[-1], case['pred_logits'], rtol=0, atol=1e-4)
    assert_close(outputs.boxes[-1], case['pred_boxes'], rtol=0, atol=3e-5)
    image, query = torch.ones(2, 6, device=device).nonzero(as_tuple=True)
    masks = model.mask_head(inputs, image, query).unflatten(0, (2, 6))
    assert_close(masks, case['pred_masks'], **TOLERANCE)


@torch.no_grad()
def test_masks_in_pixels(case, model, device):
    samples = inputs_of(case, device)[1]
    for sample, size in zip(samples, case.inputs['orig_sizes_hw']):
        sample.set_metainfo(dict(ori_shape=tuple(size)))
    predicted_masks = model.mask_head.predict_by_feat(list(case['pred_masks'].to(device)), samples)
    for i, masks in enumerate(predicted_masks):
        assert masks.cpu().equal(case[f'masks.{i}'][:, 0].bool())


@torch.no_grad()
def test_what_is_kept_for_phrasecut_through_the_whole_model(case, model, monkeypatch, device):
    images, samples = inputs_of(case, device)
    text = text_of(model, case)[1]
    monkeypatch.setattr(model, 'encode_text', lambda captions: text)
    for sample, size, caption in zip(samples, case.inputs['orig_sizes_hw'], case.inputs['captions']):
        sample.set_metainfo(dict(ori_shape=tuple(size), text=caption))
    for i, sample in enumerate(model.predict(images, samples)):
        instances = sample.pred_instances
        boxes = torch.tensor(case.results['phrasecut_boxes_xywh'][i])
        assert_close(box_convert(instances.bboxes, 'xyxy', 'xywh'), boxes, rtol=0, atol=2e-2)
        scores = case['post_scores'][i]
        assert_close(instances.scores, scores[scores > threshold(case)], **TOLERANCE)
        # a logit that two ways of adding put on different sides of 0 may cost a pixel
        assert (instances.masks.any(0).cpu() != case[f'phrasecut.{i}'].bool()).sum() <= 2


@pytest.mark.parametrize('kind', ['binary', 'normalised'])
def test_losses_and_gradients(kind, device):
    case = load_case('mdetr', 'losses_extra')
    head = MODELS.build(dict(type='MDETRMaskHead')).to(device)
    logits = case['in.pred_masks'].to(device, copy=True).requires_grad_()
    *_, indices = case.results[kind]['indices']
    height = max(case[f'target.masks.{i}'].shape[1] for i in range(2))
    width = max(case[f'target.masks.{i}'].shape[2] for i in range(2))
    chosen, targets = [], []
    for i, (queries, objects) in enumerate(indices):
        chosen.append(logits[i, queries])
        masks = case[f'target.masks.{i}'][objects].to(device)
        targets.append(torch.nn.functional.pad(masks, (0, width - masks.shape[2], 0, height - masks.shape[1])))
    count = torch.tensor(float(case.settings['num_boxes']), device=device)
    losses = head.loss_by_feat(torch.cat(chosen), torch.cat(targets), count)
    published = case.results[kind]['losses']
    assert losses.keys() == {'loss_mask', 'loss_dice'}
    for name, value in losses.items():
        assert value.item() == approx(published[name], device, rel=2e-6)
    sum(losses.values()).backward()
    assert_close(logits.grad, case[f'{kind}.grad.pred_masks'], rtol=1e-5, atol=1e-7)
