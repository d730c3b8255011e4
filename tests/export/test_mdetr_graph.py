"""The graphs of MDETR: eager's boxes and probabilities, with the text encoder inside and with texts encoded once."""
import pytest
import torch
from mmengine.config import Config
from small_mdetr import build, sample
from torch.testing import assert_close

from mmdet_ext.export.graph import GraphOptions
from mmdet_ext.export.mdetr import MDETRGraph
from mmdet_ext.export.systems import graph_class
from mmdet_ext.export.write import to_onnx
from mmdet_ext.text.tokenization import load_tokenizer, pad_tokens, tokenize

CAPTIONS = ('a red circle left of the blue square', 'the cat')
NAMES = ('cat', 'red circle', 'two dogs')
PROMPTED = dict(type='PromptedMDETR', test_cfg=dict(chunk=2, max_per_img=12, prompts=NAMES))
SHAPE, SIZES = (2, 3, 96, 128), [[96, 128], [80, 90]]


def samples_of(captions: tuple[str, ...], sizes: list[list[int]]) -> list:
    return [sample(caption, shape=tuple(size)) for caption, size in zip(captions, sizes, strict=True)]


def tokens_of(graph: MDETRGraph, captions: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    ids = tokenize(graph.tokenizer, captions).ids
    return pad_tokens(ids, graph.tokenizer.pad_token_id, max(map(len, ids)), torch.device('cpu'))


@pytest.mark.parametrize('decoder', [dict(), dict(type='SMCATransformerDecoder', strides=(32, ))])
@torch.no_grad()
def test_captions_come_in_as_tokens(text_folder, decoder):
    model = build(text_folder, decoder=decoder).eval()
    graph = MDETRGraph(model)
    images = torch.randn(SHAPE)
    expected = model(images, samples_of(CAPTIONS, SIZES), mode='tensor')
    boxes, scores, tokens = graph(images, torch.tensor(SIZES), *tokens_of(graph, CAPTIONS))
    assert_close(tokens, expected.logits[-1].softmax(-1))
    assert_close(scores, 1 - tokens[..., -1])
    for result, given in zip(model.predict(images, samples_of(CAPTIONS, SIZES), rescale=False), boxes, strict=True):
        assert_close(given, result.pred_instances.bboxes, rtol=0, atol=1e-3)


@torch.no_grad()
def test_a_caption_is_encoded_once_without_the_text_encoder(text_folder):
    model = build(text_folder).eval()
    graph = MDETRGraph(model, CAPTIONS[0])
    assert graph.input_names == ('images', 'sizes') and graph.model.text_encoder is None
    images = torch.randn(SHAPE)
    expected = model(images, samples_of(CAPTIONS[:1] * 2, SIZES), mode='tensor')
    assert_close(graph(images, torch.tensor(SIZES))[2], expected.logits[-1].softmax(-1))
    text = graph.extra_metadata()['text']
    assert text['captions'] == [CAPTIONS[0]] and len(text['offsets'][0]) == graph.text_0.shape[1]


@pytest.mark.parametrize('limit', [12, None])
@torch.no_grad()
def test_classes_are_prompts_in_chunks(text_folder, limit):
    model = build(text_folder, **PROMPTED | dict(test_cfg=PROMPTED['test_cfg'] | dict(max_per_img=limit))).eval()
    graph = MDETRGraph(model)
    images = torch.randn(SHAPE)
    outputs = graph(images, torch.tensor(SIZES))
    for row, result in enumerate(model.predict(images, samples_of(CAPTIONS, SIZES), rescale=False)):
        boxes, scores, labels = (output[row] for output in outputs)
        assert_close(boxes, result.pred_instances.bboxes, rtol=0, atol=1e-3)
        assert_close(scores, result.pred_instances.scores)
        assert labels.tolist() == result.pred_instances.labels.tolist()
    assert len(labels) == (limit or 30)
    assert graph.extra_metadata()['classes'] == list(NAMES)


@torch.no_grad()
def test_the_referent_has_its_probability(text_folder):
    model = build(text_folder, bbox_head=dict(type='MDETRHead', embed_dims=64, predict_final=True)).eval()
    graph = MDETRGraph(model)
    images, sizes = torch.randn(SHAPE), torch.tensor(SIZES)
    outputs = dict(zip(graph.output_names, graph(images, sizes, *tokens_of(graph, CAPTIONS)), strict=True))
    for row, result in enumerate(model.predict(images, samples_of(CAPTIONS, SIZES))):
        assert_close(outputs['scores'][row] * outputs['referent'][row], result.pred_instances.scores_refexp)


@pytest.mark.parametrize('kind', ['tokens', 'prompts'])
@torch.no_grad()
def test_torchscript_takes_other_batches_sizes_and_captions(text_folder, kind, tmp_path):
    graph = MDETRGraph(build(text_folder, **(PROMPTED if kind == 'prompts' else {})).eval())
    torch.jit.trace(graph, graph.example_inputs(2, 96, 128), check_trace=False).save(tmp_path / 'mdetr.pt')
    traced = torch.jit.load(tmp_path / 'mdetr.pt')
    for shape, sizes, captions in (((1, 3, 97, 150), [[97, 150]], CAPTIONS[:1]),
                                   ((3, 3, 130, 100), [[130, 100], [64, 100], [90, 40]], (*CAPTIONS, 'a dog'))):
        inputs = torch.randn(shape), torch.tensor(sizes)
        if kind == 'tokens':
            inputs += tokens_of(graph, captions)
        for output, expected in zip(traced(*inputs), graph(*inputs), strict=True):
            assert_close(output, expected, rtol=0, atol=1e-3 if expected.shape[-1] == 4 else 1e-5)


def test_onnx_takes_other_batches_sizes_and_captions(text_folder, tmp_path):
    ort = pytest.importorskip('onnxruntime')
    model = build(text_folder)
    graph = MDETRGraph(model.eval())
    file = tmp_path / 'mdetr.onnx'
    file.write_bytes(to_onnx(graph, GraphOptions(dynamic_batch=True, dynamic_size=True), (96, 128)).SerializeToString())
    session = ort.InferenceSession(file)
    inputs = torch.randn(1, 3, 97, 150), torch.tensor([[97, 150]]), *tokens_of(graph, CAPTIONS[1:])
    outputs = session.run(None, {name: value.numpy() for name, value in zip(graph.input_names, inputs)})
    for output, expected in zip(outputs, graph(*inputs), strict=True):
        assert_close(torch.from_numpy(output), expected, rtol=0, atol=1e-3 if expected.shape[-1] == 4 else 1e-5)


def test_the_tokenizer_lies_beside_the_file_if_captions_come_in(text_folder, tmp_path):
    model = build(text_folder).eval()
    MDETRGraph(model, CAPTIONS[0]).write_beside(tmp_path / 'once.onnx')
    assert not any(tmp_path.iterdir())
    MDETRGraph(model).write_beside(tmp_path / 'inside.onnx')
    tokenizer = load_tokenizer(str(tmp_path / 'inside.tokenizer'))
    assert tokenize(tokenizer, CAPTIONS) == tokenize(model.text_encoder.tokenizer, CAPTIONS)


def test_answers_and_masks_are_not_exported(text_folder):
    assert graph_class(build(text_folder)) is MDETRGraph
    answering = build(text_folder)
    answering.answer_head = torch.nn.Identity()
    with pytest.raises(ValueError, match='MDETR with MDETRHead cannot be exported.*without answers and masks'):
        graph_class(answering)


def test_a_number_of_boxes_is_for_prompts_alone():
    cfg = Config.fromfile('configs/mdetr/mdetr_r18_shapes.py')
    with pytest.raises(ValueError, match='max_per_img: MDETR returns a box for each query'):
        MDETRGraph.adapt(cfg, GraphOptions(max_per_img=5))
    cfg.model.type = 'PromptedMDETR'
    assert MDETRGraph.adapt(cfg, GraphOptions(max_per_img=5)).model.test_cfg.max_per_img == 5
