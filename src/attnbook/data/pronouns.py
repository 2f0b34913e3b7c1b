"""Sentences with a pronoun and two nouns, of which one is meant: a test for heads that seem to know which.

What tells the right noun is its gender ("he" is the uncle, not the queen), its number ("they" are the books, not the
lamp), or nothing but the meaning ("it was hungry" is the dog, not the wall). Nouns come in both orders, and each order
comes twice, once with either noun as the right one. So whoever always points at the first noun, or at the nearer one,
or always at the same noun, is right in exactly half of the sentences.
"""

import random
from dataclasses import dataclass

# Pairs of nouns that differ in what tells them apart.
NOUNS = {
    "gender": """queen uncle, aunt king, girl father, woman monk, mother boy, nun man, daughter prince, lady nephew,
        princess grandfather, sister gentleman, grandmother husband, wife brother, actress duke, bride son,
        niece emperor""",
    "number": """lamp books, table letters, piano chairs, box shoes, clock plates, basket apples, ladder stones,
        coat bottles, guitar boots, chair boxes, bag flowers, bed tables, kettle cups, map knives, drum tools""",
    "meaning": """dog wall, cat mat, horse fence, bird roof, cow gate, lion rock, rabbit box, bear door, mouse table,
        goat cart, fox bridge, wolf tent, sheep barn, monkey chair, pig truck""",
}
# Each gap takes the first noun, the second, the pronoun, and what follows it. Both nouns fit.
TEMPLATES = {
    "gender": (
        "The {} called the {} when {}{} came home.",
        "The {} met the {} after {}{} had left the office.",
        "The {} saw the {} before {}{} opened the door.",
        "The {} sat beside the {} while {}{} was reading.",
        "The {} wrote to the {} because {}{} was ill.",
    ),
    "number": (
        "The {} stood beside the {} until {} {} sold.",
        "The {} fell on the {} because {} {} too close.",
        "The {} came with the {} after {} {} cleaned.",
        "The {} lay near the {} while {} {} still wet.",
        "The {} stayed behind the {} when {} {} not needed.",
    ),
    "meaning": (
        "The {} lay beside the {} because {} was {}.",
        "The {} stood near the {} while {} was {}.",
        "The {} was behind the {} when {} was {}.",
    ),
}
PRONOUNS = {"gender": ("she", "he"), "number": ("it", "they"), "meaning": ("it", "it")}
ENDINGS = {  # what follows the pronoun, for either noun
    "gender": (("", ""),),
    "number": (("was", "were"),),
    "meaning": (("hungry", "painted"), ("tired", "built"), ("asleep", "repaired"), ("afraid", "sold"),
                ("ill", "broken")),
}  # fmt: skip
KINDS = tuple(NOUNS)


@dataclass(frozen=True)
class PronounSentence:
    """A sentence, its pronoun, and the two nouns that it might mean.

    Attributes:
        text: the whole sentence.
        nouns: the two, in their order in the text.
        pronoun: the word; it stands once in the text.
        right: 0 if the first noun is meant, 1 if the second.
        family: number of the pair of nouns; its four sentences share it.

    >>> sentence = sentences("number")[1]
    >>> sentence.text, sentence.nouns[sentence.right]
    ('The table stood beside the letters until they were sold.', 'letters')
    """

    text: str
    nouns: tuple[str, str]
    pronoun: str
    right: int
    family: int


def sentences(kind: str, seed: int = 0) -> list[PronounSentence]:
    """Sixty sentences, four for each of 15 pairs of nouns: both orders, either noun the right one.

    Args:
        kind: what tells the right noun: "gender", "number" or "meaning".
        seed: which pairs meet which templates.
    Raises:
        ValueError: another kind.

    >>> for sentence in sentences("gender", seed=1)[:4]:
    ...     print(sentence.text, sentence.right)
    The niece called the emperor when she came home. 0
    The niece called the emperor when he came home. 1
    The emperor called the niece when she came home. 1
    The emperor called the niece when he came home. 0
    """
    if kind not in KINDS:
        raise ValueError(f"kind should be one of {', '.join(map(repr, KINDS))}, got {kind!r}")
    pairs = [tuple(pair.split()) for pair in NOUNS[kind].split(",")]
    random.Random(seed).shuffle(pairs)
    return [sentence for family, pair in enumerate(pairs) for sentence in _family(kind, family, pair)]


def _family(kind: str, family: int, pair: tuple[str, ...]) -> list[PronounSentence]:
    # Each template serves as many pairs as any other.
    template = TEMPLATES[kind][family % len(TEMPLATES[kind])]
    endings = ENDINGS[kind][family // len(TEMPLATES[kind]) % len(ENDINGS[kind])]
    found = []
    for first, second in (pair, pair[::-1]):
        for noun, pronoun, ending in zip(pair, PRONOUNS[kind], endings, strict=True):
            text = template.format(first, second, pronoun, ending)
            found.append(PronounSentence(text, (first, second), pronoun, (first, second).index(noun), family))
    return found
