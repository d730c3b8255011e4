"""Questions of GQA: https://arxiv.org/abs/1902.09506, files of MDETR, https://arxiv.org/abs/2104.12763."""
from mmdet.registry import DATASETS

from ..annotations.questions import check_question_ids, gqa_question
from .mdetr_dataset import MDETRDataset


@DATASETS.register_module()
class GQADataset(MDETRDataset):
    """`MDETRDataset` of the files finetune_gqa_{train,val,testdev,test,challenge,submission}_{all,balanced}.json.

    An item has the question as `text` and further `question_id` (the file's `questionId`), and where the split has
    them, `answer` and `question_type`, which is 'obj', 'attr', 'rel', 'global' or 'cat'. Boxes are those of objects
    that the question names.

    Raises:
        ValueError: For an id that is missing or not unique, an answer that is no text, an unknown type.
    """

    def load_data_list(self) -> list[dict]:
        data_list = super().load_data_list()
        for item in data_list:
            question = gqa_question(item, f'{self.ann_file}: image {item["img_id"]}')
            for key in ('questionId', 'answer', 'question_type'):
                item.pop(key, None)
            item.update(question.fields())
        check_question_ids([item['question_id'] for item in data_list], self.ann_file)
        return data_list
