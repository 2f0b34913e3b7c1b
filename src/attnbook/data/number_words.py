"""English number words and their German translations, as token lists.

German says the unit before the ten: 45 is "forty five" in English but "fünf und vierzig", five and forty, in German.
So the alignment between the two languages crosses, and a translator cannot simply copy from left to right.
The words come from the package num2words; nothing is downloaded.
"""

import random
import re
from collections.abc import Iterable
from functools import lru_cache

import torch
from num2words import num2words
from torch import Tensor

PAD, START, END = "<pad>", "<start>", "<end>"
LARGEST = 999_999_999

# The closed set of morphemes (smallest units with a meaning) below a billion, longest first so that a regular
# expression prefers "siebzig" (seventy) to "sieb" (the stem of seventeen).
_UNITS = "ein eins eine zwei drei vier fünf sechs sieben acht neun zehn elf zwölf sech sieb null".split()
_TENS = "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig".split()
_JOINTS = "und hundert tausend million millionen".split()
GERMAN_MORPHEMES = sorted(_UNITS + _TENS + _JOINTS, key=len, reverse=True)
_MORPHEME = re.compile("|".join(GERMAN_MORPHEMES))


def _english(number: int) -> list[str]:
    return [word for word in re.findall("[a-z]+", num2words(number)) if word != "and"]


def _german(number: int) -> list[str]:
    text = num2words(number, lang="de").lower().replace(" ", "")
    morphemes = _MORPHEME.findall(text)
    if "".join(morphemes) != text:
        raise ValueError(f"num2words spells {number} as {text!r}, which is not made of known morphemes")
    return morphemes


@lru_cache(maxsize=None)
def _group(group: int, scale: int) -> tuple[list[str], list[str]]:
    """A group of up to three digits with its scale word: num2words takes 0.4 ms a number, its groups recur."""
    return _english(group * scale), _german(group * scale)


def translate(number: int) -> tuple[list[str], list[str]]:
    """Spell a number in English words and in German morphemes.

    Args:
        number: 0 to 999,999,999.
    Returns:
        English words and German morphemes, two lists of strings.
    Raises:
        ValueError: the number is outside that range.
    Source: the package num2words; "and", commas and hyphens of the English are dropped.

    >>> translate(345_678)[0]
    ['three', 'hundred', 'forty', 'five', 'thousand', 'six', 'hundred', 'seventy', 'eight']
    >>> " ".join(translate(345_678)[1])
    'drei hundert fünf und vierzig tausend sechs hundert acht und siebzig'
    """
    if not 0 <= number <= LARGEST:
        raise ValueError(f"expected a whole number from 0 to {LARGEST:,}, got {number:,}")
    english: list[str] = []
    german: list[str] = []
    for scale in (1_000_000, 1_000, 1):
        group = number // scale % 1000
        if group or number == 0 == scale - 1:
            words, morphemes = _group(group, scale)
            english += words
            german += morphemes
    return english, german
