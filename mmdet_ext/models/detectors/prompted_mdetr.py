"""Detection of many classes by MDETR, one prompt per class (https://arxiv.org/abs/2104.12763, section 4.3)."""
from collections.abc import Sequence
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample, SampleList
from mmengine.structures import InstanceData
from torch import Tensor

from ...text.prompts import prompt_text
from ..layers.kept_result import KeptResult
from .mdetr import MDETR
from .mdetr_tokens import ImageTokens, TextTokens


@MODELS.register_module()
class PromptedMDETR(MDETR):
    """MDETR that looks for every class of a data set, one after the other; the label of a box is the number of the
    class.

    A prompt is a caption that consists of a class name. The features of an image are computed once for all prompts. The
    features of the prompts are computed once for all images: they are kept until the names or the weights change, the
    mode is set, or a state dict is loaded. Results are the same as those of one full pass per prompt. Training is the
    same as in MDETR, with prompts as captions.

    The names are `test_cfg.prompts`, or else the sample's `text` if it is a list (mmdet's data sets give their classes
    with `return_classes=True`), or else the classes of `dataset_meta`, which mmdet's inferencers set. If `text` is one
    caption, MDETR's own prediction is used, unless there are `test_cfg.prompts`.

    Args:
        test_cfg: With `chunk`, how many prompts are processed at a time (32); `prompts`, the names of the classes
            (None); `max_per_img`, how many boxes of an image are kept, the best of all classes (None: all queries of
            all prompts, as LVIS's fixed AP needs them). Other entries are for the head.
        kwargs: As for MDETR.

    Raises:
        ValueError: If one of these is wrong.
    """

    def __init__(self, *, test_cfg: dict | None = None, **kwargs: Any) -> None:
        options = dict(test_cfg or {})
        chunk, limit, prompts = options.pop('chunk', 32), options.pop('max_per_img', None), options.pop('prompts', None)
        super().__init__(test_cfg=options, **kwargs)
        self.chunk = _positive(chunk, 'chunk')
        self.max_per_img = None if limit is None else _positive(limit, 'max_per_img')
        self.prompts = None if prompts is None else _checked(prompts, 'test_cfg.prompts')
        self.kept_texts = KeptResult()

    def predict(self, batch_inputs: Tensor, batch_data_samples: SampleList, rescale: bool = True) -> SampleList:
        """Adds `pred_instances` to the samples: for each box `bboxes`, `scores` (1 less the probability of no object)
        and `labels`, the number of its class."""
        if self.prompts is None and all(isinstance(sample.metainfo.get('text'), str) for sample in batch_data_samples):
            return super().predict(batch_inputs, batch_data_samples, rescale)
        names = [self.names_of(sample) for sample in batch_data_samples]
        image = self.encode_image(batch_inputs, batch_data_samples)
        results = [self._ask(image.select(i), self.encode_prompts(classes), sample, rescale)
                   for i, (classes, sample) in enumerate(zip(names, batch_data_samples, strict=True))]
        return self.add_pred_to_datasample(batch_data_samples, results)

    def names_of(self, sample: DetDataSample) -> tuple[str, ...]:
        """The names of the classes to look for in an image.

        Raises:
            ValueError: If they are given nowhere.
        """
        if self.prompts is not None:
            return self.prompts
        text = sample.metainfo.get('text')
        if isinstance(text, (list, tuple)):
            return _checked(text, f'text of {sample.metainfo.get("img_path", "an image")}')
        classes = (getattr(self, 'dataset_meta', None) or {}).get('classes')
        if classes is None:
            raise ValueError(f'{sample.metainfo.get("img_path", "an image")}: PromptedMDETR needs the names of the '
                             'classes: test_cfg.prompts, a data set with return_classes=True whose pipeline packs '
                             f'`text`, or dataset_meta; got text={text!r}')
        return _checked(classes, "dataset_meta['classes']")

    @torch.no_grad()
    def encode_prompts(self, names: Sequence[str]) -> list[TextTokens]:
        """Run the text encoder on the names, in chunks. If nothing has changed, return the result of the last call."""
        weights = [*self.text_encoder.parameters(), *self.resizer.parameters()]
        return self.kept_texts((tuple(names), self.chunk), weights, lambda: self._encode(names))

    def _encode(self, names: Sequence[str]) -> list[TextTokens]:
        prompts = [prompt_text(name) for name in names]
        return [self.encode_text(prompts[start:start + self.chunk]) for start in range(0, len(prompts), self.chunk)]

    def _ask(self, image: ImageTokens, texts: Sequence[TextTokens], sample: DetDataSample,
             rescale: bool) -> InstanceData:
        """All boxes of all prompts in one image."""
        bare = DetDataSample(metainfo={key: sample.metainfo[key] for key in ('ori_shape', 'img_shape')})
        by_class = []
        for text in texts:
            count = len(text.tokens)
            fused = self.fuse(image.expand(count), text)
            decoded = self.decode(fused)
            for instances in self.bbox_head.predict(decoded.objects[-1:], fused.text, text.offsets, [bare] * count,
                                                    rescale, references=decoded.references):
                instances.labels = torch.full_like(instances.labels, len(by_class))
                by_class.append(instances)
        instances = InstanceData.cat(by_class)
        if self.max_per_img is None or len(instances) <= self.max_per_img:
            return instances
        return instances[instances.scores.topk(self.max_per_img).indices]


def _positive(value: int, name: str) -> int:
    if type(value) is not int or value < 1:
        raise ValueError(f'test_cfg.{name} should be a positive whole number, got {value!r}')
    return value


def _checked(names: Sequence[str], argument: str) -> tuple[str, ...]:
    """The names as a tuple; ValueError if they cannot be used."""
    if isinstance(names, str) or not len(names):
        raise ValueError(f'{argument} should be a list of at least one name, got {names!r}')
    for name in names:
        try:
            prompt_text(name)
        except ValueError as error:
            raise ValueError(f'{argument}: {error}') from error
    return tuple(names)
