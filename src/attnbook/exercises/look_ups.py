"""Look-ups with queries, keys and values: by hand, and with books off the shelf."""

import math
import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.attention import attend
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises._varied import Sheet, Varied
from attnbook.scores import dot

Pair = tuple[Tensor, Tensor]

# --- By hand: x (3, 10) asks a source (7, 10), d_k = 4, d_v = 5 -------------------------------------------------------


def _lengths(draw: random.Random) -> tuple[int, ...]:
    """Of x and the source, then d_k, d_v and the width of both: no two alike."""
    return (*draw.sample(range(2, 10), 4), draw.randint(10, 12))


SHAPES = Varied(
    "shapes",
    Sheet((3, 7, 4, 5, 10), _lengths, lambda n, m, d_k, d_v, width: [
        f"A sequence $x$ of shape ({n}, {width}) asks a source $s$ of shape ({m}, {width}). "
        f"$W_q$ and $W_k$ have shape ({width}, {d_k}), $W_v$ has shape ({width}, {d_v}).",
    ]),
    lambda n, m, d_k, d_v, width: ((n, d_k), (m, d_k), (m, d_v), (n, m), (n, d_v)),
    ("The weights are turned around: they have a row for each query, a column for each key.",
     lambda n, m, d_k, d_v, width: ((n, d_k), (m, d_k), (m, d_v), (m, n), (n, d_v))),
    ("Whoever asks gets an answer: what asks sets the length of the output.",
     lambda n, m, d_k, d_v, width: ((n, d_k), (m, d_k), (m, d_v), (n, m), (m, d_v))),
    ("The output is as wide as what it is made of, and it is values that are averaged.",
     lambda n, m, d_k, d_v, width: ((n, d_k), (m, d_k), (m, d_v), (n, m), (n, d_k))),
    ("Values have a width of their own, d_v. Only queries and keys must be equally wide.",
     lambda n, m, d_k, d_v, width: ((n, d_k), (m, d_k), (m, d_k), (n, m), (n, d_k))),
    ("x and the source have changed places: x asks, and the source is asked.",
     lambda n, m, d_k, d_v, width: ((m, d_k), (n, d_k), (n, d_v), (m, n), (m, d_v))),
    ("This is self-attention, in which x asks itself. Here keys and values come from the source.",
     lambda n, m, d_k, d_v, width: ((n, d_k), (n, d_k), (n, d_v), (n, n), (n, d_v))),
    ("The matrices were turned around: x has a row for each token.",
     lambda n, m, d_k, d_v, width: ((d_k, n), (d_k, m), (d_v, m), (n, m), (d_v, n))),
)  # fmt: skip


def _three_books(draw: random.Random) -> tuple[int, int, int, int]:
    """Powers of e that make 6, 8 or 10 with the third, which is 1; two values that these divide."""
    whole = draw.choice((6, 8, 10))
    a = draw.randint(2, whole - 3)
    return a, whole - 1 - a, whole * draw.randint(1, 3), whole * draw.randint(1, 3)


def _comes_back(a: float, b: float, v_1: float, v_2: float) -> float:
    return (a * v_1 + b * v_2) / (a + b + 1)


# Scores 2 ln a, 2 ln b and 0 at temperature 2; the third value is 0.
COMES_BACK = Varied(
    "comes_back",
    Sheet((2, 3, 6, 12), _three_books, lambda a, b, v_1, v_2: [
        f"A query $(\\ln {a}, \\ln {b})$ asks three books", f"their values {v_1}, {v_2} and 0.",
    ]),
    _comes_back,
    ("The temperature is missing: these are the weights of the plain dot products.",
     lambda a, b, *values: _comes_back(a**2, b**2, *values)),
    ("The scores were multiplied by the temperature; it divides them.",
     lambda a, b, *values: _comes_back(a**4, b**4, *values)),
    ("The powers of e are still to be divided by their sum.", lambda a, b, v_1, v_2: a * v_1 + b * v_2),
    ("This is the value of the best key: a hard look-up. A soft one averages all values.",
     lambda a, b, v_1, v_2: v_1 if a > b else v_2),
    ("This is the plain mean of the values: weight them.", lambda a, b, v_1, v_2: (v_1 + v_2) / 3),
    ("These are the weights. What comes back is made of values.",
     lambda a, b, *values: (a / (a + b + 1), b / (a + b + 1), 1 / (a + b + 1))),
    ("e to the power 0 is 1, and not 0: the third book has a share too.",
     lambda a, b, v_1, v_2: (a * v_1 + b * v_2) / (a + b)),
    ("Divided by √d, as the scaled dot product does. This library has a temperature instead.",
     lambda a, b, *values: _comes_back(a ** math.sqrt(2), b ** math.sqrt(2), *values)),
)  # fmt: skip


def check_shapes(answer: Any, variant: int = 0) -> None:
    """Check the shapes of queries, keys, values, weights and output that were worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_shapes([(3, 4), (7, 4), (7, 5), (7, 3), (3, 5)])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: shapes: The weights are turned around: they have a row for each query, ...
    """
    SHAPES.check(answer, variant)


def check_comes_back(answer: Any, variant: int = 0) -> None:
    """Check the output of a soft look-up that was worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_comes_back(12)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: comes_back: This is the value of the best key: a hard look-up. ...
    """
    COMES_BACK.check(answer, variant)


# --- Books off the shelf ---------------------------------------------------------------------------------------------


def _open(q: Tensor, k: Tensor, v: Tensor, shelf: Tensor, temperature: float) -> Pair:
    return attend(dot(q, k) / temperature, v, shelf.unsqueeze(-2))


def _average(weights: Tensor, values: Tensor) -> Pair:
    return weights @ values, weights


def _hide(scores: Tensor, shelf: Tensor, fill: float = -math.inf) -> Tensor:
    return scores.masked_fill(~shelf.unsqueeze(-2), fill)


def _hard(scores: Tensor) -> Tensor:
    return torch.zeros_like(scores).scatter(-1, scores.argmax(dim=-1, keepdim=True), 1)


def _by_columns(q: Tensor, k: Tensor, v: Tensor, shelf: Tensor, temperature: float) -> Pair:
    return _average((dot(q, k) / temperature).softmax(dim=-2) * shelf.unsqueeze(-2), v)


def _all_books(q: Tensor, k: Tensor, v: Tensor, shelf: Tensor, temperature: float) -> Pair:
    return attend(dot(q, k) / temperature, v)


def _open_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, b, d_v = draw.sizes(5)
    n_k = max(n_k, 4)  # so that some books can stand and some be away
    q, k = draw.normal(n_q, d), draw.normal(n_k, d)
    every, some = torch.ones(n_k, dtype=torch.bool), draw.mask(n_k)
    batch = draw.normal(b, n_q, d), draw.normal(b, n_k, d), draw.normal(b, n_k, d_v)
    each = "Each batch has one shelf, for all of its queries. Which axis of the scores has no axis in `shelf`?"
    return [
        Case("with all books there, and values as wide as keys", (q, k, draw.normal(n_k, d), every, 0.6)),
        Case("at another temperature", (q, k, draw.normal(n_k, d_v), every, 2.5), "Values may be wider than keys."),
        Case("with books off the shelf", (q, k, draw.normal(n_k, d_v), some, 0.6), "True means: on the shelf."),
        Case("near temperature 0", (q, k, draw.normal(n_k, d_v), some, 0.001),
             "e to the power 1000 overflows, though the weights are ordinary numbers."),
        Case("on a batch with a shelf each", (*batch, draw.mask(b, n_k), 0.6), each),
    ]  # fmt: skip


FLIPPED = "The shelf is the wrong way round: True means on the shelf, and those books have no weight."

OPEN_LOOK_UP = Task(
    "open_look_up",
    _open,
    _open_cases,
    (
        Mistake("Each column sums to 1, each row should: the softmax runs over the keys, dim=-1.", _by_columns),
        Mistake("The books were taken away after the softmax: they had their share by then, and nobody gets it. The "
                "rows no longer sum to 1.",
                lambda q, k, v, shelf, t: _average((dot(q, k) / t).softmax(-1) * shelf.unsqueeze(-2), v)),
        Mistake("The values were hidden, and the keys were not: books off the shelf still take their share of weight.",
                lambda q, k, v, shelf, t: attend(dot(q, k) / t, v * shelf.unsqueeze(-1))),
        Mistake(FLIPPED, lambda q, k, v, shelf, t: _average(_hide(dot(q, k) / t, ~shelf).softmax(-1), v)),
        Mistake(FLIPPED, lambda q, k, v, shelf, t: _average(_hide(dot(q, k) / t, ~shelf, -1e9).softmax(-1), v)),
        Mistake("The shelf changes nothing: books off the shelf still get weight.", _all_books),
        Mistake("A book off the shelf has a score of 0 here, and e to the power 0 is 1: it still gets weight.",
                lambda q, k, v, shelf, t: attend(_hide(dot(q, k) / t, shelf, 0.0), v)),
        Mistake("The scores were multiplied by the temperature; it divides.",
                lambda q, k, v, shelf, t: _open(q, k, v, shelf, 1 / t)),
        Mistake("The temperature changes nothing.", lambda q, k, v, shelf, t: _open(q, k, v, shelf, 1)),
        Mistake("The temperature changes nothing. (The scores were divided by √d, which has no part here.)",
                lambda q, k, v, shelf, t: _open(q, k, v, shelf, math.sqrt(q.shape[-1]))),
        Mistake("The scores were divided by √d as well. The temperature does all of the dividing here.",
                lambda q, k, v, shelf, t: _open(q, k, v, shelf, t * math.sqrt(q.shape[-1]))),
        Mistake("The temperature came in as its square root.",
                lambda q, k, v, shelf, t: _open(q, k, v, shelf, math.sqrt(t))),
        Mistake("The temperature came after the softmax: rows of weights that should sum to 1 no longer do.",
                lambda q, k, v, shelf, t: _average(_open(q, k, v, shelf, 1)[1] / t, v)),
        Mistake("The keys were averaged. They are there to be compared; values come back.",
                lambda q, k, v, shelf, t: _open(q, k, k, shelf, t)),
        Mistake("The keys and values have changed places: the query is compared with the keys.",
                lambda q, k, v, shelf, t: _open(q, v, k, shelf, t)),
        Mistake("This is a hard look-up: the best book has all the weight. A soft one blends.",
                lambda q, k, v, shelf, t: _average(_hard(_hide(dot(q, k) / t, shelf)), v)),
        Mistake("The books that are out have no column in the weights any more: they keep their places, with weight 0.",
                lambda q, k, v, shelf, t: attend(dot(q, k[shelf]) / t, v[shelf])),
        Mistake("The two things that are returned have changed places: first the output, then the weights.",
                lambda q, k, v, shelf, t: _open(q, k, v, shelf, t)[::-1]),
    ),
    returns=("the output", "weights"),
)  # fmt: skip


def check_open_look_up(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a look-up among the books on the shelf: open_look_up(q, k, v, shelf, temperature) -> output, weights.

    >>> from attnbook.attention import attend
    >>> def forgets(q, k, v, shelf, temperature):
    ...     return attend(q @ k.mT / temperature, v)
    >>> check_open_look_up(forgets)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: open_look_up: The shelf changes nothing: books off the shelf still get weight...
    """
    OPEN_LOOK_UP.check(answer, seed)
