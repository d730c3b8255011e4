"""A config's text is laid out once in a process, as yapf lays it out."""
import pytest
from mmengine.config import Config
from yapf.yapflib.yapf_api import FormatCode

import mmdet_ext.compat.apply  # noqa: F401  as the configs have it, before `calls` looks on
from mmdet_ext.compat.config_patches import format_configs_once, formatter_module


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """What yapf is asked to lay out."""
    asked = []

    def format_code(text: str, **options: object) -> tuple[str, bool]:
        asked.append(text)
        return FormatCode(text, **options)

    monkeypatch.setattr(formatter_module(), 'FormatCode', format_code)
    return asked


@pytest.mark.parametrize('name', ['yolo_rd/yolov9t_rd_shapes', 'mdetr/mdetr_r18_shapes', 'smca/smca_r50_50e_coco'])
def test_the_text_is_that_of_yapf(name, calls):
    cfg = Config.fromfile(f'configs/{name}.py')
    expected = cfg.pretty_text
    assert len(calls) == 1
    format_configs_once()
    assert cfg.pretty_text == expected


def test_only_statements_that_changed_are_laid_out_again(calls):
    format_configs_once()
    format_configs_once()
    cfg = Config(dict(model=dict(type='MDETR', scores=[0.1, 0.2]), epochs=3, classes=('cat', "dog's")))
    first = cfg.pretty_text
    assert len(calls) == 3 and cfg.pretty_text == first and len(calls) == 3
    cfg.epochs = 4
    assert cfg.pretty_text == first.replace('epochs = 3', 'epochs = 4') and calls[3:] == ['epochs=4']


def test_a_value_that_python_cannot_read_is_told(calls):
    format_configs_once()
    with pytest.raises(SyntaxError, match='check the syntax'):
        _ = Config(dict(hook=object())).pretty_text
