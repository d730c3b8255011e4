"""PromptedMDETR: its boxes and labels against one full pass per prompt, what it keeps, and mmdet's metrics."""
import json

import mmdet.evaluation.metrics.lvis_metric as lvis_metric
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from torch.testing import assert_close

from mmdet_ext.text.prompts import prompt_text
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

NAMES = ('cat', 'Band_Aid', 'bow_(weapon)', 'ice__maker', 'traffic light')
QUERIES = 6
EXACT = dict(rtol=1e-4, atol=1e-4)


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp('text') / 'encoder'
    save_encoder_folder(train_tokenizer(NAMES, 280), folder, layers=1, hidden_size=32, heads=2)
    return str(folder)


@pytest.fixture
def build(folder):

    def run(type_: str = 'PromptedMDETR', **test_cfg) -> torch.nn.Module:
        attention = dict(embed_dims=32, num_heads=4, dropout=0.1)
        layer = dict(self_attn_cfg=attention, ffn_cfg=dict(embed_dims=32, feedforward_channels=48))
        torch.manual_seed(1)
        return MODELS.build(dict(
            type=type_,
            num_queries=QUERIES,
            backbone=dict(type='ResNet', depth=18, base_channels=8, out_indices=(3, )),
            neck=dict(type='ChannelMapper', in_channels=[64], kernel_size=1, out_channels=32, act_cfg=None, num_outs=1),
            text_encoder=dict(type='RobertaTextEncoder', name=folder, pretrained=False),
            encoder=dict(num_layers=2, layer_cfg=layer),
            decoder=dict(num_layers=2, layer_cfg=dict(layer, cross_attn_cfg=attention)),
            positional_encoding=dict(num_feats=16, normalize=True),
            bbox_head=dict(type='MDETRHead', embed_dims=32),
            train_cfg=dict(assigner=dict(type='HungarianAssigner', match_costs=[dict(type='SoftTokenCost')])),
            test_cfg=test_cfg or None)).eval()

    return run


@pytest.fixture
def text_passes(monkeypatch):
    """Counts the captions that a model's text encoder is given."""

    def watch(model: torch.nn.Module) -> list[str]:
        given, forward = [], model.text_encoder.forward
        monkeypatch.setattr(model.text_encoder, 'forward', lambda captions: given.extend(captions) or forward(captions))
        return given

    return watch


def sample(text: object = NAMES, shape: tuple[int, int] = (96, 128), **meta) -> DetDataSample:
    return DetDataSample(metainfo=dict(text=text, img_shape=shape, ori_shape=(shape[0] * 2, shape[1] * 2),
                                       batch_input_shape=(96, 128), scale_factor=(0.5, 0.5), **meta))


def assert_same_boxes(instances: InstanceData, expected: InstanceData) -> None:
    assert_close(instances.labels, expected.labels)
    assert_close(instances.scores, expected.scores, **EXACT)
    assert_close(instances.bboxes, expected.bboxes, **EXACT)


@pytest.mark.parametrize('chunk', [1, 2, 32])
@pytest.mark.parametrize('rescale', [True, False])
@torch.no_grad()
def test_results_are_those_of_one_full_pass_per_prompt(build, chunk, rescale):
    prompted, plain = build(chunk=chunk), build('MDETR')
    plain.load_state_dict(prompted.state_dict())
    images, shapes = torch.randn(2, 3, 96, 128), ((96, 128), (64, 100))
    results = prompted.predict(images, [sample(shape=shape) for shape in shapes], rescale)
    for label, name in enumerate(NAMES):
        full_pass = plain.predict(images, [sample(prompt_text(name), shape) for shape in shapes], rescale)
        for result, expected in zip(results, full_pass):
            instances = result.pred_instances[result.pred_instances.labels == label]
            expected.pred_instances.labels.fill_(label)
            assert len(instances) == QUERIES
            assert_same_boxes(instances, expected.pred_instances)


@torch.no_grad()
def test_the_image_is_encoded_once_and_the_prompts_once_for_all_images(build, text_passes, monkeypatch):
    model = build(chunk=2)
    given, images, extract = text_passes(model), [], model.extract_feat
    monkeypatch.setattr(model, 'extract_feat', lambda image: images.append(len(image)) or extract(image))
    for batch in (2, 1):
        model.predict(torch.randn(batch, 3, 96, 128), [sample() for _ in range(batch)])
    assert given == ['cat', 'Band Aid', 'bow ', 'ice maker', 'traffic light'] and images == [2, 1]


def double_text(model: torch.nn.Module) -> None:
    model.resizer.fc.weight.mul_(2)


def load_doubled(model: torch.nn.Module) -> None:
    model.load_state_dict({name: value * 2 if name == 'resizer.fc.weight' else value
                           for name, value in model.state_dict().items()})


def swap_averages(model: torch.nn.Module) -> None:
    """Exchange weights as mmengine's EMAHook does between training and evaluation."""
    model.train()
    model.resizer.fc.weight.data.copy_(model.resizer.fc.weight.data * 2)
    model.eval()


@pytest.mark.parametrize('change', [double_text, load_doubled, swap_averages])
@torch.no_grad()
def test_other_weights_are_seen(build, change):
    model, image = build(), torch.randn(1, 3, 96, 128)
    before, = model.predict(image, [sample()])
    before = before.pred_instances
    change(model)
    changed, = model.predict(image, [sample()])
    fresh = build()
    fresh.load_state_dict(model.state_dict())
    expected, = fresh.predict(image, [sample()])
    assert_same_boxes(changed.pred_instances, expected.pred_instances)
    assert not torch.allclose(changed.pred_instances.scores, before.scores, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_training_mode_keeps_nothing(build, text_passes):
    model = build()
    given = text_passes(model)
    model.predict(torch.randn(1, 3, 96, 128), [sample()])
    model.train()
    for _ in range(2):
        model.encode_prompts(NAMES)
    model.eval()
    model.encode_prompts(NAMES)
    assert len(given) == 4 * len(NAMES)


@torch.no_grad()
def test_half_precision_and_full_do_not_share_prompts(build):
    model = build()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        model.predict(torch.randn(1, 3, 96, 128), [sample()])
    assert model.encode_prompts(NAMES)[0].tokens.equal(model.encode_text([prompt_text(name) for name in NAMES]).tokens)


@torch.no_grad()
def test_names_come_from_the_config_the_sample_or_the_data_set(build):
    image = torch.randn(1, 3, 96, 128)
    model = build(prompts=['dog', 'cat'])
    for text in (NAMES, 'a caption', None):
        assert model.names_of(sample(text)) == ('dog', 'cat')
    model = build()
    model.dataset_meta = dict(classes=('dog', ))
    assert model.names_of(sample(list(NAMES))) == NAMES and model.names_of(sample(None)) == ('dog', )
    result, = model.predict(image, [sample('a cat')])
    assert result.pred_instances.phrases[0] in 'a cat'  # grounded as by MDETR


@torch.no_grad()
def test_samples_of_a_batch_may_have_other_classes(build):
    model, images = build(), torch.randn(2, 3, 96, 128)
    both = model.predict(images, [sample(NAMES[:2]), sample(NAMES[2:])])
    for i, names in enumerate((NAMES[:2], NAMES[2:])):
        alone, = model.predict(images[i:i + 1], [sample(names)])
        assert_same_boxes(both[i].pred_instances, alone.pred_instances)


@torch.no_grad()
def test_max_per_img_keeps_the_best(build):
    model, image = build(max_per_img=7), torch.randn(1, 3, 96, 128)
    best, = model.predict(image, [sample()])
    model.max_per_img = None
    every, = model.predict(image, [sample()])
    assert len(every.pred_instances) == QUERIES * len(NAMES) and len(best.pred_instances) == 7
    assert_close(best.pred_instances.scores, every.pred_instances.scores.sort(descending=True).values[:7])


def test_training_is_that_of_mdetr(build):
    model, plain = build().train(), build('MDETR').train()
    plain.load_state_dict(model.state_dict())
    truth = sample('traffic light')
    truth.gt_instances = InstanceData(bboxes=torch.tensor([[5., 8, 60, 70]]), labels=torch.zeros(1, dtype=torch.long),
                                      tokens_positive=[[[0, 13]]])
    image, losses = torch.randn(1, 3, 96, 128), []
    for detector in (model, plain):
        torch.manual_seed(0)
        losses.append(detector.loss(image, [truth]))
    assert_close(*losses)


@pytest.mark.parametrize('options, message', [
    (dict(chunk=0), 'test_cfg.chunk should be a positive whole number, got 0'),
    (dict(max_per_img=-3), 'test_cfg.max_per_img should be a positive whole number, got -3'),
    (dict(prompts=[]), r'test_cfg.prompts should be a list of at least one name, got \[\]'),
    (dict(prompts='cat'), "test_cfg.prompts should be a list of at least one name, got 'cat'"),
    (dict(prompts=['cat', '(x)']), r"test_cfg.prompts: nothing is left of the class name '\(x\)'"),
    (dict(prompts=['cat', 3]), 'test_cfg.prompts: a class should have a text for its name, got 3'),
])
def test_wrong_options_are_named(build, options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_an_image_without_names_is_named(build):
    with pytest.raises(ValueError, match='a/b.jpg: PromptedMDETR needs the names .* got text=None'):
        build().predict(torch.randn(1, 3, 96, 128), [sample(None, img_path='a/b.jpg')])


@pytest.fixture
def ann_file(tmp_path) -> str:
    """Two boxes; the ids of their classes have gaps and are not the labels."""
    categories = [dict(id=id_, name=name, frequency='f') for id_, name in zip((1, 4, 700, 1002, 1203), NAMES)]
    images = [dict(id=5, width=256, height=192, file_name='5.jpg', neg_category_ids=[], not_exhaustive_category_ids=[])]
    boxes = [dict(id=1, image_id=5, category_id=700, bbox=[10, 20, 100, 50], area=5000, iscrowd=0),
             dict(id=2, image_id=5, category_id=1203, bbox=[30, 40, 50, 90], area=4500, iscrowd=0)]
    (tmp_path / 'ann.json').write_text(json.dumps(dict(images=images, annotations=boxes, categories=categories)))
    return str(tmp_path / 'ann.json')


@pytest.fixture
def perfect(build, monkeypatch):
    """A model whose prompts 2 and 4 find the boxes of `ann_file`, and the others find them with little score."""
    model = build(chunk=2)
    boxes, asked = torch.tensor([[10., 20, 110, 70], [30, 40, 80, 130]]), []

    def predict(hidden, text, offsets, samples, rescale, references=None) -> list[InstanceData]:
        predictions = []
        for _ in samples:
            hit = {2: 0, 4: 1}.get(len(asked))
            scores = torch.tensor([0.9 if box == hit else 0.01 for box in range(2)])
            asked.append(hit)
            labels = torch.zeros(2, dtype=torch.long)
            predictions.append(InstanceData(bboxes=boxes.clone(), scores=scores, labels=labels))
        return predictions

    monkeypatch.setattr(model.bbox_head, 'predict', predict)
    return model


def test_coco_metric_reads_the_labels(perfect, ann_file):
    metric = CocoMetric(ann_file=ann_file)
    metric.dataset_meta = dict(classes=NAMES)
    result, = perfect.predict(torch.randn(1, 3, 96, 128), [sample(img_id=5)])
    metric.process({}, [result.to_dict()])
    assert metric.evaluate(size=1)['coco/bbox_mAP'] == 1


def test_lvis_fixed_ap_metric_reads_the_labels(perfect, ann_file, monkeypatch):

    class LVIS(COCO):  # the package `lvis`, as far as this metric's collection of results asks it

        def get_cat_ids(self) -> list[int]:
            return self.getCatIds()

    monkeypatch.setattr(lvis_metric, 'lvis', object())
    monkeypatch.setattr(lvis_metric, 'LVIS', LVIS, raising=False)
    metric = lvis_metric.LVISFixedAPMetric(ann_file=ann_file)
    result, = perfect.predict(torch.randn(1, 3, 96, 128), [sample(img_id=5)])
    metric.process({}, [result.to_dict()])
    best = {category: max(rows, key=lambda row: row['score']) for category, rows in metric.results.items()}
    assert best.keys() == {1, 4, 700, 1002, 1203}
    assert {category for category, row in best.items() if row['score'] > 0.5} == {700, 1203}
    assert best[1203]['bbox'] == [30, 40, 50, 90] and best[700]['image_id'] == 5
