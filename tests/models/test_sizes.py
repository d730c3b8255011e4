"""Parameters and FLOPs of all ten networks against the published implementation's."""
from pathlib import Path

import pytest
import torch
import torch.nn as nn
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmdet_ext.deployment import count_flops, count_parameters, deploy

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'

# The published networks carry a frozen 1x1 convolution over 16 bins in each head, which is a constant here.
DFL_PARAMETERS = 16
DFL_FLOPS = 2 * 16 * 4 * 8400

# (config, class tower of t): heads, parameters and GFLOPs as trained, parameters and GFLOPs deployed
PUBLISHED = {
    ('gelan/gelant', 128): (1, 2_442_640, 9.900, 2_407_632, 9.818),
    ('gelan/gelant', 80): (1, 2_036_560, 7.795, 2_001_840, 7.713),
    ('yolov9/yolov9t', 128): (2, 3_717_680, 16.276, 2_407_632, 9.818),
    ('yolov9/yolov9t', None): (2, 2_905_520, 12.067, 2_001_840, 7.713),  # as configured: towers 80 wide in both heads
    ('gelan/gelans', None): (1, 7_226_208, 26.709, 7_105_888, 26.379),
    ('yolov9/yolov9s', None): (2, 9_804_512, 39.501, 7_105_888, 26.379),
    ('gelan/gelanm', None): (1, 20_124_000, 76.800, 19_978_672, 76.310),
    ('yolov9/yolov9m', None): (2, 32_878_432, 132.084, 19_978_672, 76.310),
    ('gelan/gelanc', None): (1, 25_498_752, 102.819, 25_288_768, 102.137),
    ('yolov9/yolov9c', None): (2, 51_182_080, 238.655, 25_288_768, 102.137),
    ('gelan/gelane', None): (1, 58_114_432, 191.148, 57_345_920, 188.946),
    ('yolov9/yolov9e', None): (2, 69_529_664, 243.963, 57_345_920, 188.946),
}

# config of the paper's ablation of blocks and of depths: millions of parameters and GFLOPs, deployed; the other rows of
# its tables are released sizes
ABLATION = {
    'gelans_conv': (6.2, 23.5), 'gelans_res': (5.4, 21.0), 'gelans_dark': (5.7, 21.8), 'gelans_csp': (5.9, 22.4),
    'gelans_elan2_csp2': (6.5, 24.4), 'gelans_elan3_csp1': (7.1, 26.3),
    'gelanm_elan2_csp2': (22.2, 85.1), 'gelanm_elan3_csp1': (24.3, 93.5), 'gelanm_elan2_csp3': (24.4, 94.0),
    'gelanc_elan1_csp1': (18.9, 77.5), 'gelanc_elan2_csp2': (28.6, 114.4), 'gelanc_elan3_csp1': (31.7, 126.8),
    'gelanc_elan2_csp3': (31.9, 126.7),
}
# What the published program counts beside convolutions (poolings, enlargements), measured with the released sizes.
OTHER_GFLOPS = dict(s=0.004, m=0.006, c=0.008)

# atoms: parameters that the block adds to v9-c in training form and deployed (512: as counted for the published rd-9c)
ADDED_BY_RD = {256: (270_592, 269_568), 512: (540_160, 538_624), 1024: (1_079_296, 1_076_736)}


@pytest.fixture(autouse=True)
def without_normalization(monkeypatch):
    """It changes no shape and is not counted, and needs most of the time where tensors have shapes only."""
    monkeypatch.setattr(nn.BatchNorm2d, 'forward', lambda self, x: x)


def parameters_of(cfg: Config) -> tuple[int, int]:
    """As trained and deployed."""
    with torch.device('meta'):
        model = MODELS.build(cfg.model).eval()
        return count_parameters(model), count_parameters(deploy(model))


@pytest.fixture(scope='module')
def plain_parameters() -> tuple[int, int]:
    init_default_scope('mmdet')
    return parameters_of(Config.fromfile(CONFIGS / 'yolov9/yolov9c_coco.py'))


@pytest.mark.parametrize('atoms', ADDED_BY_RD)
def test_a_dictionary_adds_the_published_number_of_parameters(atoms, plain_parameters):
    cfg = Config.fromfile('configs/yolo_rd/yolov9c_rd_coco.py')
    cfg.model.backbone.rd.num_atoms = atoms
    (trained, deployed), (plain, plain_deployed) = parameters_of(cfg), plain_parameters
    assert (trained - plain, deployed - plain_deployed) == ADDED_BY_RD[atoms]


def test_a_dictionary_costs_the_published_flops():
    with torch.device('meta'):
        flops = [count_flops(MODELS.build(Config.fromfile(f'configs/{name}.py').model).eval())
                 for name in ('yolo_rd/yolov9c_rd_coco', 'yolov9/yolov9c_coco')]
    assert round((flops[0] - flops[1]) / 2e9, 2) == 3.44  # GMAC at stride 8 of 640 pixels


@pytest.mark.parametrize('name, class_channels', PUBLISHED)
def test_parameters_and_flops_are_the_published_ones(name, class_channels):
    heads, parameters, gflops, deployed_parameters, deployed_gflops = PUBLISHED[name, class_channels]
    cfg = Config.fromfile(f'configs/{name}_coco.py')
    if class_channels:
        cfg.model.bbox_head.class_channels = class_channels
        if cfg.model.aux_head:
            cfg.model.aux_head.head.class_channels = class_channels
    with torch.device('meta'):  # shapes without numbers
        model = MODELS.build(cfg.model).eval()
        deployed = deploy(model)
        assert count_parameters(model) + heads * DFL_PARAMETERS == parameters
        assert round((count_flops(model, training=True) + heads * DFL_FLOPS) / 1e9, 3) == gflops
        assert count_parameters(deployed) + DFL_PARAMETERS == deployed_parameters
        assert round((count_flops(deployed) + DFL_FLOPS) / 1e9, 3) == deployed_gflops


@pytest.mark.parametrize('name', ABLATION)
def test_blocks_and_depths_of_the_ablation_have_the_published_cost(name):
    with torch.device('meta'):
        deployed = deploy(MODELS.build(Config.fromfile(f'configs/yolov9/ablation/{name}_coco.py').model).eval())
        flops = (count_flops(deployed) + DFL_FLOPS) / 1e9 + OTHER_GFLOPS[name[5]]
    assert (round(count_parameters(deployed) / 1e6, 1), round(flops, 1)) == ABLATION[name]


def test_the_ablation_names_each_config_of_its_folder():
    written = {path.stem.removesuffix('_coco') for path in Path('configs/yolov9/ablation').glob('gelan?_*.py')}
    assert written == set(ABLATION)


def test_gelan_with_strided_convolutions_has_the_published_parameters():
    cfg = Config.fromfile('configs/gelan/gelanc_coco.py').model
    cfg.backbone.arch = cfg.neck.arch = dict(base='c', down='Conv')
    with torch.device('meta'):
        assert count_parameters(MODELS.build(cfg)) + DFL_PARAMETERS == 31_462_528
