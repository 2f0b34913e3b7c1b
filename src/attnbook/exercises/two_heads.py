"""One query, two keys and two heads of width 1, worked out by hand."""

import math
import random
from typing import Any

from attnbook.exercises._varied import Sheet, Varied

# The query is (ln a, ln b), the keys are (1, 0) and (0, 1): head 1 weights them as a to 1, head 2 as 1 to b.

Pair = tuple[float, float]


def _two_values(draw: random.Random) -> tuple[int, int, Pair, Pair]:
    """Powers of e, and two values whose numbers both heads' sums of powers divide."""
    a, b = draw.choices((2, 3, 4), k=2)
    whole = math.lcm(a + 1, b + 1)
    x_1, y_1, x_2, y_2 = draw.sample([whole * n for n in range(5)], 4)
    return a, b, (x_1, y_1), (x_2, y_2)


def _average(first: float, second: float, x_1: float, x_2: float) -> float:
    return (first * x_1 + second * x_2) / (first + second)


def _heads(a: float, b: float, v_1: Pair, v_2: Pair) -> Pair:
    return _average(a, 1, v_1[0], v_2[0]), _average(1, b, v_1[1], v_2[1])


TWO_HEADS = Varied(
    "two_heads",
    Sheet((3, 3, (8, 4), (0, 12)), _two_values, lambda a, b, v_1, v_2: [
        f"A query $(\\ln {a}, \\ln {b})$ meets two keys", f"Their values are ${v_1}$ and ${v_2}$.",
    ]),
    _heads,
    ("This is what one head of width 2 gives: cut the vectors first, then score.",
     lambda a, b, v_1, v_2: [_average(a, b, x, y) for x, y in zip(v_1, v_2, strict=True)]),
    ("The heads have changed places.", lambda *numbers: _heads(*numbers)[::-1]),
    ("The weights of head 2 belong to the other keys: which key does it prefer?",
     lambda a, b, v_1, v_2: (_average(a, 1, v_1[0], v_2[0]), _average(b, 1, v_1[1], v_2[1]))),
    ("The weights of both heads are turned around: which key does each prefer?",
     lambda a, b, v_1, v_2: (_average(1, a, v_1[0], v_2[0]), _average(b, 1, v_1[1], v_2[1]))),
    ("The powers of e are still to be divided by their sum.",
     lambda a, b, v_1, v_2: (a * v_1[0] + v_2[0], v_1[1] + b * v_2[1])),
    ("This is a hard choice: a softmax gives some weight to the other key too.",
     lambda a, b, v_1, v_2: (v_1[0], v_2[1])),
    ("Divided by √2 in each head. How wide is a head?",
     lambda a, b, *values: _heads(a ** (1 / math.sqrt(2)), b ** (1 / math.sqrt(2)), *values)),
    ("The outputs of the heads were added up. They stand side by side.", lambda *numbers: sum(_heads(*numbers))),
    ("Scores were used as weights: the softmax is missing.",
     lambda a, b, v_1, v_2: (v_1[0] * math.log(a), v_2[1] * math.log(b))),
    ("Each head averaged the other head's numbers of the values.",
     lambda a, b, v_1, v_2: _heads(a, b, v_1[::-1], v_2[::-1])),
)  # fmt: skip


def check_two_heads(answer: Any, variant: int = 0) -> None:
    """Check the output of two heads that was worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_two_heads((4, 8))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: two_heads: This is what one head of width 2 gives: cut the vectors first, ...
    """
    TWO_HEADS.check(answer, variant)
