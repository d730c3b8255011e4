"""tools/data/build_flickr.py on the files of the published case."""
import json
from pathlib import Path

import pytest
from golden.cases import load_case
from mmdet_ext.annotations.grounding_checks import grounding_problems

TOOL = str(Path(__file__).resolve().parents[2] / 'tools' / 'data' / 'build_flickr.py')


@pytest.fixture
def root(tmp_path) -> Path:
    inputs = load_case('mdetr', 'flickr').inputs
    for name, text in inputs['files'].items():
        path = tmp_path / 'entities' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for split, ids in dict(train='1001', val='1001 1002', test='1002').items():
        (tmp_path / 'entities' / f'{split}.txt').write_text(ids)
    return tmp_path / 'entities'


def test_all_files_are_written_and_have_nothing_wrong(in_process, root, tmp_path):
    message, out = in_process(TOOL, root, '--out', tmp_path / 'out')
    assert message == ''
    names = [f'final_flickr_{kind}_{split}.json' for kind in ('mergedGT', 'separateGT')
             for split in ('test', 'train', 'val')]
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == names
    assert all(f'wrote {tmp_path / "out" / name}\n' in out for name in names)
    for name in names:
        content = json.loads((tmp_path / 'out' / name).read_text())
        assert list(grounding_problems(content)) == []
    assert content == load_case('mdetr', 'flickr').results['converted']['separateGT']


def test_files_that_are_there_stay_unless_asked(in_process, root, tmp_path):
    made = tmp_path / 'out' / 'final_flickr_separateGT_val.json'
    made.parent.mkdir()
    made.write_text('dear')
    options = ('--out', made.parent, '--splits', 'val', '--ground-truth', 'separate')
    message, out = in_process(TOOL, root, *options)
    assert message == '' and f'{made} is there already and stays' in out and made.read_text() == 'dear'
    in_process(TOOL, root, *options, '--overwrite')
    assert json.loads(made.read_text())['images']


def test_what_was_written_before_an_error_stays(in_process, root, tmp_path):
    (root / 'Sentences' / '1002.txt').write_text('[/EN#99/people A ghost] .')
    message, _ = in_process(TOOL, root, '--out', tmp_path / 'out', '--ground-truth', 'merged')
    assert message.startswith('build_flickr.py: error: ') and '\n' not in message
    assert '1002.txt, line 1' in message and '99' in message
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['final_flickr_mergedGT_train.json']
    message, out = in_process(TOOL, root, '--out', tmp_path / 'out', '--ground-truth', 'merged', '--unknown-entities',
                              'no-box')
    assert message == '' and 'phrases of unknown entities' in out


def test_a_folder_without_annotations_is_one_line(in_process, tmp_path):
    message, _ = in_process(TOOL, tmp_path, '--out', tmp_path / 'out')
    assert f'there is no folder {tmp_path / "Annotations"}: unpack the annotations.zip' in message


def test_a_missing_list_of_ids_is_one_line(in_process, root, tmp_path):
    (root / 'val.txt').unlink()
    message, _ = in_process(TOOL, root, '--out', tmp_path / 'out', '--splits', 'val')
    assert '\n' not in message and 'No such file' in message and 'val.txt' in message
