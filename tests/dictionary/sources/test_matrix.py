"""Rows of a file as features."""
import numpy as np
import pytest
import torch

from dictionary.fake_sources import everything
from mmdet_ext.dictionary.sources import FileSource


def write(folder, name, matrix):
    path = folder / name
    if path.suffix == '.npy':
        np.save(path, matrix)
    elif path.suffix == '.npz':
        np.savez(path, matrix=matrix)
    else:
        torch.save(torch.from_numpy(matrix), path)
    return path


@pytest.mark.parametrize('name', ['a.npy', 'a.npz', 'a.pt', 'a.pth'])
@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64, np.int8, np.int64])
def test_the_features_are_the_rows(tmp_path, name, dtype):
    matrix = (10 * np.random.randn(7, 3)).astype(dtype)
    source = FileSource(write(tmp_path, name, matrix), batch_size=3)
    assert (source.num_items, source.per_item, source.width) == (7, 1, 3)
    samples = everything(source)
    assert samples.features.dtype == np.float32 and samples.items.tolist() == list(range(7))
    np.testing.assert_array_equal(samples.features, matrix.astype(np.float32))
    np.testing.assert_array_equal(source.compute([1, 5]).features, matrix[[1, 5]].astype(np.float32))
    assert not samples.boxes.any() and samples.boxes.shape == (7, 4)


def test_bfloat16_and_tensors_that_learn_are_taken(tmp_path):
    matrix = torch.randn(4, 2, dtype=torch.bfloat16)
    torch.save(dict(a=matrix, b=torch.nn.Parameter(torch.ones(3, 5))), tmp_path / 'a.pt')
    np.testing.assert_array_equal(everything(FileSource(tmp_path / 'a.pt', key='a')).features, matrix.float().numpy())
    np.testing.assert_array_equal(everything(FileSource(tmp_path / 'a.pt', key='b')).features, np.ones((3, 5)))


def test_big_files_stay_on_disk(tmp_path):
    source = FileSource(write(tmp_path, 'a.npy', np.zeros((8, 2), np.float32)))
    assert isinstance(source.matrix, np.memmap)
    everything(source).features[:] = 1  # a copy: neither file nor source changes
    assert not everything(source).features.any()


def test_a_sample_says_its_row(tmp_path):
    path = write(tmp_path, 'a.npy', np.ones((8, 2)))
    assert FileSource(path).describe(np.int64(5), np.zeros(4)) == dict(file=str(path), row=5)


def test_the_fingerprint_changes_with_the_file(tmp_path):
    first = FileSource(write(tmp_path, 'a.npy', np.ones((8, 2)))).fingerprint
    assert first == FileSource(tmp_path / 'a.npy').fingerprint
    assert first != FileSource(write(tmp_path, 'a.npy', np.ones((9, 2)))).fingerprint


@pytest.mark.parametrize('matrix', [np.ones(3), np.ones((2, 3, 4)), np.ones((0, 3)), np.ones((2, 2), bool),
                                    np.ones((2, 2), complex), np.array([['a', 'b']])])
def test_what_is_no_matrix_is_refused_with_its_shape(tmp_path, matrix):
    with pytest.raises(ValueError, match=r'a\.npy should hold a matrix \(M, d\).*got shape \(.*\) of'):
        FileSource(write(tmp_path, 'a.npy', matrix))


def test_python_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / 'a.npy', np.array([[dict()]]), allow_pickle=True)
    np.savez(tmp_path / 'a.npz', matrix=np.array([[dict()]]))
    torch.save(dict(a=torch.nn.Linear(1, 1)), tmp_path / 'a.pt')
    for name in ('a.npy', 'a.npz', 'a.pt'):
        with pytest.raises(ValueError, match=f'{name} is no whole'):
            FileSource(tmp_path / name)


@pytest.mark.parametrize('name', ['a.npy', 'a.npz', 'a.pt'])
def test_a_broken_file_is_named(tmp_path, name):
    (tmp_path / name).write_bytes(b'nothing of the kind')
    with pytest.raises(ValueError, match=f'{name} is no whole'):
        FileSource(tmp_path / name)


def test_of_several_matrices_one_must_be_named(tmp_path):
    np.savez(tmp_path / 'a.npz', one=np.ones((2, 3)), two=np.zeros((4, 5)))
    assert FileSource(tmp_path / 'a.npz', key='two').width == 5
    for key in (None, 'three'):
        with pytest.raises(ValueError, match="one of 'one', 'two'"):
            FileSource(tmp_path / 'a.npz', key=key)
    with pytest.raises(ValueError, match='without a name'):
        FileSource(write(tmp_path, 'b.npy', np.ones((2, 3))), key='one')
    torch.save([1, 2], tmp_path / 'c.pt')
    with pytest.raises(ValueError, match='got a list'):
        FileSource(tmp_path / 'c.pt')


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='a.npy'):
        FileSource(tmp_path / 'a.npy')
    (tmp_path / 'a.csv').write_text('1,2')
    with pytest.raises(ValueError, match='a.csv should end in'):
        FileSource(tmp_path / 'a.csv')
