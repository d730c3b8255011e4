"""From names of classes to prompts, one class each (MDETR, https://arxiv.org/abs/2104.12763, section 4.3)."""
import re


def prompt_text(name: str) -> str:
    """What MDETR is asked for a class of LVIS or COCO: 'dish_(tableware)_big' -> 'dish big'; case is kept.

    Remarks in brackets go, '_' becomes a space and two spaces one; no more, so that 'bow_(weapon)' is 'bow ' as it was
    when the published weights were trained.

    Raises:
        ValueError: If the name is no text, or nothing is left of it.
    """
    if not isinstance(name, str):
        raise ValueError(f'a class should have a text for its name, got {name!r}')
    prompt = re.sub(r'\(.*?\)', '', name).replace('_', ' ').replace('  ', ' ')
    if not prompt.strip():
        raise ValueError(f'nothing is left of the class name {name!r} to ask for')
    return prompt
