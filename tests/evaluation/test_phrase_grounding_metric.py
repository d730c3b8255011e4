import json

import pytest
import torch
import torch.distributed as dist
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmdet_ext.evaluation import PhraseGroundingMetric
from mmengine.structures import InstanceData

LEFT, RIGHT, BOTH = [0., 0., 10., 10.], [20., 0., 30., 10.], [0., 0., 30., 10.]
SENTENCES = '[/EN#1/people Two men] see [/EN#2/animals/other a dog] in [/EN#0/notvisual it] .\nNothing here .\n'


def xml(*rows: tuple[str, list[float]]) -> str:
    objects = ''
    for name, box in rows:
        sides = ''.join(f'<{side}>{int(value)}</{side}>'
                        for side, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), box, strict=True))
        objects += f'<object><name>{name}</name><bndbox>{sides}</bndbox></object>'
    size = '<size><width>40</width><height>20</height><depth>3</depth></size>'
    return f'<annotation>{size}{objects}</annotation>'


@pytest.fixture
def entities(tmp_path) -> dict:
    """Arguments for the image 7: two men at LEFT and RIGHT, a dog at RIGHT."""
    for folder in ('Annotations', 'Sentences'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'Annotations/7.xml').write_text(xml(('1', LEFT), ('1', RIGHT), ('2', RIGHT)))
    (tmp_path / 'Sentences/7.txt').write_text(SENTENCES)
    (tmp_path / 'test.txt').write_text('7\n')
    return dict(entities_root=str(tmp_path), split_file='test.txt')


@pytest.fixture
def ann_file(tmp_path) -> str:
    """Captions 0 and 1 of one image: 'Two men see a dog', 'A dog'."""
    spans = [[0, 7]], [[12, 17]], [[0, 5]]
    rows = [(0, LEFT, spans[0]), (0, RIGHT, spans[0] + spans[1]), (1, RIGHT, spans[2])]
    return write(tmp_path, [[spans[0], spans[1]], [spans[2]]], rows)


def write(folder, phrases: list | None, rows: list[tuple]) -> str:
    images = [dict(id=i, file_name='7.jpg', width=40, height=20) for i in range(2)]
    for image, image_phrases in zip(images, phrases or ()):
        image['tokens_positive_eval'] = image_phrases
    annotations = [
        dict(id=i, image_id=image, category_id=1, bbox=[x1, y1, x2 - x1, y2 - y1], area=1, iscrowd=0,
             tokens_positive=spans) for i, (image, (x1, y1, x2, y2), spans) in enumerate(rows)
    ]
    path = folder / 'grounding.json'
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=[dict(id=1, name='object')])))
    return str(path)


def sample(boxes: list, scores: list, **ids: int) -> dict:
    """What the evaluator makes of a model's prediction; scores of no phrase are []."""
    scores = torch.tensor(scores) if scores else torch.zeros(len(boxes), 0)
    instances = InstanceData(bboxes=torch.tensor(boxes).view(-1, 4), phrase_scores=scores)
    return DetDataSample(metainfo=ids, pred_instances=instances).to_dict()


# columns: two men, a dog. The best box for the men is BOTH, then LEFT; for the dog LEFT, then BOTH, then RIGHT.
BOXES, SCORES = [BOTH, LEFT, RIGHT], [[0.9, 0.5], [0.8, 0.6], [0.1, 0.2]]


def test_each_box_of_an_entity_is_a_target_and_types_count_apart(entities):
    metric = METRICS.build(dict(type='PhraseGroundingMetric', topk=(1, 2), **entities))
    metric.process({}, [sample(BOXES, SCORES, original_img_id=7, sentence_id=0)])
    metric.process({}, [sample(BOXES, [], original_img_id=7, sentence_id=1)])
    names = ('all', 'animals', 'other', 'people')
    expected = {'recall@1': (0, 0, 0, 0), 'recall@2': (0.5, 0, 0, 1), 'upper_bound': (1, 1, 1, 1)}
    assert metric.evaluate(size=2) == {
        f'any_box/{key}_{name}': value for key, values in expected.items() for name, value in zip(names, values)}


def test_merged_boxes_of_an_entity_are_one_target_that_encloses_them(entities):
    metric = PhraseGroundingMetric(protocol='merged_boxes', topk=(1, ), **entities)
    metric.process({}, [sample(BOXES, SCORES, original_img_id=7, sentence_id=0)])
    results = metric.evaluate(size=1)
    assert results['merged_boxes/recall@1_people'] == 1 and results['merged_boxes/recall@1_animals'] == 0
    metric.process({}, [sample([LEFT, RIGHT], [[1., 0.], [0., 1.]], original_img_id=7, sentence_id=0)])
    results = metric.evaluate(size=1)
    assert results['merged_boxes/upper_bound_people'] == 0 and results['merged_boxes/upper_bound_animals'] == 1


@pytest.mark.parametrize('protocol, first', [('any_box', 1 / 3), ('merged_boxes', 2 / 3)])
def test_a_grounding_json_is_ground_truth_too_with_several_captions_of_an_image(ann_file, protocol, first):
    metric = PhraseGroundingMetric(ann_file, protocol=protocol, topk=(1, ), prefix='flickr')
    metric.process({}, [sample(BOXES, SCORES, img_id=0), sample([LEFT, RIGHT], [[0.1], [0.9]], img_id=1)])
    assert metric.evaluate(size=2) == {'flickr/recall@1_all': first, 'flickr/upper_bound_all': 1}


def test_an_iou_of_exactly_the_threshold_is_a_hit(ann_file):
    metric = PhraseGroundingMetric(ann_file, topk=(1, ))
    half = [20., 0., 25., 10.]
    metric.process({}, [sample([half], [[0.1, 0.1]], img_id=0), sample([[20., 0., 24.99, 10.]], [[0.1]], img_id=1)])
    assert metric.evaluate(size=2)['any_box/recall@1_all'] == 2 / 3


def test_no_box_is_no_hit(tmp_path):
    metric = PhraseGroundingMetric(write(tmp_path, [[[[0, 7]]], []], [(0, LEFT, [[0, 7]])]))
    prediction = dict(bboxes=torch.zeros(0, 4), phrase_scores=torch.zeros(0, 1))
    metric.process({}, [dict(img_id=0, pred_instances=prediction)])
    assert metric.evaluate(size=1)['any_box/upper_bound_all'] == 0


def _one_of_two_processes(rank: int, folder, ann_file: str, answers) -> None:
    dist.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    metric = PhraseGroundingMetric(ann_file, topk=(1, ), collect_dir=str(folder / 'parts'))
    # caption 0 in process 0, caption 1 in process 1, and caption 0 again, as the sampler fills up
    for fields in (dict(img_id=0), dict(img_id=1), dict(img_id=0), dict(img_id=0))[rank::2]:
        boxes, scores = (BOXES, SCORES) if fields['img_id'] == 0 else ([LEFT, RIGHT], [[0.1], [0.9]])
        metric.process({}, [sample(boxes, scores, **fields)])
    answers.put(metric.evaluate(size=2))
    dist.destroy_process_group()


def test_processes_share_their_results(ann_file, tmp_path):
    context = torch.multiprocessing.get_context('fork')
    answers = context.Queue()
    processes = [context.Process(target=_one_of_two_processes, args=(rank, tmp_path, ann_file, answers))
                 for rank in range(2)]
    for process in processes:
        process.start()
    results = [answers.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(timeout=60)
    assert results == [{'any_box/recall@1_all': 1 / 3, 'any_box/upper_bound_all': 1}] * 2


def test_another_number_of_phrases_is_an_error_that_names_the_sentence(entities, ann_file):
    with pytest.raises(ValueError, match='image 7, sentence 0: the number .* is 2 in .*test.txt, and 1 in'):
        PhraseGroundingMetric(**entities).process({}, [sample([LEFT], [[1.]], original_img_id=7, sentence_id=0)])
    with pytest.raises(ValueError, match='image 1: the number .* is 1 in .*grounding.json, and 2 in'):
        PhraseGroundingMetric(ann_file).process({}, [sample([LEFT], [[1., 1.]], img_id=1)])


def test_missing_sentences_are_named(entities, ann_file):
    metric = PhraseGroundingMetric(**entities)
    metric.process({}, [sample(BOXES, [], original_img_id=7, sentence_id=1)])
    with pytest.raises(ValueError, match='test.txt: there are no predictions for 1 .* image 7, sentence 0'):
        metric.evaluate(size=1)
    metric = PhraseGroundingMetric(ann_file)
    metric.process({}, [sample(BOXES, SCORES, img_id=0)])
    with pytest.raises(ValueError, match='no predictions for 1 of its captions. The first: image 1'):
        metric.evaluate(size=1)


def test_predictions_that_cannot_be_looked_up_are_an_error(entities, ann_file):
    with pytest.raises(ValueError, match="no .'sentence_id'.*meta_keys"):
        PhraseGroundingMetric(**entities).process({}, [sample(BOXES, SCORES, original_img_id=7)])
    with pytest.raises(ValueError, match='no image 8, sentence 0'):
        PhraseGroundingMetric(**entities).process({}, [sample(BOXES, SCORES, original_img_id=8, sentence_id=0)])
    with pytest.raises(ValueError, match='image 0: the predictions have no phrase_scores'):
        PhraseGroundingMetric(ann_file).process({}, [dict(img_id=0, pred_instances=dict(bboxes=torch.zeros(1, 4)))])


def test_a_json_without_what_is_needed_is_an_error(tmp_path):
    with pytest.raises(ValueError, match='no image has tokens_positive_eval'):
        PhraseGroundingMetric(write(tmp_path, None, [(0, LEFT, [[0, 7]])]))
    with pytest.raises(ValueError, match=r'no annotation of image 1 has a span of the phrase \[\[0, 5\]\]'):
        PhraseGroundingMetric(write(tmp_path, [[[[0, 7]]], [[[0, 5]]]], [(0, LEFT, [[0, 7]]), (1, LEFT, [[0, 7]])]))


@pytest.mark.parametrize('wrong', [
    dict(protocol='all_boxes', ann_file='x'), dict(), dict(ann_file='x', entities_root='x', split_file='x'),
    dict(entities_root='x'), dict(ann_file='x', split_file='x')
])
def test_rejects_arguments(wrong):
    with pytest.raises(ValueError, match='protocol must be|the ground truth is either'):
        PhraseGroundingMetric(**wrong)
