"""MDETR's positive maps, losses, backbone and post-processing against the numbers of the published implementation."""
import pytest
import torch
from golden.cases import load_case
from golden.compare import approx, assert_close
from golden.fill import image
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import bbox_cxcywh_to_xyxy
from mmengine.structures import InstanceData

from mmdet_ext.checkpoints.mdetr import backbone_recipe
from mmdet_ext.checkpoints.rules import rename
from mmdet_ext.models.dense_heads import GroundingOutputs
from mmdet_ext.text.positive_map import positive_map

ASSIGNER = dict(
    type='HungarianAssigner',
    match_costs=[
        dict(type='SoftTokenCost', weight=1.),
        dict(type='BBoxL1Cost', weight=5., box_format='xywh'),
        dict(type='IoUCost', iou_mode='giou', weight=2.)
    ])
SIZE = (480, 640)


def make_head(**options) -> torch.nn.Module:
    align = dict(type='ContrastiveAlignLoss')
    return MODELS.build(dict(dict(type='MDETRHead', loss_align=align, train_cfg=dict(assigner=ASSIGNER)), **options))


@pytest.mark.parametrize('number', range(22))
def test_positive_maps(number):
    case = load_case('mdetr', 'positive_map')
    published = case.results['cases'][number]
    rows = positive_map(published['offsets'], published['tokens_positive'], normalised=True)
    assert_close(rows, case[f'map.{number}'], rtol=0, atol=1e-7)
    maps = positive_map(published['offsets'], published['tokens_positive'])
    columns = [row.nonzero().flatten().tolist() for row in maps]
    assert columns == published['positive_tokens']


@pytest.mark.parametrize('span', [(0, 0), (-1, 5)])
def test_spans_before_the_caption_are_errors(span):
    with pytest.raises(ValueError, match='at 0 or later, got -1'):
        positive_map([(0, 0), (0, 3)], [[span]])


def samples_of(case, device: torch.device, with_final: bool = False) -> list[DetDataSample]:
    scale, samples = torch.tensor([SIZE[1], SIZE[0]] * 2), []
    for target in case.inputs['targets']:
        boxes = bbox_cxcywh_to_xyxy(torch.tensor(target['boxes_cxcywh'])) * scale
        instances = InstanceData(bboxes=boxes, labels=torch.zeros(len(boxes), dtype=torch.long),
                                 tokens_positive=target['tokens_positive'])
        if with_final:
            instances.isfinal = torch.tensor(target['isfinal'])
        sample = DetDataSample(gt_instances=instances.to(device))
        sample.set_metainfo(dict(img_shape=SIZE, ori_shape=SIZE))
        samples.append(sample)
    return samples


@pytest.mark.parametrize('kind', ['binary', 'normalised'])
@pytest.mark.parametrize('name', ['losses', 'losses_extra'])
def test_losses_matching_and_gradients(name, kind, device):
    case = load_case('mdetr', name)
    final = name == 'losses_extra'
    head = make_head(normalised_maps=kind == 'normalised', predict_final=final,
                     **(dict(loss_align=None) if final else {})).to(device)
    inputs = ('pred_logits', 'pred_boxes', *(['pred_isfinal'] if final else ['proj_queries', 'proj_tokens']))
    leaves = {key: case[f'in.{key}'].to(device, copy=True).requires_grad_() for key in inputs}
    outputs = GroundingOutputs(leaves['pred_logits'], leaves['pred_boxes'], leaves.get('proj_queries'),
                               leaves.get('proj_tokens'), leaves['pred_isfinal'].squeeze(-1) if final else None)
    samples, offsets = samples_of(case, device, final), case.inputs['offsets']
    losses = head.loss_by_feat(outputs, offsets, samples)

    published = case.results[kind]
    published_names = dict(ce=('ce', 1), bbox=('bbox', 5), iou=('giou', 2), align=('contrastive_align', 1),
                           isfinal=('isfinal', 1))
    last = len(outputs.logits) - 1
    for layer in range(last + 1):
        start, end = ('', '') if layer == last else (f'd{layer}.', f'_{layer}')
        for key, (published_name, weight) in published_names.items():
            if f'loss_{published_name}{end}' in published['losses']:
                expected = weight * published['losses'][f'loss_{published_name}{end}']
                assert losses.pop(f'{start}loss_{key}').item() == approx(expected, device, rel=2e-6)
        for key in ('cardinality_error', *(['accuracy_isfinal'] if final else [])):
            expected = published['losses'][f'{key}{end}']
            assert losses.pop(f'{start}{key}').item() == approx(expected, device, rel=1e-6)
    assert losses == {}

    maps = [head.object_maps(tokens, sample).to(device) for tokens, sample in zip(offsets, samples)]
    assert_close(torch.cat(maps), case[f'{kind}.positive_map'])
    for number, expected in enumerate(published['indices']):
        matched = head.match(outputs.logits, outputs.boxes, maps, samples)[number]
        for i, (queries, objects) in enumerate(expected):
            of_image = matched.image == i
            pairs = zip(matched.query[of_image].tolist(), matched.object[of_image].tolist())
            assert dict(pairs) == dict(zip(queries, objects))

    if not final:  # the published sum of the other case has losses of masks
        losses = head.loss_by_feat(outputs, offsets, samples)
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        for key, leaf in leaves.items():
            assert_close(leaf.grad, case[f'{kind}.grad.{key}'], rtol=1e-5, atol=1e-6)


def test_post_processing(device):
    case = load_case('mdetr', 'postprocess')
    final = case['in.pred_isfinal'].to(device).squeeze(-1)[None]
    samples = []
    for size in case.inputs['target_sizes_hw']:
        sample = DetDataSample()
        sample.set_metainfo(dict(ori_shape=tuple(size), img_shape=(800, 900)))
        samples.append(sample)
    logits, boxes = (case[f'in.{name}'][None].to(device) for name in ('pred_logits', 'pred_boxes'))
    outputs = GroundingOutputs(logits, boxes, None, None, None)
    head = make_head().to(device)
    plain = head.predict_by_feat(outputs, [[], []], samples)
    with_final = head.predict_by_feat(outputs._replace(isfinal=final), [[], []], samples)
    for i in range(2):
        assert_close(plain[i].scores, case['scores'][i])
        assert_close(plain[i].bboxes, case['boxes'][i], rtol=1e-5, atol=1e-3)
        assert_close(with_final[i].scores, case['scores'][i])
        assert_close(with_final[i].scores_refexp, case['scores_refexp'][i])


def test_efficientnet_b3_through_the_converter(device):
    case = load_case('mdetr', 'backbone_effb3')
    weights, _ = rename(case.state_dict, backbone_recipe(case.state_dict).rules)
    norm = dict(type='BN', eps=1e-5, requires_grad=False)
    model = MODELS.build(dict(type='EfficientNet', arch='b3', out_indices=(2, 3, 4, 5), norm_cfg=norm, norm_eval=True))
    model.to(device).eval()
    model.load_state_dict({key.removeprefix('backbone.'): value for key, value in weights.items()})
    mean, std = (torch.tensor(case.inputs['image'][key]).view(3, 1, 1) for key in ('mean', 'std'))
    inputs = (torch.from_numpy(image('mdetr.backbone_effb3.image', (1, 3, 96, 128))) - mean) / std
    (height, width), = case.inputs['image']['valid_hw']
    inputs[:, :, height:] = 0
    inputs[:, :, :, width:] = 0
    with torch.no_grad():
        for i, feat in enumerate(model(inputs.to(device))):
            assert_close(feat, case[f'feat.{i}'], rtol=1e-5, atol=1e-5)
