import numpy as np
import pytest
from report_runs import write_logs

from mmdet_ext.experiments.logs import read_training_log
from mmdet_ext.report.training_curves import best_validation, curves_section, main_metric, running_mean


@pytest.fixture
def log(tmp_path):
    write_logs(tmp_path, {'20260101_100000': (1, 12), '20260101_110000': (9, 12)})
    return read_training_log(tmp_path)


def test_a_resumed_training_replaces_what_it_repeats(log):
    assert [row['iter'] for row in log.rows] == list(range(1, 13))
    assert [row['loss'] for row in log.rows[7:10]] == [10 / 8, 10 / 9 + 1, 10 / 10 + 1]
    assert [log.time_of(row) for row in log.rows] == [step / 4 for step in range(1, 13)]
    assert log.by_epoch and log.minutes == pytest.approx(0.5 * 12 / 60)


def test_curves_are_drawn_of_what_the_log_has(log, tmp_path):
    section = curves_section(log, tmp_path / 'out')
    assert [figure.path.name for figure in section.figures] == ['metrics.png', 'learning_rates.png', 'losses.png']
    assert all(figure.path.is_file() for figure in section.figures)
    assert 'The sum of all losses went from 10 to 1.83. 3 losses over epochs' in section.figures[2].text
    assert section.figures[0].text == 'AP was best after 2 epochs (ring): 0.300.'


def test_a_training_by_iterations_has_no_epochs(tmp_path):
    write_logs(tmp_path, {'20260101_100000': (1, 8), '20260101_110000': (5, 8)}, by_epoch=False)
    log = read_training_log(tmp_path)
    assert not log.by_epoch and log.minutes_per_epoch is None and [row['iter'] for row in log.rows] == list(range(1, 9))
    assert sorted(log.validations) == [4, 8]
    assert 'over iterations of training' in curves_section(log, tmp_path / 'out').text


def test_without_logs_there_is_no_section(tmp_path):
    assert curves_section(read_training_log(tmp_path), tmp_path) is None


def test_validations_without_any_metric_leave_the_other_curves(log, tmp_path):
    log = log._replace(validations={1: {}, 2: {}})  # as mmdet logs them while nothing is detected
    section = curves_section(log, tmp_path / 'out')
    assert [figure.path.name for figure in section.figures] == ['learning_rates.png', 'losses.png']


@pytest.mark.parametrize('names, main', [
    (['coco/bbox_mAP_50', 'coco/bbox_mAP', 'coco/fitness'], 'coco/bbox_mAP'), (['pascal_voc/mAP'], 'pascal_voc/mAP'),
    (['any_box/recall@5_all', 'any_box/recall@1_all'], 'any_box/recall@1_all'), (['own/score'], 'own/score'),
    ([], None)])
def test_a_run_is_judged_by_one_metric(log, names, main):
    validations = {1: dict.fromkeys(names, 0.5)} if names else {}
    assert main_metric(log._replace(validations=validations)) == main


def test_the_first_of_equal_validations_is_the_best(log):
    log = log._replace(validations={1: dict(m=0.1), 2: dict(m=0.4), 3: dict(m=0.4)})
    assert best_validation(log, 'm') == (2, 0.4)


def test_the_running_mean_by_hand():
    np.testing.assert_allclose(running_mean([3., 0, 0, 6, 3]), [1.5, 1, 2, 3, 4.5])
    assert running_mean([2.]).tolist() == [2.]
