"""tools/data/build_mdetr_combined.py on a handful of captions."""
import json
import re
from pathlib import Path

import pytest

from mmdet_ext.annotations.grounding_checks import grounding_problems

TOOL = str(Path(__file__).resolve().parents[2] / 'tools' / 'data' / 'build_mdetr_combined.py')


def write(path: Path, *captions: tuple[str, str]) -> None:
    """Captions of images, each with a box on its first word, no two of which overlap."""
    images = [dict(id=place, file_name=name, caption=caption, height=150, width=200, tokens_negative=[])
              for place, (name, caption) in enumerate(captions)]
    annotations = [dict(id=place, image_id=place, bbox=[place * 20., 10., 15., 15.], tokens_positive=[
        [0, len(caption.split()[0])]]) for place, (_, caption) in enumerate(captions)]
    path.write_text(json.dumps(dict(images=images, annotations=annotations)))


@pytest.fixture
def build(in_process, tmp_path, monkeypatch):
    """Run the tool on the files; the message at its exit and what it printed."""
    monkeypatch.chdir(tmp_path)
    coco = [dict(id=5, file_name='COCO_train2014_000000000005.jpg', width=400, height=300)]
    Path('coco.json').write_text(json.dumps(dict(images=coco)))
    Path('vg.json').write_text(json.dumps([dict(image_id=71, coco_id=5, width=200, height=150)]))
    Path('unsafe.txt').write_text('72\n')
    name = coco[0]['file_name']
    write(Path('ref.json'), (name, 'man on the left'), ('COCO_val2014_000000000009.jpg', 'dog of a test set'))
    write(Path('qa.json'), ('71.jpg', 'What is that?'), ('72.jpg', 'cat on a bed'), ('73.jpg', 'sky ' * 70))

    def run(*arguments: object, inputs: tuple[str, ...] = ('ref.json', 'qa.json')) -> tuple[str, str]:
        return in_process(TOOL, *inputs, '--coco', 'coco.json', '--out', 'new/out.json', *arguments)

    return run


def test_the_file_has_nothing_wrong_and_the_report_says_what_became_of_the_captions(build, tmp_path):
    message, out = build('--vg-images', 'vg.json', '--exclude-vg', 'unsafe.txt')
    assert not message
    assert out.splitlines() == [
        'read ref.json',
        '         2  captions',
        '         0  moved to the same image of COCO',
        '         1  left out: not in coco.json',
        'read qa.json',
        '         3  captions',
        '         1  moved to the same image of COCO',
        '         1  left out: listed in unsafe.txt',
        'wrote new/out.json',
        '         2  images',
        '         3  captions before they were combined',
        '         1  captions of more than 250 characters, which stay alone',
        '         0  left out: boxes without words',
        '         2  captions',
        '         0  captions without boxes',
        '         3  boxes',
    ]
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['out.json']
    assert not list(grounding_problems(json.loads((tmp_path / 'new' / 'out.json').read_text())))


def test_captions_are_combined_and_the_same_input_gives_the_same_bytes(build, tmp_path):
    build()
    first = (tmp_path / 'new' / 'out.json').read_bytes()
    assert not build('--overwrite')[0]
    assert (tmp_path / 'new' / 'out.json').read_bytes() == first
    captions = {row['file_name']: row['caption'] for row in json.loads(first)['images']}
    assert captions['71.jpg'] == 'What is that?' and 'COCO_val2014_000000000009.jpg' not in captions


def test_giou_and_the_length_are_options(build, tmp_path):
    write(tmp_path / 'qa.json', ('71.jpg', 'man'), ('71.jpg', 'woman'), ('71.jpg', 'dog'))
    content = json.loads((tmp_path / 'qa.json').read_text())
    for place, row in enumerate(content['annotations']):
        row['bbox'] = [place * 18., place * 18., 100., 100.]  # of two: IoU 0.506, GIoU 0.460
    (tmp_path / 'qa.json').write_text(json.dumps(content))

    def captions(*options: str) -> list[str]:
        assert not build('--overwrite', *options, inputs=('qa.json', ))[0]
        return [row['caption'] for row in json.loads((tmp_path / 'new' / 'out.json').read_text())['images']]

    assert captions() == ['woman.', 'dog. man.']
    assert captions('--overlap', 'giou') == ['dog. woman. man.']
    assert captions('--overlap', 'giou', '--max-chars', '10') == ['dog. woman.', 'man.']


@pytest.mark.parametrize('arguments, inputs, message', [
    ((), ('gone.json', ), 'error: .*gone.json'),
    ((), ('unsafe.txt', ), 'unsafe.txt: Expected object . array, got int'),
    ((), ('coco.json', ), "coco.json has no table 'annotations'"),
    (('--exclude-vg', 'gone.pkl'), ('qa.json', ), 'gone.pkl'),
    (('--max-chars', '0'), ('qa.json', ), 'argument --max-chars: should be a whole number of at least 1, got 0'),
    ((), ('qa.json', 'qa.json'), 'each ANN.json may be named once'),
])
def test_what_cannot_be_combined_is_told(build, tmp_path, arguments, inputs, message):
    end, _ = build(*arguments, inputs=inputs)
    assert re.search(message, end) and 'Traceback' not in end and not (tmp_path / 'new' / 'out.json').exists()


def test_a_file_is_replaced_on_request_only(build):
    assert not build()[0]
    assert 'new/out.json is there already' in build()[0]
