"""When the network is asked for files of the Hub."""
import pytest

from mmdet_ext.text.hub import load_files


@pytest.fixture
def loader():
    """Makes a `from_pretrained` with local files of some names only, which says in `asked` how it was called."""

    def make(*known: str):
        def load(name: str, *, local_files_only: bool) -> str:
            load.asked.append(local_files_only)
            if local_files_only and name not in known:
                raise OSError('not in the cache\nfurther lines')
            return f'{name} {local_files_only}'

        load.asked = []
        return load

    return make


def test_the_cache_of_the_hub_goes_before_the_hub(loader):
    cached, new = loader('some/model'), loader()
    assert load_files(cached, 'some/model', argument='name', what='config') == 'some/model True'
    assert load_files(new, 'some/model', argument='name', what='config') == 'some/model False'
    assert (cached.asked, new.asked) == ([True], [True, False])


def test_the_hub_is_never_asked_for_a_folder(loader, tmp_path):
    load = loader()
    with pytest.raises(OSError, match=f'name={tmp_path} gives no config: not in the cache. Where'):
        load_files(load, str(tmp_path), argument='name', what='config')
    assert load.asked == [True]
