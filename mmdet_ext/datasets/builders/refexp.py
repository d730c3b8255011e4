"""Annotation files of MDETR from RefCOCO, RefCOCO+ and RefCOCOg: one entry, with one box, for each expression.

https://arxiv.org/abs/2104.12763
"""
from collections import Counter
from collections.abc import Callable, Sequence, Set
from pathlib import Path

from .grounding_file import write_grounding
from .parsing import Parser
from .refer_files import Expression, ReferFiles
from .roots import root_spans


def build_refexp(datasets: Sequence[ReferFiles], split: str, out: Path, parser: Parser, *,
                 safe: Set[str] | None = None, on_expression: Callable[[], object] = lambda: None) -> Counter:
    """Write a file of one split, of one data set to fine-tune on, or of several to pre-train on.

    Args:
        datasets: At least one; their expressions follow one another in the file.
        split: train, val, test, testA or testB.
        out: File to write.
        parser: Of expressions; those that it has no parse of are taken as a whole.
        safe: Ids of the pictures to keep; None keeps all.
        on_expression: Called after each expression.

    Returns:
        How many there are of what.
    """
    counts = Counter()
    pictures = set()
    with write_grounding(out, datasets[0].categories) as file:
        for files in datasets:
            chosen = []
            for expression in files.of(split):
                if safe is None or str(expression.image['id']) in safe:
                    chosen.append(expression)
                else:
                    counts['dropped'] += 1
                    on_expression()
            parses = parser(expression.text for expression in chosen)
            for expression, tokens in zip(chosen, parses, strict=True):
                spans = [[0, len(expression.text)]] if tokens is None else root_spans(expression.text, tokens)
                counts['whole texts' if spans == [[0, len(expression.text)]] else 'roots'] += 1
                file.add(*_entry(expression, files.name, spans))
                on_expression()
            pictures.update(expression.image['id'] for expression in chosen)
        counts.update(expressions=file.num_images, pictures=len(pictures))
    return counts


def _entry(expression: Expression, name: str, spans: list[list[int]]) -> tuple[dict, list[dict]]:
    text, image, annotation = expression.text, expression.image, expression.annotation
    row = {key: annotation[key] for key in ('area', 'iscrowd', 'category_id', 'bbox')}
    return dict(
        file_name=expression.file_name, height=image['height'], width=image['width'], original_id=annotation['id'],
        caption=text, dataset_name=name, tokens_negative=[[0, len(text)]]), [row | dict(tokens_positive=spans)]
