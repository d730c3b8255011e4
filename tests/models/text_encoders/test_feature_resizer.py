"""From RoBERTa's width to that of the transformer."""
import torch
from golden.cases import load_case

from mmdet_ext.models.layers.feature_resizer import FeatureResizer


def test_the_resized_text_is_the_published_one():
    case, prefix = load_case('mdetr', 'model'), 'transformer.resizer.'
    resizer = FeatureResizer(768, 256).eval()
    resizer.load_state_dict({key.removeprefix(prefix): case.weights.value(key, shape, 'float32')
                             for key, shape, _ in case.weights.tensors if key.startswith(prefix)})
    resized = resizer(case['text_last_hidden']).transpose(0, 1)
    torch.testing.assert_close(resized, case['text_memory_resized'], atol=1e-4, rtol=1e-4)


def test_it_normalises_also_what_hardly_varies():
    feat = torch.tensor([[1., -1.]]) * 1e-4
    resizer = FeatureResizer(2, 2).eval()
    with torch.no_grad():
        resizer.fc.weight.copy_(torch.eye(2))
        resizer.fc.bias.zero_()
    torch.testing.assert_close(resizer(feat), torch.tensor([[1., -1.]]), atol=1e-3, rtol=0)


def test_a_tenth_is_dropped_in_training():
    dropped = FeatureResizer(4, 1000)(torch.randn(100, 4)) == 0
    assert 0.08 < dropped.float().mean() < 0.12
