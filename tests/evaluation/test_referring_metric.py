import json

import pytest
import torch
from mmdet.registry import METRICS
from mmdet_ext.evaluation import ReferringMetric
from torch.testing import assert_close
from torchvision.ops import box_iou, generalized_box_iou

TARGET, BETWEEN, FAR = [0., 0., 100., 100.], [19., 17., 119., 117.], [500., 500., 510., 510.]


def write(folder, names: list[str | None], counts: list[int] | None = None) -> str:
    """Expressions 0, 1, ... of the data sets `names`, each with the box TARGET as often as `counts` says."""
    images = [dict(id=i, file_name='a.jpg', width=600, height=600, caption=f'thing {i}') for i in range(len(names))]
    for image, name in zip(images, names, strict=True):
        if name:
            image['dataset_name'] = name
    owners = [i for i, count in enumerate(counts or [1] * len(names)) for _ in range(count)]
    rows = [dict(id=i, image_id=owner, category_id=1, bbox=[0, 0, 100, 100], area=10000, iscrowd=0)
            for i, owner in enumerate(owners)]
    path = folder / 'refexp.json'
    path.write_text(json.dumps(dict(images=images, annotations=rows, categories=[dict(id=1, name='object')])))
    return str(path)


def sample(img_id: int, boxes: list, scores: list) -> dict:
    return dict(img_id=img_id, pred_instances=dict(bboxes=torch.tensor(boxes), scores=torch.tensor(scores)))


@pytest.mark.parametrize('overlap, hit', [('giou', 0), ('iou', 1)])
def test_giou_is_stricter_than_iou(tmp_path, overlap, hit):
    boxes = torch.tensor([TARGET, BETWEEN])
    assert_close(box_iou(boxes, boxes)[0, 1].item(), 0.506, rtol=0, atol=5e-4)
    assert_close(generalized_box_iou(boxes, boxes)[0, 1].item(), 0.460, rtol=0, atol=5e-4)
    metric = ReferringMetric(write(tmp_path, ['refcoco']), overlap=overlap)
    metric.process({}, [sample(0, [BETWEEN, FAR], [0.9, 0.1])])
    assert metric.evaluate(size=1) == {f'refexp/refcoco_precision@{k}': hit for k in (1, 5, 10)}


def test_precision_at_k_of_each_data_set(tmp_path):
    ann_file = write(tmp_path, ['a', 'a', 'b', None])
    metric = METRICS.build(dict(type='ReferringMetric', ann_file=ann_file, topk=(1, 2, 3)))
    metric.process({}, [sample(0, [FAR, TARGET], [0.1, 0.9]), sample(1, [FAR, TARGET, BETWEEN], [0.9, 0.5, 0.8])])
    metric.process({}, [sample(2, [FAR], [0.5]), sample(3, [FAR, TARGET], [0.9, 0.8])])
    expected = dict(a=(1 / 2, 1 / 2, 1), b=(0, 0, 0), unnamed=(0, 1, 1))
    assert metric.evaluate(size=4) == {
        f'refexp/{name}_precision@{k}': value for name, values in expected.items() for k, value in enumerate(values, 1)}


def test_of_equal_scores_the_larger_box_comes_first(tmp_path):
    metric = ReferringMetric(write(tmp_path, ['a', 'a']), topk=(1, ))
    metric.process({}, [sample(0, [TARGET, FAR], [0.5, 0.5]), sample(1, [TARGET, [-5., 0., 9., 9.]], [0.5, 0.5])])
    assert metric.evaluate(size=2) == {'refexp/a_precision@1': 1 / 2}


def test_an_overlap_of_exactly_the_threshold_is_a_hit_and_no_box_is_none(tmp_path):
    metric = ReferringMetric(write(tmp_path, ['a', 'b']))
    metric.process({}, [sample(0, [[0., 0., 100., 50.]], [0.1])])
    metric.process({}, [dict(img_id=1, pred_instances=dict(bboxes=torch.zeros(0, 4), scores=torch.zeros(0)))])
    results = metric.evaluate(size=2)
    assert results['refexp/a_precision@1'] == 1 and results['refexp/b_precision@10'] == 0


@pytest.mark.parametrize('count', [0, 2])
def test_an_expression_with_another_number_of_targets_is_an_error(tmp_path, count):
    with pytest.raises(ValueError, match=rf"refexp.json: .*image 1 \('thing 1'\) has {count} annotations"):
        ReferringMetric(write(tmp_path, ['a', 'a'], [1, count]))


def test_rejects_an_unknown_overlap_and_an_unknown_image(tmp_path):
    with pytest.raises(ValueError, match="overlap must be .* got 'diou'"):
        ReferringMetric(write(tmp_path, ['a']), overlap='diou')
    with pytest.raises(ValueError, match='refexp.json has no image 5'):
        ReferringMetric(write(tmp_path, ['a'])).process({}, [sample(5, [TARGET], [1.])])


def test_expressions_of_several_objects_may_be_left_out(tmp_path):
    ann_file = write(tmp_path, ['clevr'] * 3, counts=[1, 2, 0])
    with pytest.raises(ValueError, match='image 1 .* has 2 annotations; unique_only=True'):
        ReferringMetric(ann_file)
    metric = ReferringMetric(ann_file, unique_only=True)
    metric.process({}, [sample(0, [TARGET], [0.9]), sample(1, [FAR], [0.9]), sample(2, [FAR], [0.9])])
    assert metric.evaluate(size=3)['refexp/clevr_precision@1'] == 1
    with pytest.raises(ValueError, match='no image has one annotation'):
        ReferringMetric(write(tmp_path, ['clevr'], counts=[2]), unique_only=True)


def test_the_score_of_being_meant_goes_first(tmp_path):
    metric = ReferringMetric(write(tmp_path, ['clevr']), topk=(1, ))
    data_sample = sample(0, [FAR, TARGET], [0.9, 0.8])
    data_sample['pred_instances']['scores_refexp'] = torch.tensor([0.1, 0.7])
    metric.process({}, [data_sample])
    assert metric.evaluate(size=1) == {'refexp/clevr_precision@1': 1}
