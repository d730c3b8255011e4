"""PackGroundingInputs on results made by hand; whole pipelines stand in test_mdetr_dataset.py."""
import numpy as np
import pytest
from mmdet.structures.bbox import HorizontalBoxes

from mmdet_ext.datasets.transforms import PackGroundingInputs


def results(**changes) -> dict:
    return dict(img=np.zeros((8, 10, 3), np.uint8), img_path='1.png', text='a cat', tokens_negative=[[0, 5]],
                gt_bboxes=HorizontalBoxes(np.array([[0, 0, 4, 4], [1, 1, 5, 5]], np.float32)),
                gt_bboxes_labels=np.zeros(2, np.int64), gt_ignore_flags=np.array([True, False]),
                gt_tokens_positive=[[[0, 1]], [[2, 5]]]) | changes


def test_ignored_boxes_take_their_spans_with_them():
    sample = PackGroundingInputs()(results())['data_samples']
    assert sample.gt_instances.tokens_positive == [[[2, 5]]] and len(sample.gt_instances.bboxes) == 1


def test_metainfo_has_the_caption_and_what_is_there_of_the_other_keys():
    sample = PackGroundingInputs()(results(answer='yes'))['data_samples']
    assert sample.text == 'a cat' and sample.answer == 'yes'
    assert set(sample.metainfo_keys()) == {'text', 'answer', 'img_path'}
    assert PackGroundingInputs(meta_keys=('text', ))(results())['data_samples'].metainfo_keys() == ['text']


def test_without_annotations_there_are_no_spans():
    plain = results()
    del plain['gt_bboxes'], plain['gt_bboxes_labels'], plain['gt_ignore_flags']
    assert 'tokens_positive' not in PackGroundingInputs()(plain)['data_samples'].gt_instances


def test_boxes_dropped_without_their_spans_are_an_error():
    with pytest.raises(ValueError, match='1.png: gt_tokens_positive has 1 entries for 2 boxes'):
        PackGroundingInputs()(results(gt_tokens_positive=[[[0, 1]]]))


def test_equal_pixels_have_equal_digests():
    img = np.arange(240, dtype=np.uint8).reshape(8, 10, 3)
    same, other = (PackGroundingInputs()(results(img=pixels))['data_samples'] for pixels in (img, img[:, ::-1]))
    assert same.image_digest == PackGroundingInputs()(results(img=img.copy()))['data_samples'].image_digest
    assert same.image_digest != other.image_digest
