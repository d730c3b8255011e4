"""Each config of MDETR trains two steps and evaluates: a small model on small images, through mmengine's runner."""
import json
import math
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmdet_ext.models.dense_heads.answer_heads import GQA_SIZES
from mmdet_ext.shapes import ShapesConfig, make_shapes
from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

CONFIGS = sorted((Path(__file__).resolve().parents[2] / 'configs/mdetr').glob('*.py'))
assert CONFIGS
# what a metric reads: file of Shapes, and a figure that it gives
KINDS = dict(
    PhraseGroundingMetric=('grounding', 'recall@1_all'),
    ReferringMetric=('refexp', 'precision@1'),
    PhraseCutMetric=('refexp', 'phrasecut/mean_iou'),
    AgnosticCocoMetric=('grounding', 'bbox_mAP'),
    ClevrMetric=('questions', 'clevr/accuracy'),
    GQAMetric=('gqa', 'gqa/accuracy'),
    FastCocoMetric=('instances', 'coco/bbox_mAP'),
    LVISFixedAPMetric=('lvis', 'lvis_fixed_ap/AP'))
CLASSES = ('circle', 'square', 'star')  # asked of each image in the place of LVIS's 1,203


OF_SHAPES = Config.fromfile(CONFIGS[0].with_name('mdetr_r18_shapes_qa.py')).model.answer_head
ANSWERS = dict(  # what they are told of the answers in the place of their own
    GQAAnswerHead=lambda folder: dict(vocabulary=str(folder / 'vocabulary.json')),
    ClevrAnswerHead=lambda _: dict(attributes=OF_SHAPES.attributes, max_count=OF_SHAPES.max_count))


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    """Shapes, with files in the formats of GQA and LVIS, a vocabulary and a text encoder."""
    folder = tmp_path_factory.mktemp('data')
    make_shapes(folder / 'shapes', ShapesConfig(train=6, val=2, test=2, seed=0, sizes=((96, 80), ), empty=0))
    annotations = folder / 'shapes/annotations'
    captions, answers = [], []
    for split in ('train', 'val', 'test'):
        questions = json.loads((annotations / f'questions_{split}.json').read_text())
        for image, kind in zip(questions['images'], cycle(GQA_SIZES)):
            captions.append(image['caption'])
            answers.append(image['answer'])
            image |= dict(questionId=str(image['id']), question_type=kind)
        (annotations / f'gqa_{split}.json').write_text(json.dumps(questions))
        expressions = json.loads((annotations / f'refexp_{split}.json').read_text())
        for row in expressions['annotations']:
            row['isfinal'] = 1  # as CLEVR-Ref+ has it
        (annotations / f'refexp_{split}.json').write_text(json.dumps(expressions))
        (annotations / f'lvis_{split}.json').write_text(json.dumps(as_lvis(annotations / f'instances_{split}.json')))
    known = list(dict.fromkeys(answers))
    vocabulary = {kind: {answer: number for number, answer in enumerate(names(known, size))}
                  for kind, size in GQA_SIZES.items()}
    vocabulary['obj'] = {'yes': 0, 'no': 1, 'unknown': 2}
    (folder / 'vocabulary.json').write_text(json.dumps(vocabulary))
    save_encoder_folder(train_tokenizer(captions, 300), folder / 'text', layers=1, hidden_size=32, heads=2)
    return folder


def names(known: list[str], size: int) -> list[str]:
    return (known + [f'answer {number}' for number in range(size)])[:size]


def as_lvis(instances: Path) -> dict:
    content = json.loads(instances.read_text())
    content['categories'] = [category | dict(frequency='f') for category in content['categories'][:len(CLASSES)]]
    kept = {category['id'] for category in content['categories']}
    content['annotations'] = [row for row in content['annotations'] if row['category_id'] in kept]
    for image in content['images']:
        image |= dict(coco_url=image['file_name'], neg_category_ids=sorted(kept), not_exhaustive_category_ids=[])
    return content


def dicts_in(value: Any) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ():
        yield from dicts_in(child)


def shrink_model(model: dict, folder: Path) -> None:
    """One block of everything; what a config is about stays."""
    model.backbone.init_cfg = None
    if model.backbone.get('depth') == 101:
        model.backbone.update(depth=18, base_channels=8)
        model.neck.in_channels = [64]
        if 'mask_head' in model:
            model.mask_head.in_channels = (8, 16, 32)
    if model.backbone.type == 'EfficientNet':
        model.backbone.arch = 'b0'
        model.neck.in_channels = [320]
    model.text_encoder.update(name=str(folder / 'text'), pretrained=False)
    model.encoder.num_layers = 1
    model.decoder.num_layers = 2
    for part in dicts_in(model):
        if 'feedforward_channels' in part:
            part.feedforward_channels = 32
    if 'answer_head' in model:
        model.answer_head.update(ANSWERS[model.answer_head.type](folder))


def shrink_data(cfg: Config, folder: Path) -> None:
    annotations = folder / 'shapes/annotations'
    asked = metrics(cfg.val_evaluator)[0].type
    for split in ('train', 'val', 'test'):
        loader = cfg[f'{split}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        if loader.sampler.type == 'ChunkSampler':
            loader.sampler.num_chunks = 2  # the test trains one
        if loader.sampler.type == 'CaptionGroupSampler':
            loader.sampler.group = 2
        kind = KINDS[asked if split != 'test' else metrics(cfg.test_evaluator)[0].type][0]
        for config in dicts_in(loader.dataset):
            if 'ann_file' in config:
                if split == 'train' and config.type == 'MDETRDataset':
                    kind = 'refexp' if config.get('with_mask') else 'grounding'
                images = folder / 'shapes' / split
                config.update(data_root='', ann_file=str(annotations / f'{kind}_{split}.json'),
                              data_prefix=dict(img=f'{images}/'))
                if split == 'train':
                    parts = len(loader.dataset.get('datasets', [1]))
                    config.indices = 2 * 2 * loader.sampler.get('num_chunks', 1) // parts
                if config.type in ('LVISV1Dataset', 'CheckedCocoDataset'):
                    config.metainfo = dict(classes=CLASSES)
            if 'scales' in config:
                config.scales = [(64, 96)]
            if config.get('type') == 'BoxSafeRandomCrop':
                config.update(min_size=32, max_size=64)
        if split != 'train':
            for metric in metrics(cfg[f'{split}_evaluator']):
                for key in ('entities_root', 'split_file'):
                    metric.pop(key, None)
                metric.ann_file = str(annotations / f'{KINDS[metric.type][0]}_{split}.json')


def metrics(evaluator: dict | list[dict]) -> list[dict]:
    return evaluator if isinstance(evaluator, list) else [evaluator]


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_it_trains_two_steps_and_evaluates(path, data, tmp_path, monkeypatch):
    monkeypatch.setenv('MMDET_EXT_COCO128', 'data/coco128')
    cfg = Config.fromfile(path)
    asked = [metric.type for metric in metrics(cfg.test_evaluator)]
    if 'LVISFixedAPMetric' in asked:
        pytest.importorskip('lvis')
    cfg.work_dir = str(tmp_path)
    shrink_model(cfg.model, data)
    shrink_data(cfg, data)
    for metric in metrics(cfg.test_evaluator):
        if 'dump_file' in metric:
            metric.dump_file = str(tmp_path / 'dump.json')
    cfg.train_cfg.update(max_epochs=1, val_interval=1)
    cfg.load_from = None  # it would be trained before
    cfg.default_hooks.update(checkpoint=None)  # nobody reads it
    cfg.default_hooks.logger.interval = 1
    runner = Runner.from_cfg(cfg)
    runner.train()
    assert runner.iter in (2, 3)  # groups of captions may need one more
    history = runner.message_hub.log_scalars['train/loss'].data[0]
    assert len(history) == runner.iter and all(math.isfinite(loss) for loss in history)
    measured = runner.test()
    for name in asked:
        figures = [figure for key, figure in measured.items() if KINDS[name][1] in key]
        assert figures, f'{name} gives none of its figures: {sorted(measured)}'
        assert any(map(math.isfinite, figures)), figures  # NaN is that of objects or phrases that are not among so few
    if cfg.model.get('answer_head', {}).get('type') == 'GQAAnswerHead':
        assert len(json.loads((tmp_path / 'dump.json').read_text())) > 0
