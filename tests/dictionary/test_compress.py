"""Compression as a whole, on foreign and own detectors: files, resuming, provenance, what is refused."""
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmdet_ext.dictionary import compress as compress_module
from mmdet_ext.dictionary.compress import Compression
from mmdet_ext.dictionary.distillation import CompressionOptions, Distillation
from mmdet_ext.dictionary.usage import find_dictionaries
from mmdet_ext.models.layers import Atoms, load_atoms
from mmdet_ext.shapes import ShapesConfig, make_shapes
from mmdet_ext.visualization.dictionary.compression_report import write_report
from mmengine.config import Config
from torch.testing import assert_close

pytestmark = pytest.mark.usefixtures('shallow_blocks')

FPN = dict(type='FPN', in_channels=[64, 96, 128], out_channels=8, num_outs=3)
OPTIONS = CompressionOptions(0.5, iters=4, batch_size=2, usage_images=3, pixels=16)


@pytest.fixture(scope='module')
def shapes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('data') / 'shapes'
    make_shapes(folder, ShapesConfig(train=6, val=2, test=2))
    return folder


@pytest.fixture
def cfg(shapes) -> Config:
    """A dictionary in the backbone, and two in a neck behind mmdet's; small images, one process."""
    cfg = Config.fromfile('configs/yolo_rd/yolov9t_rd_shapes.py')
    cfg.model.backbone.rd = dict(stage=1, num_atoms=8, norm_affine=True)
    cfg.model.neck = [FPN, dict(type='RDNeck', in_channels=[8] * 3, levels=[0, 2], num_atoms=6)]
    cfg.model.bbox_head.update(in_channels=(8, 8, 8), class_channels=8)
    cfg.model.aux_head = None
    for split in ('train', 'val'):
        loader = cfg[f'{split}_dataloader']
        loader.update(num_workers=0, persistent_workers=False)
        leaf = loader.dataset.dataset if split == 'train' else loader.dataset
        leaf.data_root = str(shapes) + '/'
    for step in cfg.val_dataloader.dataset.pipeline:
        if step.type == 'YOLOResize':
            step.size = 64
    cfg.val_evaluator.ann_file = str(shapes / 'annotations' / 'instances_val.json')
    return cfg


@pytest.fixture
def checkpoint(cfg, tmp_path) -> Path:
    model = MODELS.build(cfg.model)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=('a', ) * 6))),
               tmp_path / 'trained.pth')
    return tmp_path / 'trained.pth'


def compress(cfg: Config, checkpoint: Path, options: CompressionOptions = OPTIONS, out: str = 'out') -> dict:
    folder = checkpoint.parent / out
    report = Compression(cfg, checkpoint, folder, options, evaluate=False).run()
    write_report(folder, report)
    return report


def state_of(checkpoint: Path, out: str = 'out', name: str = 'compressed.pth') -> dict:
    return torch.load(checkpoint.parent / out / name)['state_dict']


def test_the_written_config_builds_what_the_written_checkpoint_holds(cfg, checkpoint):
    report = compress(cfg, checkpoint)
    model = MODELS.build(Config.fromfile(checkpoint.parent / 'out' / 'compressed.py').model)
    for name in ('pruned.pth', 'compressed.pth'):
        content = torch.load(checkpoint.parent / 'out' / name)
        model.load_state_dict(content['state_dict'], strict=True)
        assert content['meta']['dataset_meta']['classes'] == ('a', ) * 6
    atoms = {name: rd.num_atoms for name, rd in find_dictionaries(model).items()}
    assert atoms == {'backbone.trunk.rd.1': 4, 'neck.1.dictionaries.0': 3, 'neck.1.dictionaries.2': 3}
    assert report['after']['parameters'] == sum(p.numel() for p in model.parameters())
    assert report['after']['dictionaries'] < report['before']['dictionaries'] < report['before']['network']


def test_all_but_the_dictionaries_stays_as_it_was(cfg, checkpoint):
    compress(cfg, checkpoint)
    before, after = torch.load(checkpoint)['state_dict'], state_of(checkpoint)
    changed = {name for name, tensor in after.items() if not tensor.equal(before[name])}
    assert before.keys() == after.keys() and changed
    assert all(name.startswith(('backbone.trunk.rd.1.', 'neck.1.dictionaries.')) for name in changed)


def test_pruned_weights_are_rows_of_the_trained_ones(cfg, checkpoint):
    report = compress(cfg, checkpoint)
    before, after = torch.load(checkpoint)['state_dict'], state_of(checkpoint, name='pruned.pth')
    for name, one in report['dictionaries'].items():
        usage = torch.tensor(one['usage'])
        assert one['kept'] == usage.topk(len(one['kept'])).indices.sort().values.tolist()
        key = f'{name}.generator.conv.weight'
        assert after[key].equal(before[key][one['kept']])


def test_keeping_all_without_distillation_gives_the_same_weights(cfg, checkpoint):
    options = CompressionOptions(1, iters=0, usage_images=2, batch_size=2)
    report = compress(cfg, checkpoint, options)
    before, after = torch.load(checkpoint)['state_dict'], state_of(checkpoint)
    assert all(tensor.equal(before[name]) for name, tensor in after.items())
    assert all(one['distilled']['cosine'] == pytest.approx(1) for one in report['dictionaries'].values())


def test_an_interrupted_compression_ends_like_an_unstopped_one(cfg, checkpoint, monkeypatch):
    report = compress(cfg, checkpoint)
    step, steps = Distillation.step, []

    def step_then_stop(self: Distillation, data: dict) -> float:
        if self.iteration == 2:
            raise KeyboardInterrupt
        return step(self, data)

    def step_counted(self: Distillation, data: dict) -> float:
        steps.append(self.iteration)
        return step(self, data)

    monkeypatch.setattr(compress_module, 'SAVE_SECONDS', 0)
    monkeypatch.setattr(Distillation, 'step', step_then_stop)
    with pytest.raises(KeyboardInterrupt):
        compress(cfg, checkpoint, out='other')
    assert (checkpoint.parent / 'other' / 'pruned.pth').is_file()
    monkeypatch.setattr(Distillation, 'step', step_counted)
    with pytest.raises(ValueError, match='tau was 0.1 and is 0.2.*--restart'):
        compress(cfg, checkpoint, replace(OPTIONS, tau=0.2), out='other')
    piece = checkpoint.parent / 'other' / 'compressed.pth.parts' / 'usage.pt'
    content = piece.read_bytes()
    piece.write_bytes(content[:len(content) // 2])
    with pytest.raises(ValueError, match='usage.pt is damaged.*--restart'):
        compress(cfg, checkpoint, out='other')
    piece.write_bytes(content)
    resumed = compress(cfg, checkpoint, out='other')
    assert resumed['losses'] == report['losses'] and steps == [2, 3]
    compressed, expected = state_of(checkpoint, 'other'), state_of(checkpoint)
    assert all(tensor.equal(compressed[name]) for name, tensor in expected.items())


def test_provenance_goes_with_the_kept_atoms(cfg, checkpoint, tmp_path):
    path = tmp_path / 'vision.pt'
    vectors = nn.functional.normalize(torch.randn(8, 64), dim=1)
    Atoms(vectors, torch.arange(8), [[dict(source='file', row=row)] for row in range(8)]).save(path)
    cfg.model.backbone.rd = dict(stage=1, atoms=str(path), norm_affine=True, init_g='match')
    report = compress(cfg, checkpoint)
    one = report['dictionaries']['backbone.trunk.rd.1']
    atoms = load_atoms(tmp_path / 'out' / 'atoms.backbone.trunk.rd.1.pt')
    assert atoms.counts.tolist() == one['kept'] == [samples[0]['row'] for samples in atoms.nearest]
    columns = state_of(checkpoint)['backbone.trunk.rd.1.dictionary.conv.weight'][:, :, 0, 0]
    assert_close(atoms.vectors, nn.functional.normalize(columns.T, dim=1))
    rd = Config.fromfile(tmp_path / 'out' / 'compressed.py').model.backbone.rd
    assert rd == dict(stage=1, num_atoms=4, norm_affine=True)


def test_the_report_has_numbers_text_and_images(cfg, checkpoint):
    report = compress(cfg, checkpoint, replace(OPTIONS, by='clustering', retrieved=True))
    out = checkpoint.parent / 'out'
    assert json.loads((out / 'report.json').read_text()) == json.loads(json.dumps(report))
    text = (out / 'report.md').read_text()
    assert re.search(r'\| backbone.trunk.rd.1: atoms +\| 8 +\| 4 +\|', text)
    assert 'atoms kept by clustering, 4 steps' in text
    for name in ('usage.png', 'loss.png'):
        assert (out / name).read_bytes().startswith(b'\x89PNG')


def test_a_foreign_detector_is_compressed_too(cfg, checkpoint):
    foreign = Config.fromfile('configs/mix/rd_retinanet_r50_fpn_1x_coco.py')
    foreign.model.backbone.update(depth=18, init_cfg=None)
    foreign.model.neck[0].update(in_channels=[64, 128, 256, 512], out_channels=8)
    foreign.model.neck[1].update(in_channels=[8] * 5, num_atoms=6)
    foreign.model.bbox_head.update(in_channels=8, feat_channels=8, num_classes=6)
    cfg.model = foreign.model
    torch.save(dict(state_dict=MODELS.build(cfg.model).state_dict()), checkpoint)
    assert compress(cfg, checkpoint)['dictionaries']['neck.1.dictionaries.0']['atoms'] == (6, 3)
    small = MODELS.build(Config.fromfile(checkpoint.parent / 'out' / 'compressed.py').model)
    small.load_state_dict(state_of(checkpoint), strict=True)


@pytest.mark.parametrize('change, message', [
    (dict(num_atoms=16), r'trained.pth has 8 atoms in backbone.trunk.rd.1, and .* 16: is num_atoms=8 meant'),
    (dict(kernel_size=3), r'1 tensor differs, backbone.trunk.rd.1.exchanger.conv.weight is \(8, 1, 5, 5\), should be'),
    (dict(norm_affine=False), r'2 tensors differ, backbone.trunk.rd.1.scale is unknown'),
])
def test_a_checkpoint_that_does_not_fit_is_refused(cfg, checkpoint, change, message):
    cfg.model.backbone.rd.update(change)
    with pytest.raises(ValueError, match=message):
        compress(cfg, checkpoint)


def test_models_without_dictionary_and_impossible_sizes_are_refused(cfg, checkpoint):
    with pytest.raises(ValueError, match='keep should leave 2 to all 6 atoms of a dictionary, got 7'):
        compress(cfg, checkpoint, replace(OPTIONS, keep=7))
    with pytest.raises(ValueError, match='no val_dataloader and val_evaluator: --no-eval'):
        cfg.val_evaluator = None
        Compression(cfg, checkpoint, checkpoint.parent, OPTIONS)
    del cfg.model.backbone['rd'], cfg.model.neck[1]
    with pytest.raises(ValueError, match='PGIDetector of the config has no RetrieverDictionary'):
        compress(cfg, checkpoint)
