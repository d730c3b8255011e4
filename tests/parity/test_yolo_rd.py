"""The Retriever-Dictionary alone, and YOLOv9-C with it, against the published implementation."""
from pathlib import Path

import pytest
import torch
from golden.cases import load_case
from golden.compare import approx, assert_close
from golden.fill import fill, normal
from golden.fill import image as fill_image
from mmdet.registry import MODELS
from mmdet_ext.checkpoints import convert, convert_with_report
from mmdet_ext.models.layers import RetrieverDictionary, positional_norm
from mmengine.config import Config
from mmengine.registry import init_default_scope

ROOT = Path(__file__).resolve().parents[2]

NAMES = dict(CG='generator', GIE='exchanger', D='dictionary')


def our_name(name: str) -> str:
    part, leaf = name.split('.', 1)
    return f'{NAMES[part]}.{leaf}'


@pytest.fixture
def case():
    return load_case('yolo_rd', 'rd_module')


@pytest.fixture
def rd(case, device) -> RetrieverDictionary:
    module = RetrieverDictionary(512, num_atoms=512, alpha=0.8)
    weights = {our_name(name): torch.from_numpy(fill(name, tuple(shape), case.weights.gain))
               for name, shape, *_ in case.weights.tensors}
    module.load_state_dict(weights, strict=True)
    return module.to(device)


@pytest.fixture
def feat(device) -> torch.Tensor:
    return torch.from_numpy(normal('rd_module', (2, 512, 12, 20))).to(device)


def test_it_has_the_published_number_of_parameters(case, rd):
    assert sum(p.numel() for p in rd.parameters()) == case.results['parameters'] == 540_160


def test_evaluation_gives_the_published_numbers(case, rd, feat):
    rd.eval()
    with torch.no_grad():
        assert_close(rd(feat), case['eval_output'], rtol=0, atol=1e-4)
        assert_close(rd.coefficients(feat)[:, :32], case['eval_coef'], rtol=0, atol=1e-4)


def test_the_normalisation_of_tiny_variances_is_the_published_one(case, device):
    tiny = torch.from_numpy(1e-4 * normal('rd_module_norm', (2, 64, 5, 7))).to(device)
    assert_close(positional_norm(tiny), case['norm_small_output'], rtol=0, atol=1e-5)


def test_training_and_gradients_are_the_published_ones(case, rd, feat, device):
    feat.requires_grad_()
    output = rd.train()(feat)
    assert_close(output, case['train_output'], rtol=0, atol=1e-4)
    loss = output.square().mean()
    assert loss.item() == approx(case.results['train']['loss'], device, rel=1e-5)
    loss.backward()
    for name, norm in case.results['train']['grad_norm'].items():
        gradient = rd.get_parameter(our_name(name)).grad
        assert gradient.norm().item() == approx(norm, device, rel=1e-3)
        published = case[f'train_grad_head/{name}']
        assert_close(gradient.flatten()[:64], published, rtol=1e-3, atol=1e-5 * published.abs().max().item())
    assert feat.grad.norm().item() == approx(case.results['train']['input_grad_norm'], device, rel=1e-3)


@pytest.fixture(scope='module')
def detector(device):
    """The whole rd-9c with the case's weights, through the converter."""
    init_default_scope('mmdet')
    case = load_case('yolo_rd', 'rd9c_full')
    model = MODELS.build(Config.fromfile(ROOT / 'configs/yolo_rd/yolov9c_rd_coco.py').model)
    model.load_state_dict(convert('yolo_rd', case.state_dict), strict=True)
    return case, model.to(device).eval()


def test_the_whole_network_gives_the_published_numbers(detector, device):
    case, model = detector
    image = torch.from_numpy(fill_image('rd9c_full', (2, 3, 192, 256))).to(device)
    kept = {}
    module = model.backbone.trunk.rd['1']
    handle = module.register_forward_hook(lambda _, inputs, output: kept.update(before=inputs[0], after=output))
    with torch.no_grad():
        feats = model.backbone(image)
        heads = dict(main=(model.bbox_head, model.neck(feats)),
                     aux=(model.aux_head.head, model.aux_head.branch(image, feats)))
        coefficients = module.coefficients(kept['before'])
        handle.remove()
        assert_close(kept['before'][:, :8], case['b3_before_8'], rtol=0, atol=1e-4)
        assert_close(coefficients[:, :8], case['coef_8'], rtol=0, atol=1e-4)
        assert_close(kept['after'][:, :8], case['b3_after_8'], rtol=0, atol=1e-4)
        for name, (head, maps) in heads.items():
            class_maps, box_maps = head(maps)
            for level in range(3):
                assert_close(class_maps[level], case[f'{name}_cls_{level}'], rtol=0, atol=1e-3)
                assert_close(box_maps[level], case[f'{name}_box_{level}'], rtol=0, atol=1e-3)
            assert_close(head.predictions(class_maps, box_maps).boxes().mT, case[f'{name}_boxes'], rtol=0, atol=0.05)


def test_the_whole_network_has_the_published_number_of_parameters(detector):
    case, model = detector
    # the published heads hold six frozen ramps of 16 bins, which are constants here
    assert sum(p.numel() for p in model.parameters()) + 6 * 16 == case.results['parameters'] == 51_722_304


def test_lightnings_form_converts_to_the_same(detector):
    case, model = detector
    weights = convert('yolo_rd', {f'model.model.{name}': value for name, value in case.state_dict.items()})
    assert weights.keys() == model.state_dict().keys()
    name = 'backbone.trunk.rd.1.dictionary.conv.weight'
    assert weights[name].equal(case.state_dict['4.dconv.D.conv.weight'])


def test_another_number_of_atoms_is_read_off_the_file(detector):
    case, _ = detector
    wide = {name: torch.zeros(512, 4096, 1, 1) if name == '4.dconv.D.conv.weight' else value
            for name, value in case.state_dict.items()}
    assert convert_with_report('yolo_rd', wide).recipe.options == {'model.backbone.rd.num_atoms': 4096}
