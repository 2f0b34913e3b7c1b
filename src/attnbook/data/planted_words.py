"""Reviews of seven words in which we know which words decide: we have planted them there.

    the soup was not cold on monday          on friday the waiter was so rude

A review is good or bad by two of its words alone. Its adjective praises or blames, and its adverb may turn that round
(*not cold* is praise). Noun, day and the small words are drawn by lot. So for each word of each review the truth is
known: what happens to the verdict when that word is blanked.
"""

import torch
from torch import Tensor

from attnbook._checks import check_count
from attnbook.data.vocabulary import Vocabulary

PRAISE = ("fresh", "kind", "quick", "warm")
BLAME = ("cold", "rude", "slow", "stale")
TURNING = ("hardly", "never", "not")
PLAIN = ("quite", "so", "very")
TELLING = PRAISE + BLAME + TURNING + PLAIN  # adjectives and adverbs: what a verdict can be read from
NOUNS = ("bread", "cook", "soup", "waiter")
DAYS = ("friday", "monday", "sunday", "tuesday")
FORMS = (
    "the {noun} was {adverb} {adjective} on {day}",
    "on {day} the {noun} was {adverb} {adjective}",
    "my {day} {noun} was {adverb} {adjective} again",
    "we found the {noun} {adverb} {adjective} today",
)
CLASSIFIER, BLANK = "[CLS]", "_"  # where the verdict is read off, and a word that says nothing
WORDS = 7
N = WORDS + 1  # tokens: the classifier's stands first
BLANKED = 0.3  # the chance of each word to be blanked in training

_SMALL = tuple(word for form in FORMS for word in form.split() if not word.startswith("{"))
VOCABULARY = Vocabulary((*PRAISE, *BLAME, *TURNING, *PLAIN, *NOUNS, *DAYS, *_SMALL, CLASSIFIER, BLANK))
BLANK_TOKEN = VOCABULARY.tokens.index(BLANK)


def verdict(words: list[str]) -> float:
    """The chance that a review is good: 1 or 0, and 1/2 without its adjective. A turning adverb turns it round.

    >>> verdict("the soup was not cold on monday".split()), verdict("the soup was _ cold on monday".split())
    (1.0, 0.0)
    >>> verdict("the soup was not _ on monday".split())
    0.5
    """
    good = [word in PRAISE for word in words if word in PRAISE or word in BLAME]
    if not good:
        return 0.5
    turned = any(word in TURNING for word in words)
    return float(good[0] != turned)


def deciding(words: list[str]) -> list[bool]:
    """For each word of a whole review, whether blanking it alone changes the verdict.

    >>> deciding("we found the soup very cold today".split())
    [False, False, False, False, False, True, False]
    """
    whole = verdict(words)
    return [verdict([*words[:i], BLANK, *words[i + 1 :]]) != whole for i in range(len(words))]


def draw(generator: torch.Generator, size: int) -> list[list[str]]:
    """Draw whole reviews, each of WORDS words; half of the adverbs turn, half of the adjectives praise.

    >>> [len(words) for words in draw(torch.Generator().manual_seed(1), 3)]
    [7, 7, 7]
    """
    check_count("size", size)

    def pick(words: tuple[str, ...]) -> str:
        return words[int(torch.randint(len(words), (), generator=generator))]

    kinds = {"noun": NOUNS, "adverb": TURNING + PLAIN, "adjective": PRAISE + BLAME, "day": DAYS}
    return [pick(FORMS).format(**{kind: pick(words) for kind, words in kinds.items()}).split() for _ in range(size)]


def encode(reviews: list[list[str]]) -> Tensor:
    """Token numbers (b, N) of reviews of WORDS words each, the classifier's token first.

    Raises:
        ValueError: a review has another number of words, or a word is not in the vocabulary.

    >>> encode(["the soup was not cold on monday".split()]).shape
    torch.Size([1, 8])
    """
    for words in reviews:
        if len(words) != WORDS:
            raise ValueError(f"a review should have {WORDS} words, got {len(words)}: {' '.join(words)}")
    return VOCABULARY.encode([[CLASSIFIER, *words] for words in reviews])


def batches(generator: torch.Generator, size: int = 128) -> tuple[Tensor, Tensor]:
    """A batch for training: tokens (b, N), some words blanked, and verdicts (b,), 0 or 1.

    The verdict is that of the words that are left. So a blank is no stranger to the model, and what it should answer
    is known for every choice of blanks. Where the adjective is blanked, a coin decides.

    >>> tokens, verdicts = batches(torch.Generator().manual_seed(0), size=5)
    >>> tokens.shape == (5, N), verdicts.shape
    (True, torch.Size([5]))
    """
    reviews = draw(generator, size)
    blank = torch.rand(size, WORDS, generator=generator) < BLANKED
    coins = torch.rand(size, generator=generator)
    left = [
        [BLANK if gone else word for word, gone in zip(words, row, strict=True)]
        for words, row in zip(reviews, blank.tolist(), strict=True)
    ]
    chances = torch.tensor([verdict(words) for words in left])
    return encode(left), (coins < chances).float()
