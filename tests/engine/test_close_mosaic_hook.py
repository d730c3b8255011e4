import pytest
from mmdet_ext.engine import CloseMosaicHook
from mmdet_ext.engine.close_mosaic_hook import _mixing_dataset
from tiny_run import Numbers, TinyModel, tiny_runner
from torch.utils.data import Dataset


def epochs_with_mosaic(tmp_path, num_last_epochs: int, **settings) -> list[bool]:
    """Whether the data of each epoch that is run came with the mosaic."""
    model = TinyModel()
    hooks = dict(close=dict(type='CloseMosaicHook', num_last_epochs=num_last_epochs))
    tiny_runner(tmp_path, model, hooks=hooks, epochs=4, iters=2, **settings).train()
    return [bool(inputs.all()) for inputs in model.inputs[::2]]


@pytest.mark.parametrize('num_last_epochs, expected', [
    (0, [True, True, True, True]), (1, [True, True, True, False]), (3, [True, False, False, False]),
    (4, [False, False, False, False]), (15, [False, False, False, False])])
def test_exactly_the_last_epochs_are_without(tmp_path, num_last_epochs, expected):
    assert epochs_with_mosaic(tmp_path, num_last_epochs) == expected


def test_workers_that_persist_are_told(tmp_path):
    loader = dict(num_workers=1, persistent_workers=True)
    assert epochs_with_mosaic(tmp_path, 2, loader=loader) == [True, True, False, False]


@pytest.mark.parametrize('epoch, expected', [(1, [True, False, False]), (2, [False, False]), (3, [False])])
def test_a_resumed_run_knows_its_epoch(tmp_path, epoch, expected):
    epochs_with_mosaic(tmp_path, 2)
    assert epochs_with_mosaic(tmp_path, 2, load_from=str(tmp_path / f'epoch_{epoch}.pth'), resume=True) == expected


class Wrapped(Dataset):

    def __init__(self, dataset: Dataset | None = None) -> None:
        if dataset is not None:
            self.dataset = dataset


def test_the_mixing_data_set_is_found_inside_wrappers():
    mixing = Numbers(1)
    loader = type('Loader', (), dict(dataset=Wrapped(Wrapped(mixing))))
    assert _mixing_dataset(loader) is mixing
    with pytest.raises(ValueError, match='needs a MultiImageMixDataset .* got Wrapped'):
        _mixing_dataset(type('Loader', (), dict(dataset=Wrapped(Wrapped()))))


def test_it_skips_what_mixes_images_by_default():
    assert CloseMosaicHook().skip_type_keys == ('YOLOMosaic', 'YOLOCopyPaste', 'YOLOMixUp')
