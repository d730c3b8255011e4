"""Flickr30k Entities against the published implementation: files, ranking of boxes, recall; all exactly equal."""
from pathlib import Path

import pytest
import torch
from golden.cases import Case, load_case
from mmdet_ext.annotations.flickr_entities import read_entities, read_sentences
from mmdet_ext.evaluation import PhraseGroundingMetric
from mmdet_ext.evaluation.phrase_grounding_metric import entities_targets
from mmdet_ext.evaluation.phrase_recall import phrase_hits, rank_boxes, recall
from torch import Tensor
from torch.testing import assert_close
from torchvision.ops import box_convert

TOPK = (1, 5, 10)


@pytest.fixture
def case() -> Case:
    return load_case('mdetr', 'flickr')


@pytest.fixture
def root(case, tmp_path) -> Path:
    """The files that the published implementation read."""
    for name, text in case.inputs['files'].items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / 'val.txt').write_text('\n'.join(case.inputs['image_ids']) + '\n')
    return tmp_path


@pytest.fixture
def predictions(case) -> list[dict]:
    """Per sentence `bboxes` and `phrase_scores`, as a model gives them."""
    inputs = case.inputs
    maps = case['positive_map_eval'].split(inputs['items_per_sentence'])
    results = []
    for logits, boxes, (height, width), phrase_maps in zip(
            case['in.pred_logits'], case['in.pred_boxes'], inputs['target_sizes_hw'], maps, strict=True):
        probability = logits.softmax(dim=-1)
        scores = [probability[:, row > 1e-6].amax(dim=1) for row in phrase_maps]
        boxes = box_convert(boxes, 'cxcywh', 'xyxy') * torch.tensor([width, height, width, height])
        phrase_scores = torch.stack(scores, 1) if scores else torch.zeros(len(boxes), 0)
        results.append(dict(bboxes=boxes, phrase_scores=phrase_scores))
    return results


def test_sentences_and_their_phrases(case, root):
    for image, parsed in case.results['parsed'].items():
        sentences = [
            dict(sentence=sentence.text,
                 phrases=[dict(first_word_index=phrase.first_word, phrase=phrase.text, phrase_id=phrase.entity,
                               phrase_type=list(phrase.types)) for phrase in sentence.phrases])
            for sentence in read_sentences(root / 'Sentences' / f'{image}.txt')
        ]
        assert sentences == parsed['sentences']


def test_boxes_of_entities(case, root):
    for image, parsed in case.results['parsed'].items():
        entities = read_entities(root / 'Annotations' / f'{image}.xml')._asdict()
        assert entities | dict(nobox=entities.pop('no_box')) == parsed['annotations']


def test_ranking(case, predictions):
    for number, prediction in enumerate(predictions):
        ranked = rank_boxes(prediction['bboxes'], prediction['phrase_scores'])
        assert_close(ranked, case[f'post.boxes.{number}'], rtol=0, atol=0)


@pytest.mark.parametrize('protocol', ['any_box', 'merged_boxes'])
def test_recall(case, root, predictions, protocol):
    metric = PhraseGroundingMetric(entities_root=str(root), split_file='val.txt', protocol=protocol)
    for info, prediction in zip(case.inputs['sentences'], predictions, strict=True):
        sample = dict(original_img_id=info['image_id'], sentence_id=info['sentence_id'], pred_instances=prediction)
        metric.process({}, [sample])
    expected = {f'{protocol}/{name.lower()}': value for name, value in case.results['recall'][protocol].items()}
    assert metric.evaluate(size=7) == expected


@pytest.mark.parametrize('protocol', ['any_box', 'merged_boxes'])
def test_recall_of_short_lists_with_an_iou_of_exactly_a_half(case, root, protocol):
    targets = entities_targets(root, str(root / 'val.txt'), protocol)
    phrases = []
    for row in case.inputs['hand_boxes']:
        for boxes, target in zip(row['boxes'], targets[row['image_id'], row['sentence_id']], strict=True):
            ranked: Tensor = torch.tensor(boxes, dtype=torch.float32)
            phrases.append((target.types, phrase_hits(ranked, target, TOPK, 0.5)))
    expected = {name.lower(): value for name, value in case.results['recall_by_hand'][protocol].items()}
    assert recall(phrases, TOPK) == expected
