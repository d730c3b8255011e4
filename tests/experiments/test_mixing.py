"""A fast part of the grid of parts in detectors, its tables, and that the page about mixing has its lines."""
import re
from pathlib import Path

import pytest
import torch
from mmdet.registry import MODELS
from mmengine.config import ConfigDict

from mmdet_ext.experiments.mixing.cell import Outcome, check_model, try_cell
from mmdet_ext.experiments.mixing.grid import chosen, run_grid, to_markdown
from mmdet_ext.experiments.mixing.hosts import HOSTS, Host
from mmdet_ext.experiments.mixing.parts import LINES, PARTS, Part, Try

PAGE = Path(__file__).resolve().parents[2] / 'docs/mixing.md'
HOST, PART = ({one.title: one for one in some} for some in (HOSTS, PARTS))


@pytest.mark.parametrize('host, part, status, message', [
    ('RTMDet', 'RD in the backbone', 'works', ''),
    ('RTMDet', "YOLOv9's head", 'works', ''),
    ('YOLOX', 'GELAN as backbone', 'works', ''),
    ('YOLOX', 'RD behind the neck', 'works', ''),
    ('YOLOX', 'PGI', 'works', ''),
    ('YOLOv9', 'RD in the backbone', 'works', ''),
    ('YOLOv9', 'GELAN as backbone', 'has it', ''),
    ('YOLOX', 'soft tokens', 'no', 'it reads no text'),
    ('YOLOX', 'text fusion', 'no', "GroundingDINO or GLIP, .* got 'YOLOX'"),
    ('YOLOX', "SMCA's attention", 'no', "detector should be a detection transformer, .* got 'YOLOX'"),
    ('Deformable DETR', "SMCA's attention", 'no', 'nothing to modulate .* MultiScaleDeformableAttention'),
])
def test_cells_that_cost_little(host, part, status, message, tmp_path):
    outcome = try_cell(HOST[host], PART[part], tmp_path)
    assert outcome.status == status and re.search(message, outcome.message), outcome.message


def test_every_line_of_the_grid_is_on_the_page():
    page = PAGE.read_text()
    assert {name for name, lines in LINES.items() if lines not in page} == {'RD_NECK_OURS', 'PGI_OURS'}


def test_every_cell_has_an_answer_and_every_line_is_tried(tmp_path):
    tried = set()
    for title in ('RetinaNet', 'RTMDet-Ins', 'DETR', 'GLIP', 'SMCA-DETR, three maps', 'MDETR', 'YOLOv9'):
        host = HOST[title]
        model = host.read(tmp_path)
        for part in PARTS:
            answer = part.tries(host, model)
            assert isinstance(answer, Try) or answer
            tried |= {answer.lines} if isinstance(answer, Try) else set()
    names = ('GELAN_4', 'GELAN_3', 'GELAN_2', 'GELAN_1', 'RD_NECK', 'RD_NECK_3', 'PGI', 'PGI_FEW', 'SMCA')
    assert {LINES[name] for name in names} <= tried


class Broken(torch.nn.Module):
    """A detector whose fault is its argument."""

    def __init__(self, fault: str, data_preprocessor: dict) -> None:
        super().__init__()
        self.used, self.unused = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
        self.fault = fault
        self.data_preprocessor = lambda data, training=False: data

    def init_weights(self) -> None:
        pass

    def forward(self, inputs: list, data_samples: list, mode: str) -> object:
        if mode == 'loss':
            return dict(loss=self.used.sum() * (float('nan') if self.fault == 'nan' else 1.))
        for sample in data_samples:
            sample.pred_instances = sample.gt_instances
            sample.pred_instances.scores = torch.rand(len(sample.gt_instances))
        return data_samples

    def parse_losses(self, losses: dict) -> tuple:
        return losses['loss'], losses


@pytest.mark.parametrize('fault, weights, message', [
    ('nan', [], 'the loss is nan'), ('', ['unused'], 'unused gets no gradient'),
    ('', ['missing.'], 'no parameter begins with missing.'), ('', ['used'], 'scores differ after a round trip')])
def test_faults_are_found(fault, weights, message, tmp_path):
    MODELS.register_module(module=Broken, force=True)
    cfg = ConfigDict(type='Broken', fault=fault, data_preprocessor=dict())
    try:
        with pytest.raises(AssertionError, match=message):
            check_model(cfg, weights, tmp_path)
    finally:
        MODELS.module_dict.pop('Broken')


def test_an_error_of_another_kind_or_none_where_one_should_be_fails(tmp_path, monkeypatch):
    host = Host('GELAN-T', 'yolov9/yolov9t_coco.py', 'ours', packaged=True)
    wrong = Part('wrong', (), lambda host, model: Try("model = dict(backbone=dict(arch='x'))", 'another reason'))
    assert try_cell(host, wrong, tmp_path).status == 'fails'
    monkeypatch.setattr('mmdet_ext.experiments.mixing.cell.check_model', lambda *arguments: None)
    outcome = try_cell(host, wrong, tmp_path)
    assert outcome.status == 'fails' and "should raise a ValueError with 'another reason'" in outcome.message


def test_cells_are_chosen_by_words():
    assert {(host.title, part.title) for host, part in chosen(['YOLOX', 'RD in'])} == {('YOLOX', 'RD in the backbone')}
    assert {host.title for host, _ in chosen(['DETR'])} == {'DETR'}
    assert {host.title for host, _ in chosen(['mask'])} == {'Mask R-CNN', 'Mask R-CNN, Swin'}
    assert len(chosen([])) == len(HOSTS) * len(PARTS)
    with pytest.raises(ValueError, match="takes words of detectors .*RetinaNet.* got 'YOLOv4'"):
        chosen(['YOLOv4'])


def test_a_table_has_a_group_of_detectors_and_reasons_below(monkeypatch):
    outcomes = dict(PGI=Outcome('works'), alignment=Outcome('no', 'it reads no text'))
    monkeypatch.setattr('mmdet_ext.experiments.mixing.grid.try_cell', lambda host, part, texts: outcomes[part.title])
    monkeypatch.setattr('mmdet_ext.experiments.mixing.grid.save_small_texts', lambda folder: None)
    lines = []
    grid = run_grid([(HOST[host], PART[part]) for host in ('FCOS', 'GFL') for part in outcomes], lines.append)
    assert len(lines) == 4 and lines[1].startswith('2/4 alignment in FCOS: no (') and lines[1].endswith('reads no text')
    assert to_markdown(grid) == '''| one stage | FCOS | GFL |
| --- | --- | --- |
| PGI | works | works |
| alignment | no (1) | no (1) |

1. it reads no text
'''
