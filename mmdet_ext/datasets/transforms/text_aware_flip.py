"""Flip an image and change its caption so that it is still true."""
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

    Spans move with their words. "Right" in the sense of "correct" and "left" in the sense of "gone" are swapped too,
    and letters in the image become mirrored: the published recipes do not flip.

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
        The new text, and a function from a span [begin, end) of the old text to the span of the new one. A span that
        covers a part of a swapped word then covers as many characters of the other word, at least one.
    """
    parts, changes, old, new = [], [], 0, 0
    for match in _SIDES.finditer(text):
        word = _like(match[1], _OTHER[match[1].lower()])
        parts += [text[old:match.start()], word]
        new += match.start() - old
        changes.append((match.start(), match.end(), new, len(word)))
        old, new = match.end(), new + len(word)
    parts.append(text[old:])

    def moved(position: int, spare: int) -> int:
        """The new place; within a swapped word it leaves at least `spare` characters of it behind."""
        shift = 0
        for start, end, new_start, length in changes:
            if position <= start:
                break
            if position < end:
                return new_start + min(position - start, length - spare)
            shift = new_start + length - end
        return position + shift

    return ''.join(parts), lambda begin, end: [moved(begin, 1), moved(end, 0)]


def _like(model: str, word: str) -> str:
    """`word` in the case of `model`."""
    if model.isupper():
        return word.upper()
    return word.capitalize() if model[0].isupper() else word
