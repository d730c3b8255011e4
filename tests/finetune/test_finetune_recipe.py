"""Batch size, schedule and weights that suit a data set and a machine."""
import re

import pytest
import torch
from checkpoints.published_files import save_published, weights
from checkpoints.published_names import shapes

from mmdet_ext.checkpoints.load import read_weights
from mmdet_ext.finetune import weights as weights_module
from mmdet_ext.finetune.batch import cpu_batch, largest_batch, num_workers
from mmdet_ext.finetune.models import MODELS
from mmdet_ext.finetune.recipe import recipe_for, useful_batch
from mmdet_ext.finetune.weights import beginning


@pytest.mark.parametrize(('num_images', 'epochs', 'batch'), [
    (364, 25, 16), (400, 15, 8), (128, 300, 64), (128, 5, 4), (10, 1, 4), (118000, 500, 64)])
def test_a_batch_leaves_enough_steps(num_images, epochs, batch):
    assert useful_batch(num_images, epochs) == batch


def test_a_large_data_set_has_the_published_recipe():
    recipe = recipe_for(MODELS['yolov9-c'], 118000, 500, 16)
    assert (recipe.nominal_batch_size, recipe.lr, recipe.warmup, recipe.ema_steps, recipe.last_epochs) == (
        64, 0.01, 100, 2000, 15)
    recipe = recipe_for(MODELS['smca-r50'], 118000, 50, 16)
    assert (recipe.lr, recipe.last_epochs, recipe.val_interval) == (1e-4, 10, 2)


def test_a_small_data_set_has_a_shorter_warm_up_and_average():
    recipe = recipe_for(MODELS['yolov9-t'], 364, 25, 8)  # 46 batches, 23 steps in an epoch
    assert (recipe.nominal_batch_size, recipe.iterations, recipe.warmup, recipe.ema_steps, recipe.last_epochs) == (
        16, 46, 100, 143, 10)
    recipe = recipe_for(MODELS['yolov9-t'], 20, 1, 4)
    assert (recipe.warmup, recipe.ema_steps, recipe.last_epochs, recipe.val_interval) == (1, 1, 1, 1)


def test_smca_scales_its_rate_with_the_batch_and_a_given_rate_stays():
    assert recipe_for(MODELS['smca-r50'], 300, 50, 4).lr == pytest.approx(2.5e-5)
    assert recipe_for(MODELS['smca-r50'], 300, 50, 4, lr=0.1).lr == 0.1


def test_a_batch_on_the_cpu_follows_memory_and_size():
    model = MODELS['yolov9-e']  # 5 GiB for each image of 640 pixels
    assert [cpu_batch(model, 640, 64, free=gib) for gib in (1, 20, 40, 1000)] == [1, 2, 4, 16]
    assert cpu_batch(model, 320, 64, free=20) == 8
    assert cpu_batch(model, 320, 2, free=1000) == 2
    assert cpu_batch(MODELS['yolov9-t'], 160, 4) >= 1  # the memory of this machine


def test_batches_grow_until_the_memory_of_the_gpu_is_full():
    tried = []

    def step(batch: int, memory: float = 100) -> float:
        tried.append(batch)
        if batch > memory:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return 0.1

    assert largest_batch(step, 1024) == 64 and tried == [1, 2, 4, 8, 16, 32, 64, 128]
    assert largest_batch(step, 16) == 16
    assert largest_batch(lambda batch: batch / 10, 1024) == 8  # 16 images would take more than there is
    with pytest.raises(ValueError, match='too small for one image'):
        largest_batch(lambda batch: step(batch, 0), 8)


def test_workers_leave_a_core_to_the_training():
    assert 1 <= num_workers(16, cuda=False) <= 4 and num_workers(1, cuda=True) == 1


def test_a_published_file_is_converted_and_a_converted_one_is_used(tmp_path):
    published = tmp_path / 'yolov9-t.pt'
    save_published(published, weights(shapes('yolov9-t', class_channels=80)))
    run = tmp_path / 'run'
    file, sentence = beginning(MODELS['yolov9-t'], str(published), run)
    assert file == '{{ fileDirname }}/weights.pth' and 'published weights' in sentence
    assert 'backbone' in next(iter(read_weights(run / 'weights.pth').state_dict))
    again, sentence = beginning(MODELS['yolov9-t'], str(run / 'weights.pth'), tmp_path)
    assert again == str(run / 'weights.pth') and 'published weights' not in sentence
    assert beginning(MODELS['yolov9-t-rd'], str(published), run)[0] == file  # a dictionary is added to its backbone


def test_other_files_are_no_weights(tmp_path):
    with pytest.raises(FileNotFoundError, match='no.pth'):
        beginning(MODELS['yolov9-t'], str(tmp_path / 'no.pth'), tmp_path)
    text = tmp_path / 'text.pth'
    text.write_text('hello')
    with pytest.raises(ValueError, match='neither a checkpoint of this package'):
        beginning(MODELS['yolov9-t'], str(text), tmp_path)
    torch.save({'fc.weight': torch.zeros(2)}, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=re.escape('is no checkpoint of smca-r50. As a published one: smca:')):
        beginning(MODELS['smca-r50'], str(tmp_path / 'other.pth'), tmp_path)


def test_what_it_begins_with_is_said(tmp_path, monkeypatch):
    assert beginning(MODELS['yolov9-s'], None, tmp_path) == (None, 'yolov9-s begins with random weights')
    assert 'random weights' in beginning(MODELS['smca-r50'], 'none', tmp_path)[1]

    def offline(path: str) -> None:
        raise OSError('no network')

    monkeypatch.setattr(weights_module, 'read_weights', offline)
    with pytest.raises(OSError, match=r'torchvision://resnet50 .*\(no network\).*--weights none'):
        beginning(MODELS['smca-r50'], None, tmp_path)
