"""Nothing that a step or a prediction makes stays on the CPU, by a device that is simulated."""
import pytest
import torch
from configs.test_mdetr_training import data  # noqa: F401  a fixture
from configs.test_no_mmcv_operators import batch, build
from simulated_device import NAME, SimulatedDevice

# beside those whose numbers are compared there, in tests/gpu/test_steps.py
OTHERS = ('yolo_rd/yolov9t_rd_shapes', 'smca/smca_ms_conv_r50_50e_coco', 'mdetr/mdetr_r18_shapes_qa',
          'mdetr/mdetr_r18_shapes_seg', 'mdetr/mdetr_r18_coco128_prompts', 'mdetr/mdetr_r101_gqa')


@pytest.mark.parametrize('name', OTHERS)
def test_a_training_step_and_a_prediction(name, data):  # noqa: F811
    model = build(name, data)
    with SimulatedDevice():
        model.to(NAME)
        prepared = model.data_preprocessor(batch(model), training=True)
        assert prepared['inputs'].device.type == NAME
        total, _ = model.parse_losses(model.train()(**prepared, mode='loss'))
        total.backward()
        assert total.device.type == NAME
        with torch.no_grad():
            results = model.eval()(**model.data_preprocessor(batch(model)), mode='predict')
        assert all(result.pred_instances.bboxes.device.type == NAME for result in results)
