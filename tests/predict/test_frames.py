"""Reading images and videos ahead of the model."""
import threading
import time

import numpy as np
import pytest
from blobs import scene, write_scene, write_video

from mmdet_ext.predict.frames import num_frames, read_ahead, read_frames
from mmdet_ext.predict.sources import Source


def test_an_image_is_one_frame(tmp_path):
    path = write_scene(tmp_path / 'ä.png', ('red', 10, 20, 30))
    frame, = read_frames(Source(str(path), 'image'))
    assert np.array_equal(frame.image, scene([('red', 10, 20, 30)]))
    assert frame.index is None and frame.path == str(path) and num_frames(frame.source) == 1


def test_a_video_gives_its_frames_with_their_times(tmp_path):
    path = write_video(tmp_path / 'film.mp4', [[('red', 4 * number, 20, 30)] for number in range(6)])
    source = Source(str(path), 'video')
    frames = list(read_frames(source))
    assert [frame.index for frame in frames] == list(range(6)) and num_frames(source) == 6
    assert frames[3].seconds == pytest.approx(0.3) and frames[3].rate == pytest.approx(10) and frames[3].path is None
    assert np.abs(frames[3].image.astype(int) - scene([('red', 12, 20, 30)]).astype(int)).mean() < 4
    assert len(list(read_frames(source, 2))) == 2


def test_a_video_that_is_cut_off_gives_what_is_there_and_an_error(tmp_path):
    path = write_video(tmp_path / 'film.mp4', [[('red', number, 20, 30)] for number in range(50)])
    content = path.read_bytes()
    start = content.index(b'mdat')  # the table of all frames stands before
    path.write_bytes(content[:start + (len(content) - start) // 2])
    frames = []
    with pytest.raises(ValueError, match=r'film.mp4 ends after \d+ of 50 frames'):
        for frame in read_frames(Source(str(path), 'video')):
            frames.append(frame)
    assert 0 < len(frames) < 45


@pytest.mark.parametrize('source, error, message', [
    (Source('no.png', 'image'), FileNotFoundError, 'no.png'),
    (Source('text.png', 'image'), ValueError, 'text.png is no image that OpenCV can decode'),
    (Source('empty.png', 'image'), ValueError, 'empty.png is no image that OpenCV can decode'),
    (Source('text.mp4', 'video'), OSError, 'text.mp4 cannot be opened'),
    (Source('97', 'stream'), OSError, 'camera 97 cannot be opened'),
    (Source('http://127.0.0.1:9/a.jpg', 'image'), OSError, 'a.jpg cannot be read: .*refused'),
])
def test_what_cannot_be_read_is_named(source, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, content in {'text.png': b'no image', 'empty.png': b'', 'text.mp4': b'no video'}.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        list(read_frames(source))


def test_reading_ahead_keeps_the_order_and_the_error():
    def items():
        yield from range(20)
        raise ValueError('the end')

    taken = []
    with pytest.raises(ValueError, match='the end'):
        for item in read_ahead(items(), 3):
            taken.append(item)
    assert taken == list(range(20))


def test_reading_ahead_stops_with_its_user():
    before = threading.active_count()
    stream = read_ahead(iter(int, 1), 2)
    assert next(stream) == 0
    stream.close()
    assert threading.active_count() == before


def test_live_items_give_way_to_newer_ones():
    def items():
        for number in range(10):
            yield number
            time.sleep(0.01)

    stream = read_ahead(items(), 1, lambda item: True)
    first = next(stream)
    time.sleep(0.3)
    rest = list(stream)
    assert first == 0 and rest == [9]
