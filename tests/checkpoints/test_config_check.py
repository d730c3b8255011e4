"""Converted names and shapes against the config that the converter prints, for every system and form."""
import pytest
import torch
from checkpoints.test_mdetr_answer_names import clevr, gqa, unified
from checkpoints.test_mdetr_mask_names import segmenter
from checkpoints.test_mdetr_names import efficientnet
from checkpoints.test_mdetr_names import weights as mdetr
from checkpoints.test_smca_names import meta_weights as smca
from checkpoints.test_yolov9_names import meta_weights as yolov9
from golden.cases import Case

from mmdet_ext.checkpoints import CheckpointError, check_conversion, convert_with_report

CONV_ENCODER = dict(encoder=dict(share_cross=False))


def yolo_rd() -> dict:
    names = Case('yolo_rd', 'rd9c_full').weights.tensors
    return {name: torch.arange(16.).view(shape) if 'anc2vec' in name else torch.empty(tuple(shape), device='meta')
            for name, shape, *_ in names}


# system, what makes a file, a tensor of it whose shape no option can say, our name of it
FILES = [
    ('yolov9', lambda: yolov9('gelan-t'), 'model.22.cv2.1.1.conv.weight', 'bbox_head.box_towers.1.1.conv.weight'),
    ('yolov9', lambda: yolov9('yolov9-c', num_classes=3), 'model.38.cv2.0.2.weight',
     'aux_head.head.box_towers.0.2.weight'),
    ('yolov9', lambda: yolov9('yolov9-e'), 'model.3.cv1.bn.bias', 'backbone.trunk.blocks.0.split.bn.bias'),
    ('yolo_rd', yolo_rd, '4.dconv.GIE.conv.weight', 'backbone.trunk.rd.1.exchanger.conv.weight'),
    ('smca', smca, 'transformer.encoder.layers.2.linear2.bias', 'encoder.layers.2.ffns.0.layers.1.bias'),
    ('smca', lambda: smca(**CONV_ENCODER), 'transformer.level_embed', 'level_embed'),
    ('mdetr', mdetr, 'class_embed.weight', 'bbox_head.fc_cls.weight'),
    ('mdetr', lambda: mdetr(body=efficientnet(), channels=384), 'transformer.resizer.fc.weight', 'resizer.fc.weight'),
    ('mdetr', gqa, 'answer_type_head.weight', 'answer_head.fc_type.weight'),
    ('mdetr', unified, 'qa_embed.weight', 'answer_head.query_embedding.weight'),
    ('mdetr', clevr, 'answer_binary_head.bias', 'answer_head.branches.binary.bias'),
    ('mdetr', segmenter, 'mask_head.lay3.weight', 'mask_head.convs.2.weight'),
]
NAMES = [f'{number}-{file[0]}' for number, file in enumerate(FILES)]


@pytest.mark.parametrize('system, make, source, target', FILES, ids=NAMES)
def test_another_shape_is_refused_with_names_shapes_and_config(system, make, source, target):
    published = make()
    source = next(name for name in published if name.endswith(source))
    conversion = convert_with_report(system, published)
    check_conversion(conversion)

    right = tuple(published[source].shape)
    wrong = (*right[:-1], right[-1] + 2)
    conversion.state_dict[target] = torch.empty(wrong, device='meta')
    with pytest.raises(CheckpointError) as refused:
        check_conversion(conversion)
    message = str(refused.value)
    assert f'{source} is {wrong}, should be {right} as {target}' in message
    assert '1 of ' in message and conversion.recipe.config in message and conversion.recipe.model in message


def test_the_file_of_another_implementation_with_ungrouped_box_towers_is_refused():
    published = yolov9('gelan-t', class_channels=80)
    for level in range(3):
        published[f'model.22.cv2.{level}.1.conv.weight'] = torch.empty(64, 64, 3, 3, device='meta')
        published[f'model.22.cv2.{level}.2.weight'] = torch.empty(64, 64, 1, 1, device='meta')
    with pytest.raises(CheckpointError, match=r'6 of 1338 tensors do not fit configs/gelan/gelant_coco.py: '
                                              r'model.22.cv2.0.1.conv.weight is \(64, 64, 3, 3\), should be \(64, 16'):
        check_conversion(convert_with_report('yolov9', published))


def test_names_that_the_config_has_not_or_has_besides_are_refused():
    conversion = convert_with_report('yolov9', yolov9('gelan-t'))
    conversion.state_dict['neck.extra'] = conversion.state_dict.pop('backbone.trunk.downs.0.bn.bias')
    conversion.rows.append(conversion.rows[0]._replace(source='theirs', target='neck.extra'))
    with pytest.raises(CheckpointError, match='2 of 1338.*theirs would become neck.extra, which is unknown; '
                                              'backbone.trunk.downs.0.bn.bias is missing'):
        check_conversion(conversion)
