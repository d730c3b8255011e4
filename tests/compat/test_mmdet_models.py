"""Models of mmdet itself, after `compat.apply`."""
import mmdet.models.utils
import mmdet_ext.compat.apply  # noqa: F401
import pytest
import torch
from mmdet.models.dense_heads import atss_vlfusion_head
from mmdet.registry import MODELS
from mmdet_ext.experiments.small_models import save_small_bert
from mmengine.config import ConfigDict
from mmengine.structures import InstanceData
from torch.testing import assert_close

MODELS.get('SSDHead')  # the first look-up imports the changes


@torch.no_grad()
@pytest.mark.parametrize('separated', [False, True], ids=['glip', 'grounding_dino'])
def test_mmdet_s_bert_gives_what_ours_gives(tmp_path, separated):
    save_small_bert(tmp_path)
    options = dict(name=str(tmp_path), pad_to_max=False, use_sub_sentence_represent=separated)
    if separated:
        options['special_tokens_list'] = ['[CLS]', '[SEP]', '.', '?']
    plain = MODELS.build(dict(type='BertModel', **options)).eval()
    checked = MODELS.build(dict(type='BertLanguageModel', **options)).eval()
    checked.load_state_dict(plain.state_dict())
    captions = ['red cat. dog. ', 'dog. ']
    assert_close(plain(captions)['embedded'], checked(captions)['embedded'])


@torch.no_grad()
def test_a_layer_of_glip_s_fusion_is_that_of_transformers():
    from transformers import BertConfig
    from transformers.models.bert.modeling_bert import BertLayer

    config = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64)
    config._attn_implementation = 'eager'
    layer, expected = mmdet.models.utils.BertEncoderLayer(config).eval(), BertLayer(config).eval()
    expected.load_state_dict(layer.state_dict())
    hidden, masks = torch.randn(2, 4, 32), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    lang = layer(dict(visual=None, lang=dict(hidden=hidden, masks=masks)))['lang']['hidden']
    output = expected(hidden, (1. - masks[:, None, None]) * torch.finfo(torch.float32).min)
    assert_close(lang, output[0] if isinstance(output, tuple) else output)
    assert atss_vlfusion_head.BertEncoderLayer is mmdet.models.utils.BertEncoderLayer


def test_ssd_predicts():
    head = MODELS.build(dict(
        type='SSDHead', num_classes=3, in_channels=(8, ), use_depthwise=False,
        anchor_generator=dict(type='SSDAnchorGenerator', scale_major=False, input_size=300, min_sizes=[8],
                              max_sizes=[16], strides=[16], ratios=[[2]], basesize_ratio_range=(0.2, 0.9)),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'), test_cfg=ConfigDict(
            nms=dict(type='nms', iou_threshold=0.5), nms_pre=9, min_bbox_size=0, score_thr=0., max_per_img=5)))
    (result, ) = head.predict_by_feat(*head([torch.randn(1, 8, 2, 2)]), batch_img_metas=[dict(
        img_shape=(32, 32), scale_factor=(1., 1.))])
    assert isinstance(result, InstanceData) and len(result) == 5
