"""What the host does in a training step behind the preprocessor: forward, losses, backward, clipping, optimizer."""
from pathlib import Path

import pytest
import torch

from benchmarks import ROOT
from benchmarks.checkouts import worker_of
from benchmarks.workloads import Step, counted

CPU = torch.device('cpu')
MATCHING = dict(cpu=1)  # the costs of all layers, in one copy


@pytest.mark.parametrize('config, waits', [
    ('yolov9/yolov9t_shapes.py', {}),
    ('gelan/gelant_coco.py', {}),
    ('yolo_rd/yolov9t_rd_coco.py', {}),
    ('smca/smca_r18_shapes.py', MATCHING),
    ('mdetr/mdetr_r18_shapes.py', MATCHING),
])
def test_the_host_waits_for_nothing_but_the_matching(config, waits):
    counts = []
    for batch in (2, 3):
        step = Step(ROOT, config, CPU, batch=batch, shape=(64, 96))
        step()
        counts.append(counted(step))
    assert all(count['synchronisations'] == waits and count['uploads'] == 0 for count in counts)
    assert counts[0]['groups'] <= 4
    # an image adds few operators: mmengine and mmdet handle samples one by one
    assert counts[1]['operators'] - counts[0]['operators'] < 0.02 * counts[0]['operators']


def test_a_worker_answers_for_its_checkout():
    worker = worker_of(ROOT, 'assign-20', 'cpu')
    seconds, counts = worker.request('time'), worker.request('count')
    worker.close()
    assert seconds > 0 and counts['synchronisations'] == {} and counts['operators'] > 300


def test_a_worker_that_ends_says_why(tmp_path):
    with pytest.raises(ChildProcessError, match='no-such-work.*ended(.|\n)*no-such-work'):
        worker_of(ROOT, 'no-such-work', 'cpu')
    with pytest.raises(ChildProcessError, match='mmdet_ext is imported from'):
        worker_of(Path(tmp_path), 'assign-20', 'cpu')
