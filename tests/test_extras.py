"""Imports of libraries that come with an extra."""
import os

import pytest

from mmdet_ext.extras import import_extra


def test_what_is_there_is_imported():
    assert import_extra('os.path', 'none').join('a', 'b') == 'a/b'


@pytest.mark.parametrize('module', ['no_such_library', 'no_such_library.part'])
def test_a_missing_library_names_the_extra(module):
    with pytest.raises(ImportError, match=r'no_such_library is not installed: pip install "mmdet_ext\[export\]"'):
        import_extra(module, 'export')


def test_a_library_that_lacks_something_of_its_own_keeps_its_error(tmp_path, monkeypatch):
    module = 'there_but_broken'
    (tmp_path / f'{module}.py').write_text('import no_such_library')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match='no_such_library'):
        import_extra(module, 'export')


@pytest.mark.parametrize('module, variable', [('onnxruntime', 'ORT_DISABLE_TELEMETRY'),
                                              ('gradio.themes', 'GRADIO_ANALYTICS_ENABLED')])
def test_libraries_are_told_to_report_nothing(monkeypatch, module, variable):
    monkeypatch.setattr('mmdet_ext.extras.import_module', lambda name: os.environ[variable])
    monkeypatch.setenv(variable, 'as the user says')
    assert import_extra(module, 'app') == 'as the user says'
    monkeypatch.delenv(variable)
    assert import_extra(module, 'app') in ('1', 'False')
