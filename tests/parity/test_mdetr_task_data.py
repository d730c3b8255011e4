"""Annotation files of GQA and PhraseCut against those of the published conversion; all values equal."""
import json
from collections import Counter
from pathlib import Path

import pytest
from golden.cases import Case, load_case

from mmdet_ext.annotations.builders.gqa import gqa_pairs, read_questions, read_scenes
from mmdet_ext.annotations.builders.grounding_file import write_grounding
from mmdet_ext.annotations.builders.image_lists import read_sizes
from mmdet_ext.annotations.builders.phrasecut import phrasecut_pairs, read_tasks


def case(name: str, folder: Path) -> Case:
    """A case, whose inputs are written to a folder under their names."""
    content = load_case('mdetr', name)
    for file, value in content.inputs.items():
        (folder / file).write_text(json.dumps(value))
    return content


def test_questions_of_gqa(tmp_path):
    wanted = case('data_gqa', tmp_path).results['output']
    boxes, sizes = read_scenes(tmp_path / 'val_sceneGraphs.json').boxes, read_sizes(tmp_path / 'image_data')
    out = tmp_path / 'out.json'
    counts = Counter()
    questions = read_questions(tmp_path / 'val_balanced_questions.json')
    write_grounding(out, gqa_pairs(questions, boxes, sizes, counts), counts, ())
    assert json.loads(out.read_text()) == wanted
    assert counts['captions'] == len(wanted['images']) and counts['boxes'] == len(wanted['annotations'])


def test_phrases_of_phrasecut(tmp_path):
    wanted = case('data_phrasecut', tmp_path).results['output']
    out = tmp_path / 'out.json'
    counts = Counter()
    tasks = read_tasks(tmp_path / 'refer_val.json')
    write_grounding(out, phrasecut_pairs(tasks, read_sizes(tmp_path / 'image_hw'), counts), counts)
    assert json.loads(out.read_text()) == wanted


@pytest.mark.parametrize('name, file, field', [('data_gqa', 'image_data', '2345'), ('data_phrasecut', 'image_hw', '7')])
def test_sizes_as_visual_genome_lists_them_are_the_same(tmp_path, name, file, field):
    height, width = case(name, tmp_path).inputs[file][field]
    (tmp_path / 'list.json').write_text(json.dumps([dict(image_id=int(field), height=height, width=width, url='x')]))
    assert read_sizes(tmp_path / 'list.json') == read_sizes(tmp_path / file) == {field: (height, width)}
