"""Imports of libraries that come with an extra."""
import pytest

from mmdet_ext.extras import import_extra


def test_what_is_there_is_imported():
    assert import_extra('os.path', 'none').join('a', 'b') == 'a/b'


@pytest.mark.parametrize('module', ['no_such_library', 'no_such_library.part'])
def test_a_missing_library_names_the_extra(module):
    with pytest.raises(ImportError, match=r'no_such_library is not installed: pip install "mmdet_ext\[export\]"'):
        import_extra(module, 'export')


def test_a_library_that_lacks_something_of_its_own_keeps_its_error(tmp_path, monkeypatch):
    (tmp_path / 'there_but_broken.py').write_text('import no_such_library')
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match='no_such_library'):
        import_extra('there_but_broken', 'export')
