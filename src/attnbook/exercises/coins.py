"""How large scores are, worked out by hand for entries that are tossed like coins."""

import math
from typing import Any

from attnbook.exercises._varied import Sheet, Varied

# --- By hand: q from -2, 0, 0, 2 (variance 2), k from 3, -3 (variance 9), d = 8 ---------------------------------------

# d is twice a square, so that the divisor comes out as a whole number.
COINS = Sheet(
    (2, 3, 8),
    lambda draw: (*draw.sample((1, 2, 3, 4, 5), 2), 2 * draw.randint(2, 5) ** 2),
    lambda a, b, d: [
        f"have $d = {d}$ entries", f"a query is $-{a}$, $0$, $0$ or ${a}$,", f"a key is ${b}$ or $-{b}$,",
    ],
)  # fmt: skip


def _product(a: int, b: int) -> float:
    """The variance of one product of an entry of q and one of k."""
    return a**2 / 2 * b**2


SCORE_VARIANCE = Varied(
    "score_variance",
    COINS,
    lambda a, b, d: d * _product(a, b),
    ("This is the standard deviation, the square root of the variance.",
     lambda a, b, d: math.sqrt(d * _product(a, b))),
    ("That would be right for entries of size 1. Here the entries have variances of their own.", lambda a, b, d: d),
    ("This is the variance of one product of two entries. A score adds up d of them.",
     lambda a, b, d: _product(a, b)),
    ("The variances of queries and keys were added. Their entries are multiplied.",
     lambda a, b, d: d * (a**2 / 2 + b**2)),
    ("d came in twice: the variances of d summands add up to d times one of them.",
     lambda a, b, d: d**2 * _product(a, b)),
    ("√d is for standard deviations. Variances of d independent summands add up.",
     lambda a, b, d: math.sqrt(d) * _product(a, b)),
    (lambda a, b, d: f"-{a}, 0, 0 and {a}: the squares are {a * a}, 0, 0 and {a * a}. What is their mean?",
     lambda a, b, d: d * a**2 * b**2),
    (lambda a, b, d: f"A third each for -{a}, 0 and {a}? Zero comes half of the time.",
     lambda a, b, d: d * 2 / 3 * a**2 * b**2),
    ("These are standard deviations multiplied: a variance is the mean of squares.",
     lambda a, b, d: d * math.sqrt(_product(a, b))),
    (lambda a, b, d: f"The variance of a key's entry is the mean of {b * b} and {b * b}, and not {b}.",
     lambda a, b, d: d * a**2 / 2 * b),
)  # fmt: skip
DIVISOR = Varied(
    "divisor",
    COINS,
    lambda a, b, d: math.sqrt(d * _product(a, b)),
    ("√d makes it 1 only where the entries of queries and keys have variance 1.", lambda a, b, d: math.sqrt(d)),
    ("This is the variance itself. A number divided by c has its variance divided by c².",
     lambda a, b, d: d * _product(a, b)),
    ("This is d itself.", lambda a, b, d: d),
    ("This is right for one product. The score adds up as many as the width says.",
     lambda a, b, d: math.sqrt(_product(a, b))),
    ("The variance is d times that of a product, and the root is taken of all of it.",
     lambda a, b, d: d * math.sqrt(_product(a, b))),
    ("To divide by c is to multiply by 1/c: the divisor is asked for.",
     lambda a, b, d: 1 / math.sqrt(d * _product(a, b))),
)  # fmt: skip


def check_score_variance(answer: Any, variant: int = 0) -> None:
    """Check the variance of a score that was worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_score_variance(12)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: score_variance: This is the standard deviation, the square root of the variance.
    """
    SCORE_VARIANCE.check(answer, variant)


def check_divisor(answer: Any, variant: int = 0) -> None:
    """Check the number that makes a score's variance 1, worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_divisor(8 ** 0.5)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: divisor: √d makes it 1 only where the entries of queries and keys have variance 1.
    """
    DIVISOR.check(answer, variant)
