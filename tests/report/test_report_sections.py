from pathlib import Path

import pytest
import torch
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.structures import InstanceData

from mmdet_ext.deployment import count_parameters
from mmdet_ext.report.collect import Evaluation
from mmdet_ext.report.dictionary import dictionary_section
from mmdet_ext.report.grounding import grounding_section, is_grounding
from mmdet_ext.report.network import network_section
from mmdet_ext.report.run_folder import Run, read_run
from mmdet_ext.report.settings import config_section, differences, versions_section
from mmdet_ext.report.summary import duration, summary_section

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def run(run_folder):
    return read_run(run_folder)


def test_the_summary_has_the_main_figures_and_what_to_do_next(run):
    metrics = {'coco/bbox_mAP_50': 0.8, 'coco/bbox_mAP': 0.5, 'coco/bbox_mAP_l': -1., 'coco/fitness': 0.53}
    section = summary_section(run, metrics, 'val', 0.31, 4)
    assert section.tables[0].rows == [('AP', 0.5), ('AP50', 0.8), ('best epoch of 3', 2), ('time of training', '6 s'),
                                      ('best score threshold', 0.31), ('validation images', 4)]
    assert 'epoch_3.pth IMAGES --score-thr 0.31`' in section.text and '--format onnx' in section.text
    assert 'a longer training' not in section.text  # the best of the three epochs is the second


def test_the_summary_of_other_metrics_names_them(run):
    metrics = {'any_box/recall@5_all': 0.9, 'any_box/recall@1_all': 0.5, 'any_box/recall@1_people': 0.1}
    rows = summary_section(run, metrics, 'test', None, None).tables[0].rows
    assert rows[:2] == [('recall@1', 0.5), ('recall@5', 0.9)]
    assert summary_section(run, {'voc/score': 0.5}, 'test', None, None).tables[0].rows[0] == ('score', 0.5)


def test_without_a_checkpoint_the_best_validation_is_shown(run):
    run = Run(run.folder, run.cfg, None, run.log, None)
    section = summary_section(run, {}, 'val', None, None)
    assert section.tables[0].rows == [('best epoch of 3', 2), ('AP then', 0.3), ('time of training', '6 s')]
    assert section.text.startswith('This run has no checkpoint')


@pytest.mark.parametrize('minutes, words', [(0.5, '30 s'), (1.99, '119 s'), (2, '2 min'), (119.4, '119 min'),
                                            (185, '3 h 05 min')])
def test_durations_are_short(minutes, words):
    assert duration(minutes) == words


def test_differences_of_configs_by_hand():
    base = dict(a=1, model=dict(type='A', depth=18, neck=dict(type='B', x=1)), steps=[1, 2], same=0)
    cfg = dict(model=dict(type='A', depth=50, neck=dict(type='C')), steps=[1], same=0, long='x' * 300)
    rows = differences(base, cfg)
    assert rows[:-1] == [['a', '1', 'not set'], ['model.depth', '18', '50'],
                         ['model.neck', "{'type': 'B', 'x': 1}", "{'type': 'C'}"], ['steps', '[1, 2]', '[1]']]
    assert rows[-1][:2] == ['long', 'not set'] and len(rows[-1][2]) == 200


def test_the_config_is_shown_with_what_differs_from_its_base(run):
    section = config_section(run.cfg, run.base)
    assert ['train_cfg.max_epochs', '500', '15'] in section.tables[0].rows
    assert not any(row[0].startswith(('mosaic', 'load_train')) for row in section.tables[0].rows)
    assert "arch='t'" in section.listings[0].text
    assert config_section(run.cfg, None).tables == ()


def test_versions_and_devices_are_those_of_this_process():
    section = versions_section()
    assert ['torch', torch.__version__.partition('+')[0]] in [[name, version.partition('+')[0]] for name, version in
                                                              section.tables[1].rows]
    assert section.tables[0].rows[-2][0] == 'CPU' and 'Python' in section.listings[0].text


def test_the_network_is_counted_in_each_of_its_forms(run, monkeypatch):
    monkeypatch.setattr('mmdet_ext.report.network.SECONDS', 0.01)
    section = network_section(run.cfg, run.checkpoint)
    training, trained, deployed = section.tables[0].rows
    model = MODELS.build(run.cfg.model)
    assert training[1] == count_parameters(model)
    assert trained[1] == count_parameters(model) - count_parameters(model.aux_head) > deployed[1]
    assert training[2] > trained[2] > deployed[2] > 0.1 and training[3] is None and trained[3] > 0 < deployed[3]
    assert sum(row[2] for row in section.tables[1].rows) == training[1]


@pytest.fixture
def grounding(shapes):
    """Config and evaluation of two captions of Shapes: the first with the boxes of the truth, the second with none."""
    cfg = Config.fromfile(ROOT / 'configs/mdetr/mdetr_r18_shapes.py')
    annotations = f'{shapes}/annotations/grounding_val.json'
    dataset = DATASETS.build(dict(type='MDETRDataset', ann_file=annotations, data_prefix=dict(img=f'{shapes}/val/'),
                                  test_mode=True, pipeline=[]))
    cfg.val_evaluator.ann_file = annotations
    samples = []
    for index in range(len(dataset)):
        info = dataset.get_data_info(index)
        boxes = torch.tensor([row['bbox'] for row in info['instances']])
        scores = torch.tensor([[float(any(span in phrase for span in spans)) for phrase in info['tokens_positive_eval']]
                               for spans in info['gt_tokens_positive']])
        if index:
            boxes, scores = torch.tensor([[0., 0, 1, 1]]), torch.ones(1, len(info['tokens_positive_eval']))
        found_spans = [[[0, 3]]] * len(boxes)
        samples.append(dict(img_id=info['img_id'], pred_instances=InstanceData(
            bboxes=boxes, phrase_scores=scores, scores=torch.full((len(boxes), ), 0.1), spans=found_spans)))
    return cfg, Evaluation({}, samples, dataset)


def test_captions_with_the_most_misses_are_drawn_and_phrases_counted_by_kind(grounding, tmp_path):
    cfg, evaluation = grounding
    assert is_grounding(cfg, 'val') and not is_grounding(Config(dict(val_evaluator=dict(type='CocoMetric'))), 'val')
    section = grounding_section(cfg, evaluation, 'val', tmp_path)
    infos = [evaluation.dataset.get_data_info(index) for index in range(len(evaluation.samples))]
    phrases = [info['tokens_positive_eval'] for info in infos]
    kinds = {row[0]: row[1:] for row in section.tables[0].rows}
    assert kinds['all'][0] == sum(map(len, phrases)) == kinds['one box'][0] + kinds.get('several boxes', [0])[0]
    assert kinds['all'][1] == pytest.approx(len(phrases[0]) / kinds['all'][0])  # those of the first caption only
    assert {figure.title for figure in section.figures} <= {info['text'] for info in infos[1:]}
    assert len(section.figures) == min(8, len(infos) - 1) and all(figure.path.is_file() for figure in section.figures)
    assert section.figures[0].text.startswith('0 of ')
    assert sum(row[1] for row in section.tables[1].rows) <= kinds['all'][0]


def test_atoms_of_a_dictionary_are_counted_and_shown(shapes, tmp_path, monkeypatch):
    monkeypatch.setattr('mmdet_ext.report.dictionary.SURVEY', 4)
    path = tmp_path / 'yolov9t_rd_shapes.py'
    cfg = Config.fromfile(ROOT / 'configs/yolo_rd/yolov9t_rd_shapes.py')
    path.write_text(cfg.pretty_text.replace('data/shapes/', f'{shapes}/'))
    cfg = Config.fromfile(path)
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), tmp_path / 'a.pth')
    section = dictionary_section(cfg, tmp_path / 'a.pth', 'val', tmp_path / 'out')
    names = ['usage_1.png', 'atoms_alike_1.png', 'atoms_1.png', 'atoms_2.png']
    assert [figure.path.name for figure in section.figures] == names
    assert all(figure.path.is_file() for figure in section.figures)
    (name, atoms, effective, _), = section.tables[0].rows
    assert name == 'backbone.trunk.rd.1' and 1 < effective < atoms == 128


def test_a_network_without_a_dictionary_has_no_such_section(run, tmp_path):
    assert dictionary_section(run.cfg, run.checkpoint, 'val', tmp_path) is None


