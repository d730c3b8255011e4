"""Networks with published weights, through the converter, against the published implementation, layer by layer."""
import pytest
import torch
from golden.cases import Case, load_case
from golden.compare import assert_close
from mmdet.registry import MODELS
from mmdet_ext.checkpoints import convert
from mmengine.config import Config

CASES = dict(
    yolov9_t_forward='configs/yolov9/yolov9t_coco.py',
    yolov9_c_forward='configs/yolov9/yolov9c_coco.py',
    gelan_s_forward='configs/gelan/gelans_coco.py')
TRUNK = ('downs.0', 'downs.1', 'blocks.0', 'downs.2', 'blocks.1', 'downs.3', 'blocks.2', 'downs.4', 'blocks.3')
NECK = {9: 'top_down.spp', 12: 'top_down.middle', 15: 'top_down.fine', 16: 'down_fine', 18: 'middle',
        19: 'down_middle', 21: 'coarse'}


def build(config: str, case: Case, device: torch.device):
    """The config's model with the case's weights."""
    cfg = Config.fromfile(config)
    if 'yolov9t' in config:  # the golden network has the class towers of the published model file
        cfg.model.bbox_head.class_channels = cfg.model.aux_head.head.class_channels = None
    model = MODELS.build(cfg.model)
    model.load_state_dict(convert('yolov9', case.state_dict), strict=True)
    return model.to(device)


def layers(name: str) -> dict[int, str]:
    """Names of our modules by index of the published layer whose output is theirs."""
    shift = 1 if '_c_' in name else 0
    table = {i + shift: f'backbone.trunk.{part}' for i, part in enumerate(TRUNK)}
    table |= {i + shift: f'neck.{part}' for i, part in NECK.items()}
    if '_t_' in name:
        table |= {i: f'aux_head.branch.top_down.{part}' for i, part in {22: 'spp', 25: 'middle', 28: 'fine'}.items()}
    if '_c_' in name:
        table |= {23 + i: f'aux_head.branch.links.{i}' for i in range(3)}
        # 30, 33 and 36 are sums, which are no modules here
        indices = (26, 27, 28, 29, 31, 32, 34, 35, 37)
        table |= {i: f'aux_head.branch.trunk.{part}' for i, part in zip(indices, TRUNK, strict=True)}
    return table


def run(model, image: torch.Tensor, name: str) -> tuple[dict, dict]:
    """Raw maps of each head, and the output of each layer by its published index."""
    outputs = {}

    def keep(index):

        def hook(module, inputs, output):
            outputs[index] = output if isinstance(output, torch.Tensor) else torch.cat(output, dim=1)

        return hook

    handles = [model.get_submodule(part).register_forward_hook(keep(i)) for i, part in layers(name).items()]
    with torch.no_grad():
        feats = model.backbone(image)
        maps = dict(main=model.bbox_head(model.neck(feats)))
        if model.with_aux:
            maps['aux'] = model.aux_head.head(model.aux_head.branch(image, feats))
    for handle in handles:
        handle.remove()
    raw = {
        head: [torch.cat([box, cls], dim=1) for cls, box in zip(class_maps, box_maps)]
        for head, (class_maps, box_maps) in maps.items()
    }
    return raw, outputs


def check_layers(case: Case, outputs: dict, prefix: str, atol: float) -> None:
    rows = {int(index): row for row, index in enumerate(case['layer_index'])}
    assert outputs
    for index in sorted(outputs):
        output = outputs[index]
        statistics = torch.stack([output.mean(), output.std(correction=0)]).float()
        layer_name = f'layer {index}: '
        assert_close(statistics, case[f'{prefix}layer_mean_std'][rows[index]], rtol=1e-5, atol=atol,
                     msg=lambda m: layer_name + m)
        first = output.flatten()[:16].float()
        assert_close(first, case[f'{prefix}layer_first16'][rows[index]], rtol=1e-5, atol=atol,
                     msg=lambda m: layer_name + m)


@pytest.mark.parametrize('name', CASES)
def test_evaluation_gives_the_published_numbers(name, device):
    case = load_case('yolov9', name)
    model = build(CASES[name], case, device).eval()
    raw, outputs = run(model, case.image().to(device), name)
    check_layers(case, outputs, '', 1e-5)
    for head, maps in raw.items():
        for level, level_map in zip(('P3', 'P4', 'P5'), maps, strict=True):
            assert_close(level_map, case[f'{head}_raw_{level}'], rtol=0, atol=1e-5)
    with torch.no_grad():
        predictions = model.bbox_head.predictions(*model(case.image().to(device), mode='tensor'))
    assert_close(predictions.boxes().mT, case['main_boxes'], rtol=0, atol=2e-3)
    assert_close(predictions.class_logits.sigmoid().mT, case['main_scores'], rtol=0, atol=2e-6)


@pytest.mark.parametrize('name', CASES)
def test_training_mode_gives_the_published_numbers(name, device):
    case = load_case('yolov9', name)
    model = build(CASES[name], case, device).double().train()
    raw, outputs = run(model, case.image().double().to(device), name)
    check_layers(case, outputs, 'train_', 1e-5)
    for head, maps in raw.items():
        stats = torch.stack([torch.stack([x.mean(), x.std(correction=0)]) for x in maps]).float()
        assert_close(stats, case[f'train_{head}_raw_mean_std'], rtol=0, atol=1e-5)
        first = torch.stack([x.flatten()[:64] for x in maps]).float()
        assert_close(first, case[f'train_{head}_raw_first64'], rtol=0, atol=1e-5)
        assert_close(maps[2][0].float(), case[f'train_{head}_raw_P5_map0'], rtol=0, atol=1e-5)
    buffers = model.state_dict()
    for i, key in enumerate(case.inputs['train_bn_keys']):
        our_name = case.our_name(convert, 'yolov9', key)
        variance = our_name.replace('running_mean', 'running_var')
        assert_close(buffers[our_name].float(), case[f'train_bn{i}_running_mean'], rtol=0, atol=1e-5)
        assert_close(buffers[variance].float(), case[f'train_bn{i}_running_var'], rtol=0, atol=1e-5)
