"""TextYOLOv9: trains, is asked for words, becomes a plain YOLOv9, and names what is wrong."""
import copy

import pytest
import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch.testing import assert_close

from mmdet_ext.deployment import count_flops, deploy
from mmdet_ext.models.detectors import PGIDetector, TextYOLOv9

pytestmark = pytest.mark.usefixtures('shallow_blocks')

CLASSES = ('red circle', 'cat', 'a small dog')
ATTENTION = dict(self_attn_cfg=dict(embed_dims=128, num_heads=4), ffn_cfg=dict(embed_dims=128, feedforward_channels=64))
FUSION = dict(in_channels=128, num_layers=1, layer_cfg=ATTENTION)


@pytest.fixture
def config(text_folder):
    """The config of a detector of size t, without or with PGI."""

    def make(aux: bool = False, lead_guided: bool = False, **options: object) -> dict:
        head = dict(type='TextYOLOv9Head', embed_dims=16, in_channels=(64, 96, 128), class_channels=16)
        branch = dict(type='PyramidBranch', arch='t')
        aux_head = dict(type='PGIAuxHead', branch=branch, head=dict(head), lead_guided=lead_guided)
        return dict(dict(
            type='TextYOLOv9', backbone=dict(type='GELAN', arch='t'), neck=dict(type='GELANPAN', arch='t'),
            data_preprocessor=dict(type='DetDataPreprocessor', mean=[0] * 3, std=[255] * 3),
            text_encoder=dict(type='WordTextEncoder', name=text_folder, embed_dims=16),
            bbox_head=dict(head), aux_head=aux_head if aux else None,
            test_cfg=dict(score_thr=1e-7, max_per_img=20)), **options)

    return make


@pytest.fixture
def build(config):

    def make(**options: object) -> TextYOLOv9:
        model = MODELS.build(config(**options))
        for module in model.modules():  # statistics as after training
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.normal_(module.running_mean, std=0.1)
                torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
        for tower in model.bbox_head.class_towers:
            torch.nn.init.uniform_(tower[-1].weight, 1, 2)
        return model

    return make


def sample(text: object = CLASSES, targets: list | None = None, **meta: object) -> DetDataSample:
    shape = dict(img_path='some.png', ori_shape=(64, 64), img_shape=(64, 64), scale_factor=(1., 1.))
    one = DetDataSample(metainfo=shape | meta | ({} if text is None else dict(text=text)))
    one.gt_instances = InstanceData(bboxes=torch.tensor([[4., 4., 40., 40.], [20., 20., 60., 60.]]),
                                    labels=torch.tensor([0, 1]))
    if targets is not None:
        one.gt_instances.text_targets = torch.tensor(targets, dtype=torch.bool)
    return one


def found(model, images, samples) -> list[InstanceData]:
    with torch.no_grad():
        return [one.pred_instances for one in model.eval().predict(images, copy.deepcopy(samples))]


@pytest.mark.parametrize('options', [
    dict(aux=True, batch_negatives=2), dict(aux=True, lead_guided=True), dict(fusion=FUSION)])
def test_trains_with_gradients_of_all_texts_in_every_part(build, options):
    model = build(**options).train()
    samples = [sample(('red', 'red circle'), [[1, 1], [1, 0]], borrows_texts=True), sample(('a cat', ), [[1], [0]])]
    losses = model.loss(torch.rand(2, 3, 64, 64), samples)
    assert {'loss_cls', 'loss_bbox', 'loss_dfl'} <= losses.keys()
    assert ('aux.loss_cls' in losses) == ('aux' in options)
    sum(losses.values()).backward()
    without = [name for name, value in model.named_parameters() if value.grad is None]
    assert without == [] and all(value.isfinite() for value in losses.values())
    for part in (model.text_encoder, model.fusion) if model.fusion is not None else (model.text_encoder, ):
        assert all(value.grad.any() for value in part.parameters() if value.dim() > 1)


def test_pgi_is_asked_for_the_same_texts_and_weighed(build):
    model, samples = build(aux=True, batch_negatives=5).train(), [sample(('red', ), [[1], [0]], borrows_texts=True),
                                                                  sample(('a cat', ), [[1], [0]])]
    asked = []
    for head in (model.bbox_head, model.aux_head.head):
        head.register_forward_pre_hook(lambda _, args: asked.append(args[1]))
    model.loss(torch.rand(2, 3, 64, 64), samples)
    assert asked[0] is asked[1]
    assert asked[0].valid.tolist() == [[True, True], [True, False]]  # the second image borrows none


def test_autocast_gives_finite_losses_and_gradients(build):
    model = build(aux=True).train()
    with torch.autocast('cpu', torch.bfloat16):
        losses = model.loss(torch.rand(2, 3, 64, 64), [sample(), sample()])
    sum(losses.values()).backward()
    assert all(value.grad.isfinite().all() for value in model.parameters() if value.grad is not None)


@pytest.mark.parametrize('rd', [None, dict(stage=1, num_atoms=16)])
def test_given_classes_it_is_a_plain_yolov9_with_equal_boxes_and_scores(build, rd):
    model = build(aux=True, backbone=dict(type='GELAN', arch='t', rd=rd)).eval()
    plain = model.with_classes(CLASSES)
    assert type(plain) is PGIDetector and plain.bbox_head.num_classes == 3 and not plain.with_aux
    assert plain.dataset_meta == dict(classes=CLASSES)
    model.classes = CLASSES
    images, samples = torch.rand(2, 3, 64, 64), [sample(None), sample(None)]
    expected = found(model, images, samples)
    assert all(len(instances) > 3 and len(set(instances.labels.tolist())) > 1 for instances in expected)
    for form in (plain, deploy(model)):
        for one, other in zip(found(form, images, samples), expected, strict=True):
            assert_close(one.scores, other.scores, rtol=1e-3, atol=1e-7)
            assert_close(one.bboxes, other.bboxes, rtol=1e-3, atol=1e-2)
            assert one.labels.equal(other.labels)
    yolov9 = MODELS.build(plain.plain_cfg).eval()
    assert count_flops(yolov9, 64) == count_flops(plain, 64)
    assert [value.shape for value in yolov9.parameters()] == [value.shape for value in plain.parameters()]


def test_images_with_different_texts_are_answered_as_alone(build):
    model, images = build(), torch.rand(2, 3, 64, 64)
    samples = [sample(('cat', 'red circle', 'dog')), sample(('a small dog', ))]
    together = found(model, images, samples)
    for number in range(2):
        alone, = found(model, images[number:number + 1], samples[number:number + 1])
        assert_close(together[number].scores, alone.scores)
        assert_close(together[number].bboxes, alone.bboxes)
        assert together[number].labels.equal(alone.labels)


def test_one_text_is_asked_for_its_phrases(build):
    model, image = build(), torch.rand(1, 3, 64, 64)
    listed, = found(model, image, [sample(('red circle', 'cat'))])
    text, = found(model, image, [sample('red circle . cat.')])
    assert_close(text.scores, listed.scores)
    assert text.phrases == [('red circle', 'cat')[label] for label in listed.labels]
    assert set(map(str, text.spans)) == {'[[0, 10]]', '[[13, 16]]'}
    spans, = found(model, image, [sample('the red circle sees a cat', tokens_positive_eval=[[[4, 14]], [[22, 25]]])])
    assert_close(spans.scores, listed.scores)
    assert spans.phrase_scores.shape == (len(listed), 2)
    assert_close(spans.phrase_scores.sum(1), listed.scores)
    assert spans.phrase_scores.argmax(1).equal(listed.labels)
    nothing = sample('nothing', tokens_positive_eval=[])
    alone, = found(model, image, [nothing])
    beside, _ = found(model, image.expand(2, -1, -1, -1), [nothing, sample(('cat', ))])
    assert len(alone) == len(beside) == 0 and alone.phrase_scores.shape == (0, 0)


@torch.no_grad()
def test_texts_are_encoded_once_until_weights_change(build):
    model, image, calls = build().eval(), torch.rand(1, 3, 64, 64), []
    model.text_encoder.register_forward_pre_hook(lambda _, args: calls.append(args[0]))
    first = model._forward(image, [sample()])[0][0]
    assert model._forward(image, [sample()])[0][0].equal(first) and len(calls) == 1
    model.text_encoder.language_model.weight.neg_()
    assert not model._forward(image, [sample()])[0][0].equal(first) and len(calls) == 2
    model.train().eval()  # as hooks do that exchange weights
    model._forward(image, [sample(('cat', ))])
    assert calls[2:] == [('cat', )]


def test_what_to_look_for_comes_from_the_sample_the_config_or_the_data_set(build):
    model = build()
    model.dataset_meta = dict(classes=('dish_(tableware)', 'cell_phone'))
    assert model.texts_of(sample(None)) == ('dish', 'cell phone')
    model.classes = ('cat', )
    assert model.texts_of(sample(None)) == ('cat', )
    assert model.texts_of(sample(['dog'])) == ('dog', )
    assert model.texts_of(sample('dog')) == ('dog', )


def test_images_of_captions_without_phrases_train_too(build):
    model = build(batch_negatives=3).train()
    empty = [sample((), [[], []], borrows_texts=True) for _ in range(2)]
    for one in empty:
        one.gt_instances.text_targets = torch.zeros(2, 0, dtype=torch.bool)
    losses = model.loss(torch.rand(2, 3, 64, 64), empty)
    assert all(value.isfinite() for value in losses.values()) and losses['loss_cls'] == 0


@pytest.mark.parametrize('options, message', [
    (dict(deployed=True), 'deployed=True is for a network of fixed classes: `tools/deploy.py --classes`'),
    (dict(cuda_graph=True), 'cuda_graph=True is for a network of fixed classes'),
    (dict(batch_negatives=-1), 'batch_negatives should be 0 or more, got -1'),
    (dict(bbox_head=dict(type='YOLOv9Head', num_classes=3, in_channels=(64, 96, 128))),
     'bbox_head of TextYOLOv9 should be a TextYOLOv9Head, got YOLOv9Head'),
    (dict(bbox_head=dict(type='TextYOLOv9Head', embed_dims=8, in_channels=(64, 96, 128))),
     'bbox_head.embed_dims=8 should be the width of the texts, which is 16 here; project_text=True'),
    (dict(fusion=dict(FUSION, in_channels=64)), 'fusion.layer_cfg has embed_dims=128, should be fusion.in_channels=64'),
    (dict(classes=['cat', '']), "classes: number 1 should be a word or a phrase, got ''")])
def test_parts_that_do_not_fit_are_named(config, options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(config(**options))


@pytest.mark.parametrize('text, message', [
    (None, 'some.png: TextYOLOv9 needs to know what to look for'),
    (' . ', "text=' . ' of some.png should be a list of at least one text"),
    ([], 'text of some.png should be a list of at least one text'),
    (['cat', '(x)'], "nothing is left of the class name")])
def test_images_without_texts_are_named(build, text, message):
    with pytest.raises(ValueError, match=message):
        build().texts_of(sample(text))


def test_a_caption_is_no_list_of_texts_to_train_on(build):
    with pytest.raises(ValueError, match="some.png: TextYOLOv9 is trained on lists of texts.*got the caption 'a cat'"):
        build().loss(torch.rand(1, 3, 64, 64), [sample('a cat')])


def test_fusion_reads_the_texts_and_is_no_plain_yolov9(build):
    model, image = build(fusion=FUSION).eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        maps = [model._forward(image, [sample(texts)])[1] for texts in (('cat', ), ('dog', ))]
    assert not all(one.isclose(other).all() for one, other in zip(*maps))
    with pytest.raises(ValueError, match='fusion: a network whose neck reads the texts is no plain YOLOv9'):
        model.with_classes(CLASSES)


def test_its_state_comes_back(build):
    model = build(aux=True, project_text=True,
                  bbox_head=dict(type='TextYOLOv9Head', embed_dims=8, in_channels=(64, 96, 128)), aux_head=None)
    other = build(project_text=True, bbox_head=dict(type='TextYOLOv9Head', embed_dims=8, in_channels=(64, 96, 128)))
    image = torch.rand(1, 3, 64, 64)
    before, = found(other, image, [sample()])
    other.load_state_dict(model.state_dict())
    expected, after = *found(model, image, [sample()]), *found(other, image, [sample()])
    assert_close(after.scores, expected.scores)
    assert not torch.equal(before.scores, after.scores)
