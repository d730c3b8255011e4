import argparse
import sys
import zipfile

import pytest
import torch
import torch.nn as nn
from checkpoints.published_files import original_packages, save_published
from mmdet_ext.checkpoints import CheckpointError, read_checkpoint
from torch.testing import assert_close

FORMATS = pytest.mark.parametrize('options', [{}, dict(_use_new_zipfile_serialization=False)], ids=['zip', 'stream'])


def small_weights(first: float = 1.0) -> dict[str, torch.Tensor]:
    return {
        'model.0.conv.weight': torch.arange(24.0).view(2, 3, 2, 2) + first,
        'model.0.bn.weight': torch.tensor([first, -first]),
        'model.0.bn.num_batches_tracked': torch.tensor(7),
        'model.3.cv2.0.weight': torch.full((4, ), first)
    }


def assert_equal_weights(state_dict: dict, expected: dict) -> None:
    assert list(state_dict) == list(expected)
    for name, tensor in expected.items():
        assert_close(state_dict[name], tensor, rtol=0, atol=0, check_dtype=False)


@FORMATS
def test_a_pickled_module_gives_its_state_dict_without_its_classes(tmp_path, options):
    path = tmp_path / 'published.pt'
    save_published(path, small_weights(), class_names=['cat', 'dog'], **options)
    assert 'models' not in sys.modules
    published = read_checkpoint(path)
    assert_equal_weights(published.state_dict, small_weights())
    assert published.state_dict['model.0.conv.weight'].dtype == torch.float16
    assert published.source == 'model'
    assert published.class_names == ('cat', 'dog')
    assert published.meta == dict(epoch=-1, date='2024-02-18T00:00:00')


def test_names_of_classes_by_number_are_read_too(tmp_path):
    save_published(tmp_path / 'file.pt', small_weights(), class_names={0: 'cat', 1: 'dog'})
    assert read_checkpoint(tmp_path / 'file.pt').class_names == ('cat', 'dog')


def test_averaged_weights_are_preferred(tmp_path):
    save_published(tmp_path / 'file.pt', small_weights(), averaged=small_weights(5.0))
    published = read_checkpoint(tmp_path / 'file.pt')
    assert published.source == 'ema'
    assert_equal_weights(published.state_dict, small_weights(5.0))


@FORMATS
def test_any_module_gives_what_its_own_state_dict_gives(tmp_path, options):
    shared = nn.Linear(2, 2, bias=False)
    with original_packages() as classes:
        module = classes['Block']()
        module.first, module.none = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3)), None
        module.again = nn.ModuleDict(dict(one=shared, two=shared))
        module.register_buffer('kept', torch.ones(2, dtype=torch.bool))
        module.register_buffer('transient', torch.ones(2), persistent=False)
        module.register_parameter('absent', None)
        torch.save(dict(model=module), tmp_path / 'file.pt', **options)
    assert_equal_weights(read_checkpoint(tmp_path / 'file.pt').state_dict, module.state_dict())


@FORMATS
@pytest.mark.parametrize('source', ['', 'model', 'state_dict', 'model_ema'])
def test_a_state_dict_is_read_alone_or_as_an_entry(tmp_path, options, source):
    weights = nn.Linear(2, 3).state_dict()
    torch.save({source: weights, 'optimizer': {}} if source else weights, tmp_path / 'file.pth', **options)
    published = read_checkpoint(tmp_path / 'file.pth')
    assert published.source == source
    assert_equal_weights(published.state_dict, weights)


@FORMATS
def test_views_of_one_storage_keep_their_values(tmp_path, options):
    full = torch.arange(12.0).view(3, 4)
    weights = dict(row=full[1], transposed=full.T, corner=full[1:, ::2], empty=full[:0], number=full[2, 3])
    torch.save(weights, tmp_path / 'file.pth', **options)
    assert_equal_weights(read_checkpoint(tmp_path / 'file.pth').state_dict, weights)


@pytest.mark.parametrize('dtype', [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool
])
@FORMATS
def test_every_usual_dtype_is_read(tmp_path, dtype, options):
    tensor = torch.tensor([1, 0, 1, 1]).to(dtype)
    torch.save(dict(x=tensor), tmp_path / 'file.pth', **options)
    read = read_checkpoint(tmp_path / 'file.pth').state_dict['x']
    assert read.dtype == dtype and read.equal(tensor)


def test_arguments_of_the_training_are_read(tmp_path):
    args = argparse.Namespace(lr=1e-4, dataset='flickr', masks=False, splits=[1, 2])
    torch.save(dict(model=nn.Linear(1, 1).state_dict(), args=args), tmp_path / 'file.pth')
    assert read_checkpoint(tmp_path / 'file.pth').args == dict(lr=1e-4, dataset='flickr', masks=False)


def test_optimizer_and_schedule_beside_the_weights_are_passed_over(tmp_path):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 3])
    torch.save(
        dict(model=model.state_dict(), optimizer=optimizer.state_dict(), lr_scheduler=schedule.state_dict(), epoch=4),
        tmp_path / 'file.pth')
    published = read_checkpoint(tmp_path / 'file.pth')
    assert_equal_weights(published.state_dict, model.state_dict())
    assert published.meta == dict(epoch=4)


def test_a_missing_file_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere.pt'):
        read_checkpoint(tmp_path / 'nowhere.pt')


@FORMATS
@pytest.mark.parametrize('left', [0, 3, 100, 0.5, 0.99])
def test_a_part_of_a_file_is_refused(tmp_path, options, left):
    path = tmp_path / 'file.pt'
    save_published(path, small_weights(), **options)
    content = path.read_bytes()
    path.write_bytes(content[:left if isinstance(left, int) else int(left * len(content))])
    with pytest.raises(CheckpointError, match=f'{path}: .*(damaged|bytes|values)'):
        read_checkpoint(path)


@pytest.mark.parametrize('content', [b'<!DOCTYPE html>', b'\x89PNG\r\n', bytes(100), b'\x80\x02}q\x00.', b'PK\x03\x04'])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    (tmp_path / 'file.pt').write_bytes(content)
    with pytest.raises(CheckpointError, match='file.pt: '):
        read_checkpoint(tmp_path / 'file.pt')


@pytest.mark.parametrize('root', [{}, dict(epoch=3), [1, 2], dict(model='yolov9'), dict(model={}),
                                  dict(state_dict=dict(x=torch.ones(1), y=3))], ids=str)
def test_a_file_without_weights_is_refused(tmp_path, root):
    torch.save(root, tmp_path / 'file.pt')
    with pytest.raises(CheckpointError, match='no weights|no tensor'):
        read_checkpoint(tmp_path / 'file.pt')


def test_another_zip_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / 'file.pt', 'w') as archive:
        archive.writestr('readme.txt', 'nothing')
    with pytest.raises(CheckpointError, match='not one of torch.save'):
        read_checkpoint(tmp_path / 'file.pt')
