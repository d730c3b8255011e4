"""Patch features of CLIP's image tower."""
import json

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from dictionary.fake_sources import everything
from mmdet_ext.dictionary.sources import ClipSource

TEXT = dict(context_length=8, vocab_size=32, width=8, heads=2, layers=1)
VISION = dict(image_size=32, layers=2, width=16, patch_size=8, head_width=8)
MODELS = {
    'tiny-ViT': dict(vision_cfg=VISION),
    'tiny-ViT-border': dict(vision_cfg=VISION | dict(image_size=36)),
    'tiny-CoCa': dict(vision_cfg=VISION | dict(attentional_pool=True, attn_pooler_heads=2),
                      multimodal_cfg=TEXT, custom_text=True),
    'tiny-RN': dict(vision_cfg=dict(image_size=64, layers=[1, 1, 1, 1], width=8, patch_size=None)),
    'tiny-timm': dict(vision_cfg=dict(image_size=32, timm_model_name='test_vit', timm_pool='map', timm_proj='none')),
}


@pytest.fixture(scope='session', autouse=True)
def tiny_models(tmp_path_factory):
    folder = tmp_path_factory.mktemp('open_clip')
    for name, options in MODELS.items():
        (folder / f'{name}.json').write_text(json.dumps(dict(embed_dim=12, text_cfg=TEXT, **options)))
    open_clip.add_model_config(folder)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    for index, size in enumerate([(64, 96), (50, 30), (32, 32)]):
        pixels = np.random.default_rng(index).integers(0, 255, (*size[::-1], 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f'{index}.png')
    return folder


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(5)
    torch.save(open_clip.create_model('tiny-ViT').state_dict(), tmp_path / 'tiny.pt')
    return str(tmp_path / 'tiny.pt')


def reference(weights, path, joint):
    """Patches (4, 4, C) of an image, by the tower's own layers."""
    tower = open_clip.create_model('tiny-ViT', pretrained=weights).visual.eval()
    squashed = np.asarray(Image.open(path).resize((32, 32), Image.BICUBIC), np.float32) / 255
    mean, std = tower.preprocess_cfg['mean'], tower.preprocess_cfg['std']
    inputs = torch.from_numpy((squashed - np.float32(mean)) / np.float32(std)).permute(2, 0, 1)[None]
    with torch.no_grad():
        tokens = tower.ln_post(tower.transformer(tower._embeds(inputs)))[0, 1:]
    return (tokens @ tower.proj if joint else tokens).detach().view(4, 4, -1)


@pytest.mark.parametrize('joint, width', [(True, 12), (False, 16)])
def test_features_are_the_towers_last_patches_of_the_whole_image(images, weights, joint, width):
    source = ClipSource('tiny-ViT', weights, images=str(images), joint=joint, per_image=9, batch_size=2)
    assert (source.width, source.num_items, source.per_item) == (width, 3, 9)
    samples, seen = everything(source), []
    for feature, item, (x1, y1, x2, y2) in zip(samples.features, samples.items, samples.boxes):
        w, h = Image.open(source.images.paths[item]).size
        column, row = round(float(x1 / w * 4)), round(float(y1 / h * 4))
        corners = np.array([column, row, column + 1, row + 1]) * [w, h, w, h] / 4
        np.testing.assert_allclose([x1, y1, x2, y2], corners, rtol=1e-6)
        expected = reference(weights, source.images.paths[item], joint)[row, column]
        # the resized image has whole colours here and there, but maybe rounded in another way
        torch.testing.assert_close(torch.from_numpy(feature), expected, atol=2e-2, rtol=0)
        seen.append((item, column, row))
    assert len(set(seen)) == len(seen) == 27


def test_a_border_that_fills_no_patch_belongs_to_no_box(images):
    source = ClipSource('tiny-ViT-border', None, images=str(images), per_image=99)
    samples = everything(source)
    assert np.bincount(samples.items).tolist() == [16] * 3
    corner = samples.boxes[samples.items == 0].max(axis=0)[2:]
    np.testing.assert_allclose(corner, [64 * 32 / 36, 96 * 32 / 36], rtol=1e-6)


def test_items_may_be_computed_in_any_order_by_any_process(images, weights):
    options = dict(images=str(images), per_image=5)
    first, second = ClipSource('tiny-ViT', weights, **options), ClipSource('tiny-ViT', weights, **options)
    forward = [first.compute(items) for items in ([0, 1], [2])]
    for index, items in ((1, [2]), (0, [0, 1])):
        for name in ('features', 'items', 'boxes'):
            np.testing.assert_array_equal(getattr(second.compute(items), name), getattr(forward[index], name))
    assert first.fingerprint == second.fingerprint
    other = ClipSource('tiny-ViT', weights, **options, seed=1)
    assert not np.array_equal(other.compute([0, 1]).boxes, forward[0].boxes)


def test_random_weights_are_those_of_the_seed_and_said(images, monkeypatch):
    said = []
    monkeypatch.setattr('mmdet_ext.open_clip_models.print_log', lambda message, **_: said.append(message))
    state = torch.get_rng_state()
    first = ClipSource('tiny-ViT', None, images=str(images))
    assert said == ['weights=None: tiny-ViT has random weights']
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(77)
    again, other = (ClipSource('tiny-ViT', None, images=str(images), seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(everything(first).features, everything(again).features)
    assert first.fingerprint['weights'] == again.fingerprint['weights'] != other.fingerprint['weights']


def test_broken_images_are_named_and_the_others_go_on(broken):
    source = ClipSource('tiny-ViT', None, images=str(broken['folder']), per_image=4)
    samples = everything(source)
    assert samples.items.tolist() == [0] * 4 + [6] * 4
    assert [line.split(': ')[0] for line in samples.skipped] == [str(path) for path in broken['bad']]


def test_images_are_turned_as_their_camera_says(tmp_path, weights):
    turned = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3)).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / 'exif').mkdir()
    turned.save(tmp_path / 'exif' / 'a.png', exif=exif)
    samples = everything(ClipSource('tiny-ViT', weights, images=str(tmp_path / 'exif')))
    assert samples.boxes.max(axis=0).tolist()[2:] == [40, 60]


@pytest.mark.parametrize('model, width', [('tiny-CoCa', 16), ('tiny-RN', 256), ('tiny-timm', 64)])
def test_towers_without_a_projection_of_patches_give_their_last_layer_only(images, model, width):
    samples = everything(ClipSource(model, None, images=str(images), joint=False, per_image=4))
    assert samples.features.shape == (12, width) and np.isfinite(samples.features).all()
    with pytest.raises(ValueError, match=f'{model}.*joint=False'):
        ClipSource(model, None, images=str(images))


def test_models_and_weights_that_are_not_there_are_refused(images, weights, tmp_path, monkeypatch):
    def build(*arguments):
        ClipSource(*arguments, images=str(images))

    with pytest.raises(ValueError, match="no model 'vit-b32'.*ViT-B-32"):
        build('vit-b32', None)
    with pytest.raises(FileNotFoundError, match='none.pt'):
        build('tiny-ViT', str(tmp_path / 'none.pt'))
    with pytest.raises(FileNotFoundError, match='nowhere'):
        build('local-dir:' + str(tmp_path / 'nowhere'), None)
    with pytest.raises(ValueError, match="no weights 'laion3b'.*laion2b_s34b_b79k"):
        build('ViT-B-32', 'laion3b')
    with pytest.raises(ValueError, match='tiny.pt do not fit tiny-ViT-border'):
        torch.save(dict(torch.load(weights), extra=torch.ones(1)), weights)
        build('tiny-ViT-border', weights)
    with pytest.raises(ValueError, match='brings its own'):
        build('local-dir:x', weights)
    monkeypatch.setattr('huggingface_hub.constants.HF_HUB_OFFLINE', True)
    with pytest.raises(OSError, match='laion2b_s34b_b79k cannot be had.*pass the file of the weights'):
        build('ViT-B-32', 'laion2b_s34b_b79k')


def test_a_folder_brings_model_and_weights(images, weights, tmp_path):
    config = dict(model_cfg=dict(embed_dim=12, text_cfg=TEXT, **MODELS['tiny-ViT']), preprocess_cfg={})
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'folder' / 'open_clip_config.json').write_text(json.dumps(config))
    torch.save(torch.load(weights), tmp_path / 'folder' / 'open_clip_pytorch_model.bin')
    of_folder = everything(ClipSource(f'local-dir:{tmp_path / "folder"}', None, images=str(images)))
    named = everything(ClipSource('tiny-ViT', weights, images=str(images)))
    np.testing.assert_array_equal(of_folder.features, named.features)


def test_a_sample_says_its_image_and_box(images):
    source = ClipSource('tiny-ViT', None, images=str(images))
    assert source.describe(2, np.float32([1, 2, 3, 4])) == dict(image=str(images / '2.png'), box=[1., 2., 3., 4.])
