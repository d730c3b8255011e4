"""English for captions: number words, plurals, articles."""
import re

_ONES = ['no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve',
         'thirteen', 'fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen']
_TENS = ['-', '-', 'twenty', 'thirty', 'forty', 'fifty', 'sixty', 'seventy', 'eighty', 'ninety']
_SAME = {'sheep', 'deer', 'fish', 'aircraft', 'broccoli'}
# Of last words; those of _ENDINGS also where more stands in front: 'fireman', 'grandchild'.
_IRREGULAR = (('person', 'people'), ('child', 'children'), ('mouse', 'mice'), ('goose', 'geese'), ('foot', 'feet'),
              ('tooth', 'teeth'), ('ox', 'oxen'), ('man', 'men'), ('knife', 'knives'), ('life', 'lives'),
              ('wife', 'wives'), ('leaf', 'leaves'), ('loaf', 'loaves'), ('shelf', 'shelves'), ('calf', 'calves'),
              ('wolf', 'wolves'), ('scarf', 'scarves'), ('tomato', 'tomatoes'), ('potato', 'potatoes'))
_ENDINGS = {'man', 'person', 'child', 'mouse', 'knife'}
# Plurals that name one thing.
_PAIRS = {'scissors', 'skis', 'pants', 'trousers', 'jeans', 'shorts', 'sunglasses', 'glasses', 'goggles', 'pliers',
          'tongs', 'tweezers', 'binoculars', 'headphones'}
_CONSONANT_SOUND = re.compile(r'uni|us[aeiu]|eu|one\b|ute', re.IGNORECASE)


def number_word(count: int) -> str:
    """'one', 'twelve', 'twenty-one'; digits from 100 on."""
    if not 0 < count < 100:
        return str(count)
    if count < 20:
        return _ONES[count]
    return _TENS[count // 10] + (f'-{_ONES[count % 10]}' if count % 10 else '')


def plural(name: str) -> str:
    """'cell phones', 'people', 'knives': the plural of the last word."""
    first, last = name[:name.rfind(' ') + 1], name[name.rfind(' ') + 1:]
    if last in _SAME | _PAIRS:
        return name
    for singular, several in _IRREGULAR:
        if last == singular or (singular in _ENDINGS and last.endswith(singular) and last != 'human'):
            return first + last[:-len(singular)] + several
    if re.search(r'([sxz]|ch|sh)$', last):
        return f'{name}es'
    if re.search(r'[^aeiou]y$', last):
        return f'{name[:-1]}ies'
    return f'{name}s'


def article(words: str) -> str:
    """'a' or 'an', by the sound of the first word."""
    vowel = words[:1].lower() in 'aeiou' and not _CONSONANT_SOUND.match(words)
    return 'an' if vowel or words.startswith('hour') else 'a'


def counted(count: int, name: str) -> str:
    """'a dog', 'an orange', 'two wine glasses', 'a pair of skis', 'two pairs of scissors'."""
    if name.split(' ')[-1] in _PAIRS:
        return f'a pair of {name}' if count == 1 else f'{number_word(count)} pairs of {name}'
    return f'{article(name)} {name}' if count == 1 else f'{number_word(count)} {plural(name)}'
