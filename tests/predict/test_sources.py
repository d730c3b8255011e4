"""What the arguments of a command line stand for."""
from pathlib import Path

import pytest
from blobs import write_scene

from mmdet_ext.predict.sources import Source, find_sources


@pytest.fixture
def folder(tmp_path) -> Path:
    for name in ('10.png', '2.jpg', 'Größe 東京.png', 'deep/1.png', 'deep/er/3.jpg', '.hidden.png'):
        write_scene(tmp_path / 'in' / name)
    (tmp_path / 'in' / 'film.mp4').write_bytes(b'no video')
    (tmp_path / 'in' / 'notes.md').write_text('no image')
    return tmp_path / 'in'


def names(folder: Path, *arguments: object, **options: bool) -> list[str]:
    sources, problems = find_sources([str(argument) for argument in arguments], **options)
    assert problems == []
    return [Path(source.name).relative_to(folder).as_posix() for source in sources]


def test_a_folder_gives_its_images_and_videos_sorted_as_people_count(folder):
    assert names(folder, folder) == ['2.jpg', '10.png', 'film.mp4', 'Größe 東京.png']


def test_folders_below_are_taken_if_asked_for_and_stay_in_the_name(folder):
    sources, _ = find_sources([str(folder)], recursive=True)
    assert {Path(source.name).name: source.folder for source in sources} == {
        '2.jpg': '', '10.png': '', 'film.mp4': '', 'Größe 東京.png': '', '1.png': 'deep', '3.jpg': 'deep/er'}


def test_patterns_and_files_named_twice_count_once(folder):
    assert names(folder, folder / '*.png', folder / '10.png', folder / '2.jpg') == ['10.png', 'Größe 東京.png', '2.jpg']
    assert names(folder, folder / '**' / '*.jpg') == ['2.jpg', 'deep/er/3.jpg']


def test_a_file_with_the_letters_of_a_pattern_is_that_file(folder):
    write_scene(folder / 'a[1].png')
    assert names(folder, folder / 'a[1].png') == ['a[1].png']


def test_kinds(folder, tmp_path):
    image = write_scene(tmp_path / 'image.png').rename(tmp_path / 'no_suffix')
    addresses = ['rtsp://host/live', 'https://host/a.jpg?x=1', 'https://host/a.mp4']
    sources, _ = find_sources(['0', *addresses, str(folder / 'film.mp4'), str(image)])
    assert [source.kind for source in sources] == ['stream', 'stream', 'image', 'video', 'video', 'image']
    assert [source.stem for source in sources] == ['camera-0', 'live', 'a', 'a', 'film', 'no_suffix']


def test_a_text_list_names_paths_from_its_folder_or_the_current_one(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (folder / 'list.txt').write_text('\ufeff# images\n2.jpg\n\nin/10.png\nmissing.jpg\n', encoding='utf-8')
    sources, problems = find_sources([str(folder / 'list.txt')])
    assert [Path(source.name).name for source in sources] == ['2.jpg', '10.png']
    assert len(problems) == 1 and 'list.txt, line 5: there is no image, video or folder missing.jpg' in problems[0]


def test_a_table_has_captions_and_an_image_counts_once_for_each(folder):
    (folder / 'list.csv').write_text('image,caption\n2.jpg,"a red, small square"\n2.jpg,a star\n10.png,\n')
    sources, _ = find_sources([str(folder / 'list.csv')])
    assert [(Path(source.name).name, source.caption) for source in sources] == [
        ('2.jpg', 'a red, small square'), ('2.jpg', 'a star'), ('10.png', None)]


@pytest.mark.parametrize('argument, error, message', [
    ('missing.jpg', FileNotFoundError, 'there is no image, video or folder .*missing.jpg'),
    ('*.webp', FileNotFoundError, r'no image and no video matches .*\*.webp'),
    ('*.md', FileNotFoundError, r'matches .*\*.md .*, but .*notes.md does'),
    ('empty', ValueError, 'empty has no images and no videos$'),
    ('upper', ValueError, 'upper has no images .* but folders below it do: --recursive'),
    ('notes.md', ValueError, 'notes.md is neither an image nor a video'),
    ('weights.pth', ValueError, 'weights.pth is a checkpoint, should be an image'),
    ('empty.txt', ValueError, 'empty.txt is an empty list'),
    ('wrong.csv', ValueError, 'wrong.csv: the first line should name the columns, image and caption, .*got path, text'),
    ('latin.txt', ValueError, 'latin.txt should be a list in UTF-8'),
])
def test_what_names_nothing_is_an_error(folder, argument, error, message):
    (folder / 'empty').mkdir()
    write_scene(folder / 'upper' / 'lower' / '1.png')
    for name, content in {'weights.pth': b'', 'empty.txt': b'# none\n', 'wrong.csv': b'path,text\na.jpg,b\n',
                          'latin.txt': 'Größe.png'.encode('latin-1')}.items():
        (folder / name).write_bytes(content)
    with pytest.raises(error, match=message):
        find_sources([str(folder / argument)])


def test_the_number_of_a_camera_may_be_the_name_of_a_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)
    write_scene(folder / '7' / 'a.png')
    assert find_sources(['7'])[0] == [Source('7/a.png', 'image')]


def test_a_caption_may_have_lines_and_needs_quotes_around_commas(folder):
    (folder / 'list.csv').write_text('image,caption\n2.jpg,"a red\nsquare"\n')
    sources, _ = find_sources([str(folder / 'list.csv')])
    assert sources[0].caption == 'a red\nsquare'
    (folder / 'list.csv').write_text('image,caption\n2.jpg,a cat, a dog\n')
    with pytest.raises(ValueError, match='list.csv, line 2 has more cells .* in quotes, "a cat, a dog"'):
        find_sources([str(folder / 'list.csv')])
