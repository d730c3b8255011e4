"""Pieces of interrupted work."""
import pytest
from mmdet_ext.unfinished import Unfinished, file_version


@pytest.fixture
def work(tmp_path) -> Unfinished:
    return Unfinished(tmp_path / 'out.json')


def write(work: Unfinished, name: str, content: bytes = b'content') -> None:
    with work.write(name) as file:
        file.write(content)


def test_a_second_run_with_the_same_settings_finds_the_pieces(work, tmp_path):
    work.begin(dict(size=2, files=('a', 'b')))
    assert work.piece('first') is None
    write(work, 'first')
    again = Unfinished(tmp_path / 'out.json')
    again.begin(dict(size=2, files=['a', 'b']))
    assert again.piece('first').read_bytes() == b'content'
    assert again.piece('first').parent == tmp_path / 'out.json.parts'
    again.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_piece_whose_writing_ends_early_is_not_there(work):
    work.begin({})
    with pytest.raises(KeyboardInterrupt), work.write('first') as file:
        file.write(b'half')
        raise KeyboardInterrupt
    assert work.piece('first') is None and [path.name for path in work.folder.iterdir()] == ['settings.json']


def test_other_settings_are_named_and_restart_forgets_the_pieces(work):
    work.begin(dict(size=2, source=dict(rows=[1, 2], kind='a')))
    write(work, 'first')
    other = dict(size=3, source=dict(rows=[1, 5], kind='a'), more=True)
    with pytest.raises(ValueError, match=r'out\.json\.parts .*size was 2 and is 3; source rows 1 was 2 and is 5; more '
                       r'was null and is true.*--restart'):
        work.begin(other)
    assert work.piece('first')
    work.begin(other, restart=True)
    assert work.piece('first') is None
    work.begin(other)


def test_a_folder_of_other_files_is_left_alone(work):
    work.folder.mkdir()
    (work.folder / 'photo.jpg').touch()
    with pytest.raises(ValueError, match='is in the way'):
        work.begin({}, restart=True)
    assert (work.folder / 'photo.jpg').exists()


def test_damaged_settings_are_named(work):
    work.begin({})
    work.settings.write_text('{')
    with pytest.raises(ValueError, match='settings.json is damaged.*--restart'):
        work.begin({})
    work.begin({}, restart=True)


def test_a_changed_file_is_another_version(tmp_path):
    path = tmp_path / 'a'
    path.write_text('1')
    first = file_version(path)
    assert file_version(path) == first == [str(path), 1, path.stat().st_mtime_ns]
    path.write_text('12')
    assert file_version(path) != first
