"""A part of LVIS's images in which rare classes come first (MDETR, https://arxiv.org/abs/2104.12763)."""
import random
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

# One of so many images is chosen for a class that it does not show.
NEGATIVE_EVERY = 10


class ImageClasses(NamedTuple):
    """Classes that an image shows, those of which not all objects are boxed, and those known to be absent."""
    present: Collection[int]
    inexhaustive: Collection[int]
    absent: Collection[int]


class _Pool:
    """Images that may still be chosen for a class, and how many were chosen for each class."""

    def __init__(self, images_of: Mapping[int, Collection[int]], order: Sequence[int]) -> None:
        self._left = {class_: sorted(images_of[class_]) for class_ in reversed(order)}
        self._counts = Counter()
        self._classes_of: dict[int, list[int]] = {}
        for class_, images in self._left.items():
            for image in images:
                self._classes_of.setdefault(image, []).append(class_)

    def choices(self) -> Sequence[int]:
        """The images of the class that was chosen least; the last in the order among equals; none if none is left."""
        open_classes = [class_ for class_, images in self._left.items() if images]
        return self._left[min(open_classes, key=self._counts.__getitem__)] if open_classes else ()

    def take(self, image: int) -> None:
        for class_ in self._classes_of.get(image, ()):
            self._left[class_].remove(image)
            self._counts[class_] += 1


def balanced_subset(images: Mapping[int, ImageClasses], classes: Sequence[int], fraction: float,
                    seed: int = 42) -> list[int]:
    """Choose a fraction of the images, one after another, for the class that was chosen least so far.

    Every tenth is chosen for a class that it does not show. An image counts for the classes whose objects it boxes
    exhaustively; a class of which no image does so counts with all of its images.

    Returns sorted ids, `int(len(images) * fraction)`, or fewer if the other images neither show nor lack a class. The
    seed decides among the images of a class.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f'fraction should be above 0 and at most 1, got {fraction}')
    if fraction == 1:
        return sorted(images)
    showing, exhaustive, lacking = ({class_: [] for class_ in classes} for _ in range(3))
    for image, (present, inexhaustive, absent) in images.items():
        for table, members in ((showing, present), (exhaustive, set(present) - set(inexhaustive)), (lacking, absent)):
            for class_ in members:
                table[class_].append(image)
    order = sorted(classes, key=lambda class_: (len(showing[class_]), class_), reverse=True)
    positive = _Pool({class_: exhaustive[class_] or showing[class_] for class_ in classes}, order)
    negative = _Pool(lacking, order)
    generator, chosen = random.Random(seed), []
    for step in range(int(len(images) * fraction)):
        first, second = (negative, positive) if step % NEGATIVE_EVERY == 0 else (positive, negative)
        choices = first.choices() or second.choices()
        if not choices:
            break
        chosen.append(generator.choice(choices))
        positive.take(chosen[-1])
        negative.take(chosen[-1])
    return sorted(chosen)
