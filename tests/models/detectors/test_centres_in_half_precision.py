"""Under autocast an image of 1333 x 799 pixels keeps its size: bfloat16 knows 1336 x 800 only."""
import inspect

import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from processes.steps import CAPTION, build
from torch.testing import assert_close

from mmdet_ext.text.tokenizer_training import save_encoder_folder, train_tokenizer

HEIGHT, WIDTH, STRIDE = 799, 1333, 16


@pytest.fixture
def sample() -> DetDataSample:
    instances = InstanceData(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
    data_sample = DetDataSample(gt_instances=instances)
    data_sample.set_metainfo(dict(img_shape=(HEIGHT, WIDTH), batch_input_shape=(HEIGHT, WIDTH),
                                  ori_shape=(HEIGHT, WIDTH), scale_factor=(1., 1.), text=CAPTION))
    return data_sample


@pytest.mark.parametrize('dtype', [torch.bfloat16, None])
@pytest.mark.parametrize('system', ['smca', 'mdetr'])
@torch.no_grad()
def test_centres_are_in_cells_of_the_image(system, dtype, sample, tmp_path):
    """A reference of logit 0 is the middle: 1333 / 2 / 16 = 41.65625 and 799 / 2 / 16 = 24.96875 cells, exactly."""
    save_encoder_folder(train_tokenizer([CAPTION], 300), tmp_path / 'text', layers=1, hidden_size=32, heads=2)
    model = build(system, tmp_path / 'text').eval()
    last = model.decoder.centre.layers[-1]
    last.weight.zero_()
    last.bias.zero_()
    layer, seen = model.decoder.layers[0], []

    def keep(_, args, kwargs) -> None:
        seen.append(inspect.signature(layer.forward).bind(*args, **kwargs).arguments['centres'])

    layer.register_forward_pre_hook(keep, with_kwargs=True)
    with torch.autocast('cpu', dtype=dtype, enabled=dtype is not None):
        model(torch.randn(1, 3, HEIGHT, WIDTH), [sample], mode='tensor')
    expected = torch.tensor([41.65625, 24.96875]).expand_as(seen[0])
    assert_close(seen[0], expected, rtol=0, atol=0)
