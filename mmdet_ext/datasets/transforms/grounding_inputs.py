"""The last step of a grounding pipeline."""
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from mmdet.datasets.transforms import PackDetInputs
from mmdet.registry import TRANSFORMS

META_KEYS = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction', 'text',
             'dataset_name', 'tokens_positive_eval', 'sentence_id', 'original_img_id', 'original_id', 'question_id',
             'question_type', 'question_kind', 'answer', 'task_id')


@TRANSFORMS.register_module()
class PackGroundingInputs(PackDetInputs):
    """mmdet's `PackDetInputs` with the caption, and with `tokens_positive` among the instances.

    In training a sample has `image_digest`, a hash of its pixels, by which `MDETR` recognises the same image in several
    samples of a batch.

    `gt_instances.tokens_positive` is a list with one entry per box, each a list of spans [begin, end) of characters.
    `gt_instances.isfinal` (N,) float32 is there if the results have `gt_isfinal`.

    Args:
        meta_keys: Entries of the results that become metainfo if they exist.

    Raises:
        ValueError: If an earlier step dropped boxes and kept their spans.
    """

    def __init__(self, meta_keys: Sequence[str] = META_KEYS) -> None:
        super().__init__(meta_keys=meta_keys)

    def transform(self, results: dict) -> dict:
        packed = super().transform(results)
        if 'gt_bboxes' not in results or 'gt_tokens_positive' not in results:
            return packed
        pixels = np.ascontiguousarray(results['img'])
        packed['data_samples'].image_digest = blake2b(pixels, digest_size=8).digest()
        spans, num_boxes = results['gt_tokens_positive'], len(results['gt_bboxes'])
        if len(spans) != num_boxes:
            raise ValueError(f'{results.get("img_path")}: gt_tokens_positive has {len(spans)} entries for {num_boxes} '
                             'boxes: a transform of this pipeline drops boxes without their spans')
        ignored = results.get('gt_ignore_flags', np.zeros(num_boxes, bool))
        instances = packed['data_samples'].gt_instances
        instances.tokens_positive = [box_spans for box_spans, flag in zip(spans, ignored) if not flag]
        if 'gt_isfinal' in results:
            instances.isfinal = torch.from_numpy(results['gt_isfinal'][~ignored])
        return packed
