"""Cached features of captions: equal to computed ones, never those of another model, never computed twice."""
import copy
from pathlib import Path

import pytest
import torch

from mmdet_ext.models.text_encoders import RobertaTextEncoder
from mmdet_ext.models.text_encoders.feature_cache import CaptionFeatures, FeatureCache

CAPTIONS = ['the red circle', 'two dogs and a small cat over the green grass', '', 'a cat', 'the blue square', '犬🐶']


@pytest.fixture
def encoders(weights_folder):
    """Makes frozen encoders; each has the shapes that its language model was called with, in `calls`."""

    def make(cache: str | Path | None = 'memory', **options: object) -> RobertaTextEncoder:
        encoder = RobertaTextEncoder(weights_folder, frozen=True, pooled=True, cache=cache, **options)
        encoder.calls = []
        encoder.language_model.register_forward_pre_hook(
            lambda module, args, kwargs: encoder.calls.append(tuple(kwargs['input_ids'].shape)), with_kwargs=True)
        return encoder

    return make


def same(features, expected) -> None:
    torch.testing.assert_close(features.hidden, expected.hidden, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(features.pooled, expected.pooled, atol=1e-6, rtol=1e-5)
    assert features.padding.equal(expected.padding) and features.offsets == expected.offsets


@pytest.mark.parametrize('kind', ['memory', 'folder'])
def test_features_are_those_without_a_cache_whatever_the_batch_padding_included(encoders, tmp_path, kind):
    plain, cached = encoders(None), encoders(tmp_path / 'cache' if kind == 'folder' else 'memory')
    for batch in ([0, 2], [1, 0], [3, 3, 5], [2, 1, 5], [2], [5, 4, 3, 2, 1, 0]):
        captions = [CAPTIONS[index] for index in batch]
        same(cached(captions), plain(captions))
    assert sum(rows for rows, _ in cached.calls) == len(CAPTIONS)


def test_padding_of_a_caption_depends_on_nothing_else_in_the_batch(encoders):
    hidden = encoders(None)([CAPTIONS[0], CAPTIONS[1]]).hidden[0]
    alone = encoders(None)([CAPTIONS[0]]).hidden.shape[1]
    torch.testing.assert_close(hidden[alone:], hidden[-1:].expand_as(hidden[alone:]), atol=1e-6, rtol=1e-5)


def test_a_batch_runs_the_language_model_over_unknown_captions_only(encoders):
    encoder = encoders()
    encoder([CAPTIONS[0]])
    encoder([CAPTIONS[0], CAPTIONS[2], CAPTIONS[2]])
    assert [rows for rows, _ in encoder.calls] == [1, 1] and encoder.calls[1] == (1, 3)


def test_the_second_epoch_runs_no_language_model(encoders):
    encoder = encoders().train()
    for _epoch in range(3):
        for caption in CAPTIONS:
            encoder([caption])
        assert len(encoder.calls) == len(CAPTIONS)


def test_a_folder_serves_the_next_run(encoders, tmp_path):
    first, second = encoders(tmp_path / 'new' / 'cache'), encoders(str(tmp_path / 'new' / 'cache'))
    expected = first(CAPTIONS)
    same(second(CAPTIONS), expected)
    assert len(first.calls) == 1 and second.calls == []
    assert sorted(path.suffix for path in (tmp_path / 'new').rglob('*.*')) == ['.pt'] * len(CAPTIONS)


def test_other_weights_never_find_these_features(encoders, tmp_path):
    first, second = encoders(tmp_path), encoders(tmp_path)
    before = first(CAPTIONS)
    changed = {name: value + 0.1 * torch.randn_like(value) for name, value in second.state_dict().items()}
    second.load_state_dict(changed)
    after = second(CAPTIONS)
    assert len(second.calls) == 1 and not after.hidden.allclose(before.hidden, atol=1e-2)
    plain = encoders(None)
    plain.load_state_dict(changed)
    same(after, plain(CAPTIONS))
    first.load_state_dict(changed)  # after features were kept
    same(first(CAPTIONS), after)


def test_another_config_never_finds_these_features(encoders, tmp_path):
    first, second = encoders(tmp_path), encoders(tmp_path)
    second.language_model.config.layer_norm_eps = 0.1
    first(CAPTIONS), second(CAPTIONS)
    assert len(second.calls) == 1


def test_damaged_files_are_computed_again(encoders, tmp_path):
    expected = encoders(tmp_path)(CAPTIONS)
    files = sorted(tmp_path.rglob('*.pt'))
    files[0].write_bytes(b'')
    files[1].write_bytes(files[1].read_bytes()[:200])
    files[2].write_bytes(b'no tensors')
    mended, next_run = encoders(tmp_path), encoders(tmp_path)
    same(mended(CAPTIONS), expected)
    same(next_run(CAPTIONS), expected)
    assert mended.calls[0][0] == 3 and next_run.calls == []


def test_a_file_is_whole_or_not_there(encoders, tmp_path, monkeypatch):
    def fill_the_disk(features, file):
        file.write(b'half')
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as full, pytest.raises(OSError, match='is full'):
        full.setattr(torch, 'save', fill_the_disk)
        encoders(tmp_path)(CAPTIONS)
    assert not any(path.is_file() for path in tmp_path.rglob('*'))


def test_files_are_read_without_running_what_they_hold(tmp_path):
    cache, ran = FeatureCache(tmp_path), tmp_path / 'ran'

    class Malicious:
        def __reduce__(self):
            return Path.touch, (ran, )

    (tmp_path / 'ab').mkdir()
    torch.save(Malicious(), tmp_path / 'ab' / 'abc.pt')
    assert cache.get('abc') is None and not ran.exists()


def test_memory_is_that_of_the_features_alone(encoders):
    encoder = encoders()
    lengths = (~encoder(CAPTIONS).padding).sum(dim=1)
    assert encoder.cache.num_bytes == (lengths.sum() + 2 * len(CAPTIONS)) * 32 * 4
    for features in encoder.cache._features.values():
        assert features.hidden.untyped_storage().nbytes() == features.hidden.nbytes


def test_memory_keeps_what_was_used_last():
    cache = FeatureCache(max_mib=3 / 1024)
    features = CaptionFeatures(torch.zeros(15, 16), torch.zeros(16))  # 1 KiB
    for key in 'abc':
        cache.put(key, features)
    assert cache.get('a') is features and cache.num_bytes == 3 * 1024
    cache.put('d', features)
    assert [cache.get(key) is not None for key in 'abcd'] == [True, False, True, True] and len(cache) == 3
    cache.put('e', CaptionFeatures(torch.zeros(999, 16), torch.zeros(16)))
    assert (len(cache), cache.num_bytes) == (0, 0)


def test_without_room_in_memory_features_come_from_the_folder(encoders, tmp_path):
    encoder = encoders(tmp_path, cache_mib=0)
    same(encoder(CAPTIONS), encoder(CAPTIONS))
    assert len(encoder.calls) == 1 and len(encoder.cache) == 0


def test_autocast_does_not_change_what_is_kept(encoders):
    encoder = encoders()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        features = encoder(CAPTIONS)
    assert features.hidden.dtype == features.pooled.dtype == torch.float32
    same(features, encoders(None)(CAPTIONS))


def test_features_in_half_precision_are_not_kept(encoders, tmp_path):
    encoder = encoders(tmp_path).bfloat16()
    assert encoder(CAPTIONS).hidden.dtype == torch.bfloat16
    assert len(encoder.cache) == 0 and not any(tmp_path.iterdir())


def test_features_kept_in_inference_serve_training(encoders):
    encoder = encoders()
    with torch.inference_mode():
        encoder(CAPTIONS)
    weight = torch.ones(32, requires_grad=True)
    (encoder(CAPTIONS).hidden * weight).sum().backward()
    assert weight.grad.any() and len(encoder.calls) == 1


def test_what_becomes_of_a_batch_does_not_change_what_is_kept(encoders):
    encoder = encoders()
    expected = encoders(None)([CAPTIONS[0]])
    encoder([CAPTIONS[0]]).hidden.zero_()
    same(encoder([CAPTIONS[0]]), expected)


def test_a_copy_shares_the_features(encoders):
    encoder = encoders()
    encoder(CAPTIONS)
    twin = copy.deepcopy(encoder)
    twin(CAPTIONS)
    assert twin.cache is encoder.cache and len(encoder.calls) + len(twin.calls) <= 2 and len(encoder.cache) == 6
    assert not any('cache' in name for name in encoder.state_dict())
