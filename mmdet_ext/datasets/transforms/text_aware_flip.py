"""A mirror image with a caption that is still true of it."""
import re
from collections.abc import Callable

from mmdet.datasets.transforms import RandomFlip
from mmdet.registry import TRANSFORMS

# Also in left-hand, leftmost, rightward; not in brightly or lefty.
_SIDES = re.compile(r'\b(left|right)(?=(?:most|hand|wards?)?\b)', re.IGNORECASE)
_OTHER = dict(left='right', right='left')


@TRANSFORMS.register_module()
class TextAwareFlip(RandomFlip):
    """Mirror an image left to right, and swap the words left and right of its caption and answer.

    Spans move with their words. "Right" in the sense of "correct" and "left" in that of "gone" are swapped too, and
    what can be read in the image becomes a mirror image: published recipes flip nothing.

    Args:
        prob: Probability of a flip, 0 to 1.
    """

    def __init__(self, prob: float) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'prob must be between 0 and 1, got {prob}')
        super().__init__(prob=prob, direction='horizontal')

    def _flip(self, results: dict) -> None:
        super()._flip(results)
        if 'text' in results:
            results['text'], move = mirror_text(results['text'])
            for key in ('gt_tokens_positive', 'tokens_positive_eval'):
                if key in results:
                    results[key] = [[move(*span) for span in spans] for spans in results[key]]
        if isinstance(results.get('answer'), str):
            results['answer'], _ = mirror_text(results['answer'])


def mirror_text(text: str) -> tuple[str, Callable[[int, int], list[int]]]:
    """Swap the words left and right.

    Returns:
        The new text, and what turns a span [begin, end) of the old one into that of the new one. A span that covered a
        part of a swapped word covers as much of the other one, at least one character.
    """
    parts, changes, old, new = [], [], 0, 0
    for match in _SIDES.finditer(text):
        word = _like(match[1], _OTHER[match[1].lower()])
        parts += [text[old:match.start()], word]
        new += match.start() - old
        changes.append((match.start(), match.end(), new, len(word)))
        old, new = match.end(), new + len(word)
    parts.append(text[old:])

    def move_place(place: int, spare: int) -> int:
        """The new place; within a swapped word it leaves at least `spare` characters of it behind."""
        shift = 0
        for start, end, new_start, length in changes:
            if place <= start:
                break
            if place < end:
                return new_start + min(place - start, length - spare)
            shift = new_start + length - end
        return place + shift

    return ''.join(parts), lambda begin, end: [move_place(begin, 1), move_place(end, 0)]


def _like(model: str, word: str) -> str:
    """`word` in the case of `model`."""
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
