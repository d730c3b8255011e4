import errno
import os
import signal
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import pytest
import torch
from mmengine.hooks import CheckpointHook, Hook
from mmengine.logging import MMLogger
from tiny_run import tiny_runner
from torch.testing import assert_close

from mmdet_ext import files
from mmdet_ext.engine import checkpoint_hook
from mmdet_ext.engine.checkpoint_hook import newest_whole_checkpoint
from mmdet_ext.evaluation.fast_coco_metric import defined
from mmdet_ext.files import damage_of, seal


def train(folder: Path, *, epochs: int = 3, checkpoint: dict | None = None, hooks: dict | None = None, **settings):
    torch.manual_seed(0)
    hooks = dict(checkpoint=dict(type='WholeCheckpointHook', interval=1) | (checkpoint or {})) | (hooks or {})
    runner = tiny_runner(folder, epochs=epochs, hooks=hooks, **settings)
    runner.train()
    return runner


def weights(file: Path) -> dict:
    return torch.load(file)['state_dict']


@pytest.fixture(scope='module')
def trained(tmp_path_factory) -> Path:
    """A folder with the checkpoints of three epochs."""
    folder = tmp_path_factory.mktemp('trained')
    train(folder)
    return folder


@pytest.fixture
def copies(trained, tmp_path) -> Path:
    for path in trained.glob('epoch_*.pth'):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / 'last_checkpoint').write_text(str(tmp_path / 'epoch_3.pth'))
    return tmp_path


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def test_a_flipped_bit_anywhere_is_found(copies):
    path = copies / 'epoch_3.pth'
    content = path.read_bytes()
    assert damage_of(path) == ''
    for place in [*range(0, len(content) - 100, len(content) // 40), *range(len(content) - 100, len(content))]:
        flip(path, place)
        assert damage_of(path), place
        path.write_bytes(content)


def test_a_checkpoint_without_a_seal_is_compared_with_its_own_checksums(tmp_path):
    path = tmp_path / 'x.pth'
    torch.save(dict(weight=torch.full((64, ), 7.)), path)
    assert damage_of(path) == ''
    flip(path, path.read_bytes().index(torch.full((8, ), 7.).numpy().tobytes()) + 5)
    assert 'CRC-32' in damage_of(path)


def test_the_seal_is_the_sha256_of_all_before_it(tmp_path):
    import hashlib
    torch.save({}, tmp_path / 'x.pth')
    sealed = seal((tmp_path / 'x.pth').read_bytes())
    assert sealed[-64:].decode() == hashlib.sha256(sealed[:-64]).hexdigest()


@pytest.mark.parametrize('damage', [
    lambda path: path.write_bytes(path.read_bytes()[:-1000]), lambda path: path.write_bytes(b''),
    lambda path: flip(path, 2000), lambda path: path.unlink()], ids=['cut off', 'empty', 'flipped bit', 'deleted'])
def test_a_run_resumes_from_the_newest_whole_checkpoint(copies, trained, damage):
    damage(copies / 'epoch_3.pth')
    assert newest_whole_checkpoint(copies) == str(copies / 'epoch_2.pth')
    runner = train(copies, resume=True)
    assert_close(weights(copies / 'epoch_3.pth'), weights(trained / 'epoch_3.pth'), rtol=0, atol=0)
    assert damage_of(copies / 'epoch_3.pth') == '' and runner.epoch == 3


def test_what_was_passed_over_is_said(copies, monkeypatch):
    said = []
    monkeypatch.setattr(checkpoint_hook, 'print_log', lambda message, *_: said.append(message))
    flip(copies / 'epoch_3.pth', 2000)
    (copies / 'epoch_2.pth').write_bytes(b'')
    newest_whole_checkpoint(copies)
    for words in ('epoch_3.pth is damaged', 'epoch_2.pth is empty', 'goes on from', 'epoch_1.pth'):
        assert words in said[0]


def test_without_a_whole_checkpoint_resuming_fails(copies):
    for path in copies.glob('*.pth'):
        flip(path, 2000)
    with pytest.raises(ValueError, match='no whole checkpoint to resume from: .*epoch_3.pth is damaged.*epoch_1.pth'):
        train(copies, resume=True)


def test_a_damaged_checkpoint_that_is_asked_for_is_an_error(copies):
    flip(copies / 'epoch_2.pth', 2000)
    with pytest.raises(ValueError, match='epoch_2.pth is damaged'):
        train(copies, resume=True, load_from=str(copies / 'epoch_2.pth'))


def test_without_a_pointer_the_highest_number_is_the_newest(copies):
    (copies / 'last_checkpoint').unlink()
    (copies / 'epoch_3.pth').rename(copies / 'epoch_10.pth')
    os.utime(copies / 'epoch_1.pth')
    assert newest_whole_checkpoint(copies) == str(copies / 'epoch_10.pth')
    assert newest_whole_checkpoint(copies / 'none') is None


def test_the_pointer_goes_before_the_checkpoints_of_an_older_run_and_follows_a_moved_folder(copies):
    (copies / 'last_checkpoint').write_text('/before/the/move/epoch_2.pth')
    assert newest_whole_checkpoint(copies) == str(copies / 'epoch_2.pth')
    flip(copies / 'epoch_2.pth', 2000)
    flip(copies / 'epoch_1.pth', 2000)
    assert newest_whole_checkpoint(copies) == str(copies / 'epoch_3.pth')


class Disk:
    """Counts the checkpoints in a folder whenever a file is about to get its name."""

    def __init__(self, folder: Path, monkeypatch) -> None:
        self.names, self.folder = [], folder
        replace = os.replace
        monkeypatch.setattr(files.os, 'replace', lambda old, new: (self.look(), replace(old, new)))

    def look(self) -> None:
        self.names.append(sorted(path.name for path in self.folder.glob('*.pth')))


def test_two_checkpoints_are_kept_at_all_times(tmp_path, monkeypatch):
    disk = Disk(tmp_path, monkeypatch)
    train(tmp_path, epochs=4, checkpoint=dict(max_keep_ckpts=1))
    disk.look()
    assert disk.names == [[], ['epoch_1.pth'], ['epoch_1.pth', 'epoch_2.pth'], ['epoch_2.pth', 'epoch_3.pth'],
                          ['epoch_3.pth', 'epoch_4.pth']]
    assert torch.load(tmp_path / 'epoch_4.pth')['message_hub']['runtime_info']['keep_ckpt_ids'] == [3, 4]


class Scores(Hook):
    """Gives the checkpoint hook a score after each epoch."""

    def __init__(self, *scores: float, names: tuple[str, ...] = ('score', )) -> None:
        self.scores, self.names = scores, names

    def before_train_epoch(self, runner) -> None:
        if runner.epoch:
            hook = next(hook for hook in runner.hooks if isinstance(hook, CheckpointHook))
            hook.after_val_epoch(runner, dict.fromkeys(self.names, self.scores[runner.epoch - 1]))


@pytest.mark.parametrize('names', [('score', ), ('score', 'other')])
def test_the_best_checkpoint_is_kept_until_a_better_one_is_written(tmp_path, monkeypatch, names):
    disk = Disk(tmp_path, monkeypatch)
    train(tmp_path, epochs=4, hooks=dict(scores=Scores(1, 3, 2, names=names)),
          checkpoint=dict(save_best=list(names), rule='greater'))
    disk.look()
    best = [[name for name in seen if name.startswith('best_score')] for seen in disk.names]
    assert ['best_score_epoch_1.pth'] in best and ['best_score_epoch_1.pth', 'best_score_epoch_2.pth'] in best
    assert best[-1] == ['best_score_epoch_2.pth']
    assert best[best.index(['best_score_epoch_1.pth']):].count([]) == 0
    assert damage_of(tmp_path / 'best_score_epoch_2.pth') == ''


@pytest.mark.parametrize('rule', ['greater', 'less'])
@pytest.mark.parametrize('kind', ['WholeCheckpointHook', 'CheckpointHook'])
def test_a_figure_that_is_not_defined_is_never_the_best(tmp_path, kind, rule):
    undefined = defined(-1)  # as FastCocoMetric gives the AP of large objects where there is none
    scores = Scores(undefined, 0.3, undefined)
    train(tmp_path, epochs=4, hooks=dict(scores=scores), checkpoint=dict(type=kind, save_best='score', rule=rule))
    assert [path.name for path in tmp_path.glob('best_*')] == ['best_score_epoch_2.pth']


def test_a_run_whose_figure_is_never_defined_has_no_best_checkpoint(tmp_path):
    scores = Scores(defined(-1), defined(-1))
    train(tmp_path, hooks=dict(scores=scores), checkpoint=dict(save_best='score', rule='less'))
    assert list(tmp_path.glob('best_*')) == []
    assert len(list(tmp_path.glob('epoch_*.pth'))) == 3


def test_a_full_disk_leaves_the_older_checkpoints_and_no_torn_file(tmp_path, monkeypatch):
    train(tmp_path, epochs=2)

    @contextmanager
    def full(path):
        with files.replace_file(path) as file:
            yield file
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint_hook, 'replace_file', full)
    before = {path: path.read_bytes() for path in tmp_path.glob('*.pth')}
    with pytest.raises(OSError, match=rf'the disk of {tmp_path.resolve()} is full .*epoch_3.pth'):
        train(tmp_path, epochs=3, resume=True, checkpoint=dict(max_keep_ckpts=2))
    files_left = [path for path in tmp_path.iterdir() if '.pth' in path.name]
    assert {path: path.read_bytes() for path in files_left} == before


def test_a_folder_elsewhere_is_searched_for_checkpoints_too(tmp_path):
    options = dict(checkpoint=dict(out_dir=str(tmp_path / 'out')))
    train(tmp_path / 'run', epochs=2, **options)
    flip(tmp_path / 'out/run/epoch_2.pth', 2000)
    assert train(tmp_path / 'run', epochs=2, resume=True, **options).epoch == 2
    assert damage_of(tmp_path / 'out/run/epoch_2.pth') == ''


def killed(point: str, folder: Path, settings: dict) -> None:
    """Train until this process is killed in the second epoch, at a point of writing its checkpoint or in the third."""

    def kill(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    class KillInEpoch3(Hook):

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
            if runner.epoch == 2 and batch_idx == 1:
                kill()

    replace = os.replace

    def watched(old: str, new: Path) -> None:
        if Path(new).name != 'epoch_2.pth':
            return replace(old, new)
        if point == 'behind the name':
            replace(old, new)
        kill()

    if point == 'in the next epoch':
        settings['hooks'] = dict(kill=KillInEpoch3())
    else:
        files.os.replace = watched
    if point == 'in the middle of the file':
        os.fsync = kill
        checkpoint_hook.seal = lambda content: content[:len(content) // 2]
    train(folder, **settings)


@pytest.mark.parametrize('point', ['in the middle of the file', 'before the name', 'behind the name',
                                   'in the next epoch'])
def test_a_run_that_is_killed_resumes_as_if_it_was_not(tmp_path, trained, point):
    process = get_context('fork').Process(target=killed, args=(point, tmp_path, {}))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    for path in tmp_path.glob('epoch_*.pth'):
        assert damage_of(path) == ''
    train(tmp_path, resume=True)
    assert_close(weights(tmp_path / 'epoch_3.pth'), weights(trained / 'epoch_3.pth'), rtol=0, atol=0)
    assert sorted(path.name for path in tmp_path.glob('*.pth*')) == [f'epoch_{epoch}.pth' for epoch in (1, 2, 3)]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(OSError, match=r'File too large.*x\.pth'), files.replace_file(tmp_path / 'x.pth'):
        raise OSError(errno.EFBIG, 'File too large')  # as a limit of the system, without a name
    assert not any(tmp_path.iterdir())


def test_a_copied_folder_goes_on_from_its_own_checkpoint(copies, trained):
    (copies / 'last_checkpoint').write_text(str(trained / 'epoch_3.pth'))
    assert newest_whole_checkpoint(copies) == str(copies / 'epoch_3.pth')


def test_a_pointer_that_is_no_text_is_passed_over(copies):
    (copies / 'last_checkpoint').write_bytes(b'\xff\xfe\0\0')
    assert newest_whole_checkpoint(copies) == str(copies / 'epoch_3.pth')


def test_a_flag_of_the_zip_file_that_is_flipped_is_damage(tmp_path):
    torch.save(dict(weight=torch.ones(3)), tmp_path / 'x.pth')
    content = bytearray((tmp_path / 'x.pth').read_bytes())
    for start in (i for i in range(len(content)) if content[i:i + 4] == b'PK\1\2'):
        content[start + 8] ^= 1  # the member counts as encrypted
    (tmp_path / 'x.pth').write_bytes(content)
    assert damage_of(tmp_path / 'x.pth').startswith('is damaged')


def test_a_run_that_is_over_says_that_nothing_is_left(copies, monkeypatch):
    warnings = []
    monkeypatch.setattr(MMLogger, 'warning', lambda self, text, *_: warnings.append(text))
    runner = train(copies, epochs=2, resume=True)
    assert runner.epoch == 3
    assert any('nothing is left to train' in text and 'epoch 3' in text for text in warnings)


def test_a_run_does_not_go_on_with_another_optimizer(copies):
    adam = dict(type='AdamW', lr=0.01, weight_decay=0.0005)
    with pytest.raises(ValueError, match='epoch_3.pth is of a run with another optimizer: .* has betas and momentum'):
        train(copies, epochs=4, resume=True, optim_wrapper=dict(optimizer=adam))
