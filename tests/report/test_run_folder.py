import os
import shutil
from pathlib import Path

import pytest
import torch

from mmdet_ext.report.run_folder import base_config, config_file, read_run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(run_folder, tmp_path):
    """A copy of the run without its checkpoint, which is small."""
    folder = tmp_path / 'copy'
    shutil.copytree(run_folder, folder, ignore=shutil.ignore_patterns('*.pth', 'report'))
    torch.save(dict(state_dict={}), folder / 'epoch_3.pth')
    return folder


def test_parts_of_a_run_are_known_by_their_places(copy):
    run = read_run(copy, options={'val_dataloader.batch_size': 2})
    assert run.cfg.model.type == 'PGIDetector' and run.cfg.val_dataloader.batch_size == 2
    assert run.checkpoint == copy.resolve() / 'epoch_3.pth'
    assert run.log.epoch == 3
    assert run.base.train_cfg.max_epochs == 500  # what configs/yolov9/yolov9t_shapes.py is made from


def test_the_best_checkpoint_goes_before_the_last_and_a_damaged_one_is_left_out(copy):
    for name in ('best_a_epoch_1.pth', 'best_a_epoch_2.pth'):
        torch.save(dict(state_dict={}), copy / name)
        os.utime(copy / name, (1000 + int(name[-5]), ) * 2)
    assert read_run(copy).checkpoint.name == 'best_a_epoch_2.pth'
    (copy / 'best_a_epoch_2.pth').write_bytes(b'PK')
    assert read_run(copy).checkpoint.name == 'best_a_epoch_1.pth'
    assert read_run(copy, copy / 'epoch_3.pth').checkpoint.name == 'epoch_3.pth'


def test_a_run_may_have_no_checkpoint(copy):
    (copy / 'epoch_3.pth').unlink()
    (copy / 'last_checkpoint').unlink()
    assert read_run(copy).checkpoint is None


def test_the_config_of_the_last_start_is_taken(copy):
    assert config_file(copy).name == 'yolov9t_shapes.py'
    for time in ('20260101_100000', '20260101_110000'):
        (copy / time / 'vis_data' / 'config.py').write_text('')
    assert config_file(copy) == copy / '20260101_110000' / 'vis_data' / 'config.py'


def test_what_is_missing_is_named(copy, tmp_path):
    with pytest.raises(FileNotFoundError, match='there is no folder .*no_run'):
        read_run(tmp_path / 'no_run')
    with pytest.raises(FileNotFoundError, match=r'there is no checkpoint no\.pth'):
        read_run(copy, Path('no.pth'))
    (tmp_path / 'empty').mkdir()
    with pytest.raises(FileNotFoundError, match='empty has no config'):
        read_run(tmp_path / 'empty')


def test_bases_are_read_without_the_config_itself(tmp_path):
    (tmp_path / 'base.py').write_text('a = dict(b=1, c=2)')
    (tmp_path / 'cfg.py').write_text("_base_ = 'base.py'\na = dict(b=3)")
    assert base_config(tmp_path / 'cfg.py').to_dict() == dict(a=dict(b=1, c=2))
    assert base_config(tmp_path / 'base.py') is None and base_config(None) is None
