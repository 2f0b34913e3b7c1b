"""English number words and their German translations, as token lists.

German says the unit before the ten: 45 is "forty five" in English but "fünf und vierzig", five and forty, in German.
So the alignment between the two languages crosses, and a translator cannot simply copy from left to right.
The words come from the package num2words; nothing is downloaded.
"""

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import chain

import torch
from num2words import num2words
from torch import Tensor

from attnbook.data.vocabulary import Vocabulary

LARGEST = 999_999_999

# The closed set of morphemes (smallest units with a meaning) below a billion, longest first so that a regular
# expression prefers "siebzig" (seventy) to "sieb" (the stem of seventeen).
_SPELLINGS = """
ein eins eine zwei drei vier fünf sechs sieben acht neun zehn elf zwölf sech sieb null
zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig
und hundert tausend million millionen
"""
GERMAN_MORPHEMES = sorted(_SPELLINGS.split(), key=len, reverse=True)
_MORPHEME = re.compile("|".join(GERMAN_MORPHEMES))


def _english(number: int) -> list[str]:
    return [word for word in re.findall("[a-z]+", num2words(number)) if word != "and"]


def _german(number: int) -> list[str]:
    text = num2words(number, lang="de").lower().replace(" ", "")
    morphemes = _MORPHEME.findall(text)
    if "".join(morphemes) != text:
        raise ValueError(f"num2words spells {number} as {text!r}, which is not made of known morphemes")
    return morphemes


@cache
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
        TypeError: it is not a whole number.
    Source: the package num2words; "and", commas and hyphens of the English are dropped.

    >>> translate(345_678)[0]
    ['three', 'hundred', 'forty', 'five', 'thousand', 'six', 'hundred', 'seventy', 'eight']
    >>> " ".join(translate(345_678)[1])
    'drei hundert fünf und vierzig tausend sechs hundert acht und siebzig'
    """
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"expected a whole number, got {number!r}")
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


def align(number: int) -> list[int | None]:
    """For each German morpheme the place of the English word that it translates: what a bilingual would say.

    Args:
        number: 0 to 999,999,999.
    Returns:
        one entry a morpheme: an index into the English words, or None for "und", which English leaves out.

    >>> align(345), align(13)  # drei hundert fünf und vierzig; drei zehn
    ([0, 1, 3, None, 2], [0, 0])
    """
    english, german = translate(number)
    links: list[int | None] = []
    word = 0  # the first English word that is not linked yet
    while len(links) < len(german):
        if german[len(links) + 1 : len(links) + 2] == ["und"]:  # fünf und vierzig: forty five
            links += [word + 1, None, word]
            word += 2
        elif english[word].endswith("teen"):  # drei zehn: thirteen
            links += [word, word]
            word += 1
        else:
            links.append(word)
            word += 1
    return links


@dataclass(frozen=True)
class NumberWords:
    """A translation task: numbers to train on, and others, grouped by the length of their German, to test on.

    Attributes:
        source, target: the English and the German vocabulary.
        train: numbers to learn from; the same one may come twice, none of them is in `test`.
        test: length in German morphemes -> as many different numbers for each length.

    >>> from attnbook.data.number_words import load
    >>> task = load(train=1000, test=10)
    >>> source, target = task.encode([45])
    >>> task.source.decode(source[0].tolist()), task.target.decode(target[0].tolist())
    (['forty', 'five'], ['fünf', 'und', 'vierzig'])
    """

    source: Vocabulary
    target: Vocabulary
    train: list[int]
    test: dict[int, list[int]]

    def encode(self, numbers: list[int]) -> tuple[Tensor, Tensor]:
        """English tokens (b, n_k), and German tokens (b, n_q + 2) between a start and an end."""
        english, german = zip(*map(translate, numbers), strict=True)
        return self.source.encode(english), self.target.encode(german, frame=True)

    def batches(self, size: int) -> Callable[[torch.Generator], tuple[Tensor, Tensor]]:
        """A function that draws `size` training pairs by a generator, for `training.fit`."""
        source, target = self.encode(self.train)

        def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
            chosen = torch.randint(len(source), (size,), generator=generator)
            return _trim(source[chosen]), _trim(target[chosen])

        return draw


def load(train: int = 50_000, test: int = 100, seed: int = 0) -> NumberWords:
    """Draw the numbers of the task: first how many digits (1 to 9), then the number, so that no length is rare.

    Args:
        train: how many training numbers.
        test: how many held-out numbers for each length from 4 to 17 morphemes. (Of the shorter ones there are too
            few to hold any out; none is longer.)
        seed: of the draw.
    Cost: about a second for the default sizes.

    >>> task = load(train=1000, test=10)
    >>> len(task.train), sorted(task.test) == list(range(4, 18)), len(task.test[17])
    (1000, True, 10)
    """
    chance = random.Random(seed)

    def draw() -> int:
        return chance.randrange(10 ** chance.randint(1, 9))

    held_out: dict[int, list[int]] = {length: [] for length in range(4, 18)}
    while any(len(numbers) < test for numbers in held_out.values()):
        number = draw()
        group = held_out.get(len(translate(number)[1]), [])
        if number not in group and len(group) < test:
            group.append(number)
    kept = {number for numbers in held_out.values() for number in numbers}
    numbers: list[int] = []
    while len(numbers) < train:
        number = draw()
        if number not in kept:
            numbers.append(number)
    # Every word occurs below a thousand or beside a scale word, so the vocabularies do not depend on the draw.
    english, german = zip(*map(translate, [*range(1000), 1000, 10**6, 2 * 10**6]), strict=True)
    return NumberWords(Vocabulary(chain(*english)), Vocabulary(chain(*german)), numbers, held_out)


def _trim(tokens: Tensor) -> Tensor:
    """Drop the columns in which every row is padding."""
    return tokens[:, : int((tokens != Vocabulary.pad).sum(dim=1).max())]
