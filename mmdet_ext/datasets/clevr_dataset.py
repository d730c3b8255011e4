"""Questions of CLEVR: https://arxiv.org/abs/1612.06890, files of MDETR, https://arxiv.org/abs/2104.12763."""
import numpy as np
from mmdet.registry import DATASETS

from ..annotations.questions import check_question_ids, clevr_question, with_clevr_images
from .mdetr_dataset import MDETRDataset


@DATASETS.register_module()
class ClevrDataset(MDETRDataset):
    """`MDETRDataset` of questions with short answers: CLEVR, CLEVR-Humans, CLEVR-Ref+, Shapes.

    An item has the question as `text`, and `question_id`. If the split has answers, it also has `answer` and
    `question_type`, the type of the answer: 'binary' ('yes', 'no'), 'reg' (digits) or 'attr' (all others); and
    `question_kind` ('exist', 'count', 'compare_number', 'query_attribute', 'compare_attribute') if the file has it, or
    has a program from which it follows.

    Besides MDETR's format it reads the question files that CLEVR and CLEVR-Humans were published with, which have no
    boxes: such images are 480 x 320. Boxes of CLEVR-Ref+ have `isfinal`, whether the expression refers to them; it
    becomes `gt_isfinal`.

    Raises:
        ValueError: For an id that is not unique, an answer that is no text, a type that is unknown or not the answer's,
            boxes of a file some of which have `isfinal` and some not.
    """

    def load_data_list(self) -> list[dict]:
        data_list = super().load_data_list()
        has_final = any('isfinal' in instance for item in data_list for instance in item['instances'])
        for item in data_list:
            image_name = f'{self.ann_file}: image {item["img_id"]}'
            question = clevr_question(item | dict(id=item['img_id']), image_name)
            for key in ('answer', 'question_type', 'question_kind'):
                item.pop(key, None)
            item.update(question.fields())
            if has_final:
                item['gt_isfinal'] = _final(item['instances'], image_name)
        check_question_ids([item['question_id'] for item in data_list], self.ann_file)
        return data_list

    def _read_content(self) -> object:
        return with_clevr_images(super()._read_content(), self.ann_file)


def _final(instances: list[dict], image_name: str) -> np.ndarray:
    """(N,) float32, 1 for the boxes that the expression refers to."""
    values = [instance.get('isfinal') for instance in instances]
    if bad := [value for value in values if value not in (0, 1)]:
        raise ValueError(f'{image_name}: isfinal of each box should be 0 or 1, got {bad[0]!r}')
    return np.array(values, np.float32)
