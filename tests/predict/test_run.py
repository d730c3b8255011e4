"""The command `predict` with a detector of squares: what it writes, skips, goes on with, and refuses."""
import csv
import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from blobs import BlobPredictor, write_scene, write_video
from pycocotools.coco import COCO

from mmdet_ext import files
from mmdet_ext.command_line import Interrupted
from mmdet_ext.predict import record
from mmdet_ext.predict import run as command
from mmdet_ext.predict.predictor import UnsuitableImage
from mmdet_ext.predict.run import Request, run_request


@pytest.fixture
def images(tmp_path) -> Path:
    write_scene(tmp_path / 'in' / 'a.png', ('red', 10, 20, 30), ('blue', 70, 40, 24))
    write_scene(tmp_path / 'in' / 'b.jpg', ('blue', 50, 10, 40), width=200)
    write_scene(tmp_path / 'in' / 'empty.png')
    return tmp_path / 'in'


@pytest.fixture
def predict(tmp_path, monkeypatch):
    """Run the command; returns its exit status."""
    predictor = BlobPredictor()
    monkeypatch.setattr(command, 'open_model', lambda *args: predictor)
    monkeypatch.chdir(tmp_path)

    def run(*sources: object, with_masks: bool = False, out: Path | None = tmp_path / 'out', **options) -> int:
        predictor.with_masks = with_masks
        return run_request(Request('model.py', 'model.pth', [str(source) for source in sources], out, **options))

    run.predictor = predictor
    return run


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_images_are_drawn_under_their_names(predict, images, tmp_path, capsys):
    assert predict(images) == 0
    assert sorted(path.name for path in (tmp_path / 'out/drawn').iterdir()) == ['a.png', 'b.jpg', 'empty.png']
    drawn = cv2.imread(str(tmp_path / 'out/drawn/a.png'))
    assert drawn.shape == (480, 640, 3)  # so that the labels can be read
    assert not np.array_equal(drawn, cv2.resize(cv2.imread(str(images / 'a.png')), (640, 480)))
    printed = capsys.readouterr().out
    assert printed.startswith('3 images, 3 objects, ') and 'ms an image' in printed and 'drawn/' in printed


def test_names_that_are_equal_do_not_replace_one_another(predict, tmp_path):
    for path in ('x/1.png', 'x/1.jpg', 'y/1.png', 'y/deep/1.png'):
        write_scene(tmp_path / path, ('red', 10, 20, 30))
    predict(tmp_path / 'x', tmp_path / 'y', recursive=True, save=('drawn', 'yolo'))
    labels = sorted(path.relative_to(tmp_path / 'out/labels').as_posix() for path in
                    (tmp_path / 'out/labels').rglob('*.txt'))
    assert labels == ['1-2.txt', '1-3.txt', '1.txt', 'classes.txt', 'deep/1.txt']
    assert len(list((tmp_path / 'out/drawn').rglob('1*'))) == 4


def test_coco_files_load_and_say_the_same(predict, images, tmp_path):
    predict(images, save=('coco', ))
    coco = COCO(str(tmp_path / 'out/coco.json'))
    assert [category['name'] for category in coco.loadCats(coco.getCatIds())] == ['red', 'blue']
    assert [(image['width'], image['height']) for image in coco.loadImgs(coco.getImgIds())] == [
        (120, 90), (200, 90), (120, 90)]
    assert [row['bbox'] for row in coco.loadAnns(coco.getAnnIds())] == [
        [10, 20, 30, 30], [70, 40, 24, 24], pytest.approx([50, 10, 40, 40], abs=1.01)]
    results = coco.loadRes(str(tmp_path / 'out/results.json'))
    assert [row['category_id'] for row in results.loadAnns(results.getAnnIds())] == [1, 2, 2]


def test_ids_are_those_of_an_annotation_file(predict, images, tmp_path):
    content = dict(images=[dict(id=70 + number, file_name=f'in/{name}', width=120, height=90) for number, name in
                           enumerate(('a.png', 'b.jpg', 'empty.png'))],
                   annotations=[], categories=[dict(id=9, name='blue'), dict(id=4, name='red')])
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    predict(images, save=('coco', ), ann_file=tmp_path / 'truth.json')
    rows = json.loads((tmp_path / 'out/results.json').read_text())
    assert [(row['image_id'], row['category_id']) for row in rows] == [(70, 4), (70, 9), (71, 9)]
    content['categories'].pop()
    (tmp_path / 'truth.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"truth.json has no category 'red'"):
        predict(images, save=('coco', ), ann_file=tmp_path / 'truth.json', out=tmp_path / 'other')


def test_masks_are_written_and_read_back(predict, images, tmp_path):
    predict(images / 'a.png', save=('coco', 'drawn'), with_masks=True)
    coco = COCO(str(tmp_path / 'out/coco.json'))
    red, blue = (coco.annToMask(row) for row in coco.loadAnns(coco.getAnnIds()))
    assert red.shape == (90, 120) and red.sum() == red[20:50, 10:40].sum() == 900
    assert blue.sum() == blue[40:64, 70:94].sum() == 576


def test_tables_have_a_row_for_each_detection(predict, images, tmp_path):
    predict(images, save=('csv', 'yolo-scores'))
    rows = list(csv.DictReader((tmp_path / 'out/detections.csv').open()))
    assert [(Path(row['source']).name, row['name'], row['x1'], row['y2']) for row in rows[:2]] == [
        ('a.png', 'red', '10.00', '50.00'), ('a.png', 'blue', '70.00', '64.00')]
    assert len(rows) == 3 and rows[0]['frame'] == rows[0]['id'] == rows[0]['caption'] == ''
    assert (tmp_path / 'out/labels/a.txt').read_text() == (
        '0 0.208333 0.388889 0.250000 0.333333 0.990000\n1 0.683333 0.577778 0.200000 0.266667 0.990000\n')
    assert (tmp_path / 'out/labels/empty.txt').read_text() == ''
    assert (tmp_path / 'out/labels/classes.txt').read_text() == 'red\nblue\n'


def test_a_video_becomes_a_video_with_tracks(predict, tmp_path, capsys):
    video = write_video(tmp_path / 'film.mp4', [[('red', 10 + 3 * number, 20, 30)] for number in range(8)],
                        width=121)  # an odd number of pixels
    predict(video, track=True, save=('drawn', 'mot', 'coco', 'csv'))
    capture = cv2.VideoCapture(str(tmp_path / 'out/drawn/film.mp4'))
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 8 and capture.get(cv2.CAP_PROP_FPS) == pytest.approx(10)
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 640
    assert int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, 'little') in (b'h264', b'avc1')
    rows = [line.split(',') for line in (tmp_path / 'out/mot/film.txt').read_text().splitlines()]
    assert [(row[0], row[1], float(row[2])) for row in rows] == [
        (str(number + 1), '1', pytest.approx(10 + 3 * number, abs=2)) for number in range(8)]
    coco = json.loads((tmp_path / 'out/coco.json').read_text())
    assert coco['videos'] == [dict(id=1, name=str(video))]
    assert [image['frame_id'] for image in coco['images']] == list(range(8))
    assert {row['instance_id'] for row in coco['annotations']} == {1}
    assert capsys.readouterr().out.startswith('8 frames, 8 objects, ')


def test_what_cannot_be_read_is_named_and_the_rest_is_done(predict, images, tmp_path, capsys):
    (images / 'broken.png').write_bytes(b'no image')
    (images / 'list.txt').write_text('a.png\nmissing.png\n')
    assert predict(images, images / 'list.txt') == 1
    captured = capsys.readouterr()
    assert 'not read: ' in captured.err and 'broken.png is no image that OpenCV can decode' in captured.err
    assert 'list.txt, line 2: there is no image, video or folder missing.png' in captured.err
    assert captured.out.startswith('3 images, 3 objects, ') and '2 not read' in captured.out


def test_an_interrupted_run_goes_on_and_gives_what_one_run_gives(predict, images, tmp_path, capsys):
    write_video(images / 'film.mp4', [[('red', 10 + 3 * number, 20, 30)] for number in range(8)])
    predict(images, save=('csv', ), out=tmp_path / 'at_once')
    real, calls = BlobPredictor.__call__, []

    def interrupted(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == 6:  # a.png, b.jpg, empty.png and two frames are done
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlobPredictor, '__call__', interrupted)
        with pytest.raises(Interrupted, match=r'go on with --resume --out .*out$'):
            predict(images, save=('csv', ))
    assert len(list(csv.DictReader((tmp_path / 'out/detections.csv').open()))) == 5
    with open(tmp_path / 'out/predictions.jsonl', 'a') as file:
        file.write('{"unit": "cut o')  # as a power failure may leave it
    capsys.readouterr()
    calls.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BlobPredictor, '__call__', lambda self, *args, **kwargs: calls.append(args) or real(
            self, *args, **kwargs))
        assert predict(images, save=('csv', ), resume=True) == 0
    assert len(calls) == 8 and '3 done before' in capsys.readouterr().out
    once, twice = ((tmp_path / folder / 'detections.csv').read_text() for folder in ('at_once', 'out'))
    assert sorted(once.splitlines()) == sorted(twice.splitlines())


def test_resume_takes_new_images_and_refuses_other_settings(predict, images, tmp_path):
    predict(images, save=('csv', ))
    write_scene(images / 'new.png', ('red', 1, 1, 30))
    predict.predictor.batches.clear()
    predict(images, save=('csv', ), resume=True)
    assert predict.predictor.batches == [1]
    with pytest.raises(ValueError, match=r'of a run with other settings: score_thr was 0.25 and is 0.5'):
        predict(images, save=('csv', ), resume=True, score_thr=0.5)


def test_an_earlier_run_is_not_overwritten_unless_that_is_wanted(predict, images, tmp_path):
    predict(images)
    with pytest.raises(ValueError, match='out holds the predictions of an earlier run: --resume'):
        predict(images)
    predict(images / 'a.png', overwrite=True, save=('csv', ))
    assert len(lines(tmp_path / 'out/predictions.jsonl')) == 2
    predict(images, out=None)
    predict(images, out=None)
    assert sorted(path.name for path in (tmp_path / 'work_dirs').iterdir()) == ['predict', 'predict-2']
    with pytest.raises(ValueError, match='name it with --out'):
        predict(images, out=None, resume=True)


def test_classes_and_threshold_choose(predict, images, tmp_path):
    predict(images, save=('csv', ), classes=('1', ))
    assert {row['name'] for row in csv.DictReader((tmp_path / 'out/detections.csv').open())} == {'blue'}
    predict(images, save=('csv', ), score_thr=0.995, overwrite=True)
    assert list(csv.DictReader((tmp_path / 'out/detections.csv').open())) == []
    with pytest.raises(ValueError, match="no class 'rde', but red"):
        predict(images, classes=('rde', ), overwrite=True)
    with pytest.raises(ValueError, match="no class '2'; it has red, blue"):
        predict(images, classes=('2', ), overwrite=True)


def test_captions_of_a_table_and_below_the_image(predict, images, tmp_path):
    (images / 'list.csv').write_text('image,caption\na.png,the red square\na.png,a blue square\nb.jpg,\n')
    with pytest.raises(ValueError, match='b.jpg has no caption, and others have'):
        predict(images / 'list.csv')
    predict(images / 'list.csv', text='blue', save=('csv', 'coco', 'drawn'), overwrite=True)
    rows = list(csv.DictReader((tmp_path / 'out/detections.csv').open()))
    assert [(row['caption'], row['name']) for row in rows] == [
        ('the red square', 'red'), ('a blue square', 'blue'), ('blue', 'blue')]
    assert sorted(path.name for path in (tmp_path / 'out/drawn').iterdir()) == ['a-2.png', 'a.png', 'b.jpg']
    assert cv2.imread(str(tmp_path / 'out/drawn/a.png')).shape[0] > 480
    with pytest.raises(ValueError, match='--save yolo'):
        predict(images / 'list.csv', text='blue', save=('yolo', ), overwrite=True)


def test_batches_give_the_same(predict, images, tmp_path):
    for number in range(7):
        write_scene(images / f'{number}.png', ('red', 5 * number, 10, 20))
    predict(images, save=('csv', ))
    predict.predictor.batches.clear()
    predict(images, save=('csv', ), batch_size=2, out=tmp_path / 'batches')
    assert predict.predictor.batches == [8, 2]  # four batches at a time, of which each may have another shape
    assert (tmp_path / 'batches/detections.csv').read_text() == (tmp_path / 'out/detections.csv').read_text()


def test_names_keep_clear_of_classes_and_frames(predict, tmp_path):
    write_scene(tmp_path / 'in/classes.png', ('red', 10, 20, 30))
    write_scene(tmp_path / 'in/film_000001.png')
    write_video(tmp_path / 'in/film.mp4', [[('red', 10, 20, 30)]] * 3)
    predict(tmp_path / 'in', save=('yolo', ))
    labels = {path.name: path.read_text().split(' ')[0] for path in (tmp_path / 'out/labels').iterdir()}
    assert labels.pop('classes.txt') == 'red\nblue\n' and labels.pop('classes-2.txt') == '0'
    assert len(labels) == 4 and sorted(labels.values()) == ['', '0', '0', '0']


def test_names_that_are_no_unicode_are_written_as_they_are(predict, tmp_path):
    image = write_scene(tmp_path / 'a.png', ('red', 10, 20, 30))
    name = os.fsdecode(bytes(tmp_path) + b'/bad\xff.png')
    os.replace(image, name)
    assert predict(name, save=('drawn', 'csv', 'coco', 'yolo')) == 0
    assert json.loads((tmp_path / 'out/coco.json').read_text())['images'][0]['file_name'] == name
    assert b'/bad\xff.png,' in (tmp_path / 'out/detections.csv').read_bytes()


def test_an_image_that_the_model_cannot_take_is_left_out_of_its_batch(predict, images, tmp_path, monkeypatch, capsys):
    real = BlobPredictor._find

    def find(self, image, text):
        if image.shape[1] == 200:
            raise UnsuitableImage('too wide')
        return real(self, image, text)

    monkeypatch.setattr(BlobPredictor, '_find', find)
    assert predict(images, batch_size=4) == 1
    captured = capsys.readouterr()
    assert captured.out.startswith('2 images, 2 objects') and 'b.jpg: too wide' in captured.err


def test_a_full_disk_keeps_what_is_done_and_says_how_to_go_on(predict, images, tmp_path, monkeypatch):
    real = files.append

    def full(path, content):
        if b'b.jpg' in content:
            raise OSError(errno.ENOSPC, 'the disk is full')
        real(path, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record, 'append', full)
        with pytest.raises(OSError, match=r'the disk is full.* is kept: go on with --resume --out .*out$'):
            predict(images, save=('csv', ))
    assert predict(images, save=('csv', ), resume=True) == 0
    assert len((tmp_path / 'out/detections.csv').read_text().splitlines()) == 4


def test_what_cannot_be_done_is_said_before_anything_is_predicted(predict, images, tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(NotADirectoryError, match='but .*file is a file'):
        predict(images, out=tmp_path / 'file' / 'out')
    with pytest.raises(ValueError, match="no class 'green'"):
        predict(images, classes=['green'])
    assert not (tmp_path / 'out').exists()
    truth = dict(images=[dict(id=1, file_name='a.png', width=120, height=90)], annotations=[],
                 categories=[dict(id=1, name='red'), dict(id=2, name='blue')])
    (tmp_path / 'truth.json').write_text(json.dumps(truth))
    with pytest.raises(ValueError, match='truth.json has no image b.jpg'):
        predict(images, save=('coco', ), ann_file=tmp_path / 'truth.json')
    assert predict.predictor.batches == []


def test_resume_with_a_form_that_was_not_written_on_the_way_is_an_error(predict, images):
    predict(images, save=('csv', ))
    predict(images, save=('csv', 'none'), resume=True)
    with pytest.raises(ValueError, match='save was "" and is "yolo"'):
        predict(images, save=('csv', 'yolo'), resume=True)
