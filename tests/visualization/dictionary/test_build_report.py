"""The report of a dictionary."""
import json
import math
import re

import cv2
import numpy as np
import pytest
import torch
from dictionary.fake_sources import MatrixSource, grouped_rows
from mmdet_ext.dictionary.build import BuildOptions, build_dictionary
from mmdet_ext.dictionary.joint import effective_rank
from mmdet_ext.models.layers import Atoms
from mmdet_ext.unfinished import Unfinished
from mmdet_ext.visualization.dictionary.build_report import markdown, spread_over_sizes, write_report


@pytest.fixture(scope='module')
def atoms(tmp_path_factory) -> Atoms:
    sources = [MatrixSource(grouped_rows(5, 1200, 16, noise=.5)[0], size=100),
               MatrixSource(grouped_rows(3, 40, 8)[0], name='text', broken=(7, ))]
    options = BuildOptions(atoms=20, channels=16, samples=3000, nearest=2)
    made = build_dictionary(sources, options, Unfinished(tmp_path_factory.mktemp('report') / 'atoms'))
    made.arguments = dict(command='python tools/build_dictionary.py file text', atoms=20)
    return made


def test_the_report_has_numbers_text_and_images(atoms, tmp_path):
    write_report(atoms, tmp_path / 'report')
    written = json.loads((tmp_path / 'report' / 'report.json').read_text())
    assert written == dict(atoms.report, arguments=atoms.arguments)
    text = (tmp_path / 'report' / 'report.md').read_text()
    for name in ('inertia.png', 'cluster_sizes.png', 'nearest_samples.png'):
        assert f']({name})' in text
        image = cv2.imread(str(tmp_path / 'report' / name))
        assert image.shape[0] > 300 and image.std() > 5  # something is drawn


def test_the_text_says_what_happened(atoms):
    text = markdown(atoms, [])
    tables = re.sub(' +', ' ', text)
    assert '# 20 atoms of 16 channels' in text and '    python tools/build_dictionary.py file text' in text
    seen = f'{atoms.report["samples_seen"][0]:,}'
    assert f'| file | 6,000 | {seen} | 0 | 16 | identity | {seen} | 0 | 0 | 1,500 |' in tables
    assert '| text | 120 | 120 | 1 | 8 | pad | 119 | 0 | 0 | 119 |' in tables
    assert '1 items could not be read:\n\n- row 7: broken' in text
    assert f'| 1 | {atoms.report["inertia"][0]:,.6g} | |' in tables
    assert f'| {atoms.report["passes"]} | {atoms.report["inertia"][-1]:,.6g} | -' in tables
    assert 'empty clusters: 0' in text and 'nearest_samples' not in text


def test_the_numbers_are_those_of_the_atoms(atoms):
    report = atoms.report
    assert report['samples'] == [1500, 119] and sum(atoms.counts.tolist()) == 1619
    assert (report['smallest_cluster'], report['largest_cluster']) == (int(atoms.counts.min()), int(atoms.counts.max()))
    assert report['median_cluster'] == float(np.median(atoms.counts))
    assert sum(report['atoms_by_majority']) == 20 and min(report['atoms_by_majority']) >= 3


def test_effective_rank_by_hand():
    assert effective_rank(np.eye(5, 7, dtype=np.float32)) == pytest.approx(5)
    assert effective_rank(np.ones((5, 7), np.float32)) == pytest.approx(1, abs=1e-5)
    two = np.diag([3., 1.]).astype(np.float32)  # shares 3/4 and 1/4
    assert effective_rank(two) == pytest.approx(math.exp(-.75 * math.log(.75) - .25 * math.log(.25)))


def test_shown_atoms_are_spread_over_the_sizes():
    assert spread_over_sizes(np.array([5, 9, 1, 7]), 3) == [1, 0, 2]
    assert spread_over_sizes(np.array([2, 8]), 12) == [1, 0]
    assert spread_over_sizes(np.arange(100), 12)[::11] == [99, 0]


def test_one_pass_and_no_samples_make_a_report_too(tmp_path):
    options = BuildOptions(atoms=2, passes=1, samples=10, nearest=0)
    made = build_dictionary([MatrixSource(np.eye(2))], options, Unfinished(tmp_path / 'atoms'))
    assert torch.equal(made.vectors.sort(dim=0).values, torch.tensor([[0., 0.], [1., 1.]]))
    write_report(made, tmp_path / 'report')
    assert sorted(path.name for path in (tmp_path / 'report').iterdir()) == ['cluster_sizes.png', 'inertia.png',
                                                                             'report.json', 'report.md']
