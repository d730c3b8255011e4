"""The training, validation and test sets: as the data give them, or divided."""
from collections.abc import Sequence
from pathlib import Path

from .records import SAME_IMAGE, SPLITS, Problems
from .splitting import divide, same_images
from .write import CheckedImage

Sets = dict[str, list[CheckedImage]]


def assign_splits(images: Sequence[CheckedImage], val_fraction: float, seed: int,
                  problems: Problems) -> tuple[Sets, str]:
    """The images of each set, and a sentence about where the sets come from.

    Raises:
        ValueError: Some images are in two sets, there are too few images, or a set has no box.
    """
    given = {image.split for image in images}
    if 'val' in given and given & {'train', None}:
        if None in given:
            count = sum(image.split is None for image in images)
            problems.note(f'{count} images lie outside the folders of the sets: they are used for training.')
        sets = {name: [image for image in images if (image.split or 'train') == name] for name in SPLITS}
        _refuse_shared(sets, problems)
        how = 'as the data give them'
    else:
        sets, how = _divided(images, 'test' if given - {'test'} and 'test' in given else None, val_fraction, seed,
                             problems)
    sets = {name: members for name, members in sets.items() if members or name != 'test'}
    for name in ('train', 'val'):
        if not any(image.boxes for image in sets[name]):
            raise ValueError(f'{problems.root}: no image of the {name} set has a box that can be used, so that there '
                             f'is nothing to {"learn" if name == "train" else "measure"}')
    _note_lacking(sets, problems)
    return sets, how


def _divided(images: Sequence[CheckedImage], test: str | None, fraction: float, seed: int,
             problems: Problems) -> tuple[Sets, str]:
    kept = [image for image in images if test and image.split == test]
    others = [image for image in images if not (test and image.split == test)]
    # pairs of image and caption are divided by images
    by_path: dict[Path, list[CheckedImage]] = {}
    for image in others:
        by_path.setdefault(image.path, []).append(image)
    paths = list(by_path)
    twins = same_images(paths)
    for same in twins:
        for index in same[1:]:
            problems.add(paths[index], '', f'the same bytes as {problems.name(paths[same[0]])}', SAME_IMAGE,
                         'kept in one set')
    labels = [[box.label for image in members for box in image.boxes] for members in by_path.values()]
    division = divide(paths, labels, fraction, seed, twins)
    sets = dict(train=[], val=[], test=kept)
    for members, is_val in zip(by_path.values(), division.is_val, strict=True):
        sets['val' if is_val else 'train'] += members
    return sets, (f'divided here, {division.is_val.sum()} of {len(paths)} images ({division.is_val.mean():.0%}) for '
                  f'validation, seed {seed}, {division.how}')


def _note_lacking(sets: Sets, problems: Problems) -> None:
    labels = {name: {box.label for image in sets[name] for box in image.boxes} for name in ('train', 'val')}
    for name, other in (('train', 'val'), ('val', 'train')):
        if lacking := sorted(labels[other] - labels[name]):
            more = ', ...' if len(lacking) > 10 else ''
            problems.note(f'The {name} set has no box of {", ".join(lacking[:10])}{more}.')


def _refuse_shared(sets: Sets, problems: Problems) -> None:
    """Look for images that are in two sets.

    A validation set that lies in the training set as a whole is a choice, and is noted. Single images are a mistake:
    an error if it is the same file, and if it is a copy, it is left out of the set that measures.
    """
    paths = {name: {image.path for image in members} for name, members in sets.items()}
    for first, second in (('train', 'val'), ('train', 'test'), ('val', 'test')):
        if shared := paths[first] & paths[second]:
            if shared == paths[second]:
                problems.note(f'All images of {second} are also in {first}: AP on {second} says nothing about new '
                              'images.')
                continue
            name = problems.name(min(shared))
            raise ValueError(f'{problems.root}: {len(shared)} images are both in {first} and in {second}, so that '
                             f'AP on {second} would be too high. The first: {name}. Take them out of one of the two')
    _leave_out_copies(sets, problems)


def _leave_out_copies(sets: Sets, problems: Problems) -> None:
    everything = list(dict.fromkeys(image.path for members in sets.values() for image in members))
    split = {image.path: name for name in reversed(SPLITS) for image in sets[name]}
    copies: dict[str, dict[Path, Path]] = {name: {} for name in SPLITS}
    for same in same_images(everything):
        members = sorted((everything[index] for index in same), key=lambda path: SPLITS.index(split[path]))
        for path in members[1:]:
            if split[path] != split[members[0]]:
                copies[split[path]][path] = members[0]
    for name, originals in copies.items():
        if not originals:
            continue
        if len(originals) == len({image.path for image in sets[name]}):
            problems.note(f'All images of {name} are copies of images of other sets: AP on {name} says nothing about '
                          'new images.')
            continue
        for path, original in originals.items():
            problems.add(path, '', f'the same bytes as {problems.name(original)} of {split[original]}', SAME_IMAGE)
        sets[name] = [image for image in sets[name] if image.path not in originals]
