"""Numbers of a comparison worked out by hand, from logs as mmengine writes them, and its figure."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_ext.experiments.comparison import (Run, compare, differences, epochs_to_reach, mean_run, metric_label,
                                              to_json, to_markdown)
from mmdet_ext.experiments.learning_curves import draw_learning_curves
from mmdet_ext.experiments.logs import TrainingLog, read_training_log, resume_from

AP = 'coco/bbox_mAP'


def step(epoch: int, iteration: int, time: float = 0.5) -> dict:
    return dict(lr=0.1, loss=3.5, time=time, data_time=0.01, epoch=epoch, iter=iteration, step=iteration)


def validation(epoch: int, value: float) -> dict:
    return {AP: value, 'coco/bbox_mAP_50': value + 0.2, 'data_time': 0.1, 'time': 9., 'step': epoch}


@pytest.fixture
def write(tmp_path):
    """Write the scalars.json of a training that began at `time`; returns the work directory."""

    def call(time: str, *rows: dict, end: str = '') -> Path:
        path = tmp_path / f'20260101_{time}' / 'vis_data' / 'scalars.json'
        path.parent.mkdir(parents=True)
        path.write_text(''.join(json.dumps(row) + '\n' for row in rows) + end)
        return tmp_path

    return call


def test_reads_each_validation_and_nothing_else(write):
    log = read_training_log(write('100000', step(1, 25), validation(1, 0.1), step(2, 75), validation(2, 0.3)))
    assert log.curve(AP) == {1: 0.1, 2: 0.3} and log.epoch == 2
    assert log.validations[1].keys() == {AP, 'coco/bbox_mAP_50'}


def test_a_resumed_training_replaces_what_came_after_its_first_epoch(write):
    write('100000', *(row for epoch in range(1, 7) for row in (step(epoch, 50 * epoch), validation(epoch, epoch / 10))))
    folder = write('110000', step(4, 200), validation(4, 0.25), step(5, 250))
    log = read_training_log(folder)
    assert log.curve(AP) == {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.25}
    assert log.epoch == 5


def test_a_training_that_was_only_started_replaces_nothing(write):
    write('100000', step(1, 50), validation(1, 0.1))
    assert read_training_log(write('110000')).curve(AP) == {1: 0.1}


def test_minutes_per_epoch_by_hand(write):
    # 60 iterations an epoch, of which the 25th and the 50th are logged: 60 x (0.5 + 0.5 + 1.5 + 1.5) / 4 seconds
    rows = [step(1, 25), step(1, 50), validation(1, 0.1), step(2, 85, 1.5), step(2, 110, 1.5)]
    assert read_training_log(write('100000', *rows)).minutes_per_epoch == pytest.approx(1)


def test_minutes_of_a_single_epoch_and_of_none(write):
    assert read_training_log(write('100000')).minutes_per_epoch is None
    assert read_training_log(write('110000', step(1, 25), step(1, 50, 0.7))).minutes_per_epoch == pytest.approx(0.5)


def test_minutes_of_an_epoch_after_a_resume_alone(write):
    assert read_training_log(write('100000', step(3, 150))).minutes_per_epoch == pytest.approx(50 * 0.5 / 60)


def test_a_line_that_is_being_written_is_left_for_later(write):
    folder = write('100000', validation(1, 0.1), end='{"coco/bbox_mAP": 0.')
    assert read_training_log(folder).curve(AP) == {1: 0.1}


def test_names_the_file_and_line_that_is_not_json(write):
    with pytest.raises(ValueError, match=r'scalars.json, line 2 is not JSON'):
        read_training_log(write('100000', validation(1, 0.1), end='{"coco/bbox\n'))


def test_names_the_metrics_there_are_if_the_one_asked_for_is_not():
    log = TrainingLog(Path('dir'), 1, {1: {AP: 0.1, 'coco/bbox_mAP_50': 0.2}}, None)
    with pytest.raises(ValueError, match="dir: no metric 'AP' in the logs, but: coco/bbox_mAP, coco/bbox_mAP_50"):
        log.curve('AP')
    assert TrainingLog(Path('dir'), 0, {}, None).curve('AP') == {}


@pytest.mark.parametrize('target, expected', [
    (0.05, 2), (0.1, 2), (0.11, 4), (0.3, 4), (0.35, 8), (0.4, 8), (0.41, None),
])
def test_epochs_to_reach_by_hand(target, expected):
    assert epochs_to_reach({2: 0.1, 4: 0.3, 6: 0.2, 8: 0.4}, target) == expected


FIRST = Run('smca', {2: 0.1, 4: 0.3, 6: 0.35, 8: 0.33}, 8, 0.5)
SLOWER = Run('detr', {5: 0.05, 10: 0.25}, 10)
BETTER = Run('yolo', {8: 0.6}, 8, 0.25)
BEHIND = Run('zero', {4: 0.01, 8: 0.02}, 20)


def test_pairs_by_hand():
    slower, better, behind = compare([FIRST, SLOWER, BETTER, BEHIND])
    assert (slower.epoch, slower.ratio) == (4, 0.4)
    assert (better.epoch, better.ratio) == (None, None)
    assert (behind.epoch, behind.ratio) == (2, 0.25)
    assert slower.sentence('AP') == 'smca reaches the final AP of detr (0.250) after 4 of 10 epochs (0.40)'
    assert better.sentence('AP') == 'smca does not reach the final AP of yolo (0.600) in 8 epochs: its best is 0.350'


def test_the_best_of_equals_is_the_first():
    assert Run('a', {1: 0.2, 2: 0.3, 3: 0.3, 4: 0.1}, 4).best == (2, 0.3)


def test_the_table_has_an_epoch_a_row_and_a_training_a_column():
    lines = to_markdown([FIRST, SLOWER, BEHIND], AP).splitlines()
    table = [[cell.strip() for cell in line.strip('|').split('|')] for line in lines if line.startswith('|')]
    assert table[0] == ['AP after epoch', 'smca', 'detr', 'zero']
    assert [row[0] for row in table[2:]] == ['2', '4', '5', '6', '8', '10', 'best', 'final',
                                             'minutes per epoch of training']
    assert table[3] == ['4', '0.300', '', '0.010']
    assert table[-3:-1] == [['best', '0.350 (epoch 6)', '0.250 (epoch 10)', '0.020 (epoch 8)'],
                            ['final', '0.330 (epoch 8)', '0.250 (epoch 10)', '0.020 (epoch 8)']]
    assert table[-1][1:] == ['0.50', '', '']
    assert lines[-1] == '- zero has been validated up to epoch 8 of 20: "final" means that one'
    assert sum('has been validated' in line for line in lines) == 1


def test_json_has_the_same_numbers():
    content = json.loads(to_json([FIRST, BETTER, SLOWER], AP))
    assert content['metric'] == AP
    assert content['runs'][0] == dict(
        name='smca', max_epochs=8, minutes_per_epoch=0.5, values={'2': 0.1, '4': 0.3, '6': 0.35, '8': 0.33},
        best=dict(epoch=6, value=0.35), final=dict(epoch=8, value=0.33))
    assert content['pairs'] == [
        dict(name='smca', other='yolo', target=0.6, epoch=None, of_epochs=8, ratio=None),
        dict(name='smca', other='detr', target=0.25, epoch=4, of_epochs=10, ratio=0.4)]


@pytest.mark.parametrize('metric, label', [
    (AP, 'AP'), ('coco/bbox_mAP_50', 'AP50'), ('coco/segm_mAP_s', 'segm_APs'), ('coco/fitness', 'fitness'),
])
def test_labels_are_those_of_papers(metric, label):
    assert metric_label(metric) == label


@pytest.mark.parametrize('saved, validated, expected', [
    ((), (), None),
    ((1, 2), (), 1),          # interrupted in the validation of epoch 2
    ((1, 2), (2, ), None),
    ((2, 3), (2, ), None),    # epoch 3 has no validation
    ((6, 7), (2, 4, 6), 6),   # the last epoch always has
    ((2, ), (), None),        # nothing earlier to go on from
], ids=str)
def test_goes_on_before_a_validation_that_is_missing(tmp_path, saved, validated, expected):
    for epoch in saved:
        (tmp_path / f'epoch_{epoch}.pth').touch()
    log = TrainingLog(tmp_path, max(saved, default=0), {epoch: {AP: 0.1} for epoch in validated}, None)
    checkpoint = resume_from(log, dict(max_epochs=7, val_interval=2))
    assert checkpoint == (expected and tmp_path / f'epoch_{expected}.pth')


def test_before_val_begin_no_validation_is_missing(tmp_path):
    for name in ('epoch_1.pth', 'epoch_2.pth'):
        (tmp_path / name).touch()
    assert resume_from(TrainingLog(tmp_path, 2, {}, None), dict(max_epochs=7, val_begin=3)) is None


def has(image: np.ndarray, red: int, green: int, blue: int) -> bool:
    return bool((image == (blue, green, red)).all(axis=-1).any())


def draw(path: Path, *runs: Run) -> np.ndarray:
    draw_learning_curves(runs, path, 'AP')
    return cv2.imread(str(path))


BLUE, VERMILLION = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)


def test_each_training_has_a_line_of_its_colour(tmp_path):
    one, two = draw(tmp_path / 'one.png', FIRST), draw(tmp_path / 'two.png', FIRST, SLOWER)
    assert has(one, *BLUE) and not has(one, *VERMILLION)
    assert has(two, *BLUE) and has(two, *VERMILLION)


def test_the_crossing_is_marked_only_if_there_is_one(tmp_path, monkeypatch):
    """A figure with the ring left out differs exactly where the first training reaches the last one."""
    from mmdet_ext.experiments import learning_curves

    def both(*runs: Run) -> tuple[np.ndarray, np.ndarray]:
        marked = draw(tmp_path / 'marked.png', *runs)
        with monkeypatch.context() as patch:
            patch.setattr(learning_curves, 'compare', lambda runs: [
                pair._replace(epoch=None) for pair in compare(runs)])
            return marked, draw(tmp_path / 'unmarked.png', *runs)

    marked, unmarked = both(FIRST, SLOWER)
    assert (marked != unmarked).any()
    marked, unmarked = both(FIRST, BETTER)
    assert np.array_equal(marked, unmarked)


def test_draws_many_trainings_of_one_validation_each(tmp_path):
    one, many = draw(tmp_path / 'a.png', BETTER), draw(tmp_path / 'b.png', *(Run(f'{n}', {1: 0.}, 1) for n in range(9)))
    assert not np.array_equal(one, many)


SEEDS = mean_run('pgi', {0: {5: 0.2, 10: 0.5}, 1: {5: 0.4, 10: 0.7}, 2: {5: 0.3}}, 15, [1.0, None, 2.0])
BASE = mean_run('plain', {0: {5: 0.1}, 1: {5: 0.35}, 3: {5: 0.3}}, 5, [])


def test_means_and_deviations_of_seeds_by_hand():
    assert SEEDS.values == {5: pytest.approx(0.3)}  # the epoch that all have
    assert SEEDS.deviation(5) == pytest.approx(0.1) and SEEDS.cell(5) == '0.300 ± 0.100'
    assert (SEEDS.minutes_per_epoch, BASE.minutes_per_epoch) == (1.5, None)
    one = mean_run('one', {7: {5: 0.25}}, 5, [])
    assert one.deviation(5) is None and one.cell(5) == '0.250' and one.cell(6) == ''
    with pytest.raises(ValueError, match='late: no epoch has a validation with each of the seeds 0, 1'):
        mean_run('late', {0: {5: 0.2}, 1: {10: 0.3}}, 10, [])


def test_differences_are_those_of_the_same_seed():
    pair, = differences([SEEDS, BASE])
    assert pair.values == {0: pytest.approx(0.1), 1: pytest.approx(0.05)}
    assert pair.sentence('AP') == ('the final AP of pgi is 0.075 ± 0.035 above that of plain, mean and standard '
                                   'deviation of 2 seeds; greater with 2 of them')
    back, = differences([BASE, SEEDS])
    assert '0.075 ± 0.035 below' in back.sentence('AP') and 'greater with 0 of them' in back.sentence('AP')
    assert differences([FIRST, BASE]) == differences([mean_run('one', {0: {5: 0.2}}, 5, []), BASE]) == []


def test_table_and_json_of_seeds():
    text = to_markdown([SEEDS, BASE], AP)
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line[:1] == '|']
    assert rows[2] == ['5', '0.300 ± 0.100', '0.250 ± 0.132']
    assert rows[4] == ['final', '0.300 ± 0.100 (epoch 5)', '0.250 ± 0.132 (epoch 5)']
    assert '- pgi: 3 seeds, 0, 1, 2; final AP 0.200, 0.400, 0.300' in text
    content = json.loads(to_json([SEEDS, BASE], AP))
    assert content['runs'][0]['seeds']['1'] == {'5': 0.4, '10': 0.7}
    assert content['runs'][0]['deviations'] == {'5': pytest.approx(0.1)}
    assert content['differences'][0]['mean'] == pytest.approx(0.075)


def test_many_trainings_are_rows_of_the_table():
    text = to_markdown([FIRST, SLOWER, BETTER, BEHIND], AP)
    rows = [[cell.strip() for cell in line.strip('|').split('|')] for line in text.splitlines() if line[:1] == '|']
    assert rows[0] == ['AP after epoch', '2', '4', '5', '6', '8', '10', 'best', 'final',
                       'minutes per epoch of training']
    assert [row[0] for row in rows[2:]] == ['smca', 'detr', 'yolo', 'zero']
    assert rows[2][1:3] == ['0.100', '0.300'] and rows[3][-2:] == ['0.250 (epoch 10)', '']


def test_seeds_have_a_band(tmp_path):
    alone = SEEDS._replace(seeds={})
    band, line = draw(tmp_path / 'band.png', SEEDS, BASE), draw(tmp_path / 'line.png', alone, BASE)
    assert not np.array_equal(band, line)
