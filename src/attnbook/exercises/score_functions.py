"""Scores: the four usual ones, by hand and in code, and the additive one in little memory."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.scores import dot, scaled_dot

# --- By hand ---------------------------------------------------------------------------------------------------------

SCALED = by_hand(
    "scaled",
    (2, 3),
    ("The scale is missing: these are the plain dot products.", (4, 6)),
    ("Divided by the width d itself. The scale is its square root.", (1, 1.5)),
    ("Multiplied by the square root of the width; it divides.", (8, 12)),
    ("Divided by the square root of the number of keys. It is the width that counts.",
     (4 / math.sqrt(2), 6 / math.sqrt(2))),
    ("The keys have changed places.", (3, 2)),
)  # fmt: skip
MULTIPLICATIVE_BY_HAND = by_hand(
    "multiplicative",
    (8, 6),
    ("The keys have changed places.", (6, 8)),
    ("The query is missing: these are sums over the mapped keys.", (5, 2)),
    ("These are dot products with another mapped key: mind the signs in W.", (10, 10)),
    ("Divided by the square root of the query's width. The multiplicative score has no scale.",
     (8 / math.sqrt(2), 6 / math.sqrt(2))),
)  # fmt: skip


def check_scaled(answer: Any) -> None:
    """Check the scaled dot products that were worked out by hand.

    >>> check_scaled((4, 6))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: scaled: The scale is missing: these are the plain dot products.
    """
    check_numbers(SCALED, answer)


def check_multiplicative(answer: Any) -> None:
    """Check the multiplicative scores that were worked out by hand.

    >>> check_multiplicative((6, 8))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: multiplicative: The keys have changed places.
    """
    check_numbers(MULTIPLICATIVE_BY_HAND, answer)


# --- Scaled dot product ----------------------------------------------------------------------------------------------

AXES = (
    "Count axes from the end, -1 and -2: a batch axis in front then changes nothing. (`.T` turns all of them around.)"
)


def _dot_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, b, c = draw.sizes(5, least=3)  # at 2, one mistake looks like another
    return [
        Case("", (draw.normal(n_q, d), draw.normal(n_k, d))),
        Case("on other sizes", (draw.normal(n_k, c), draw.normal(n_q, c)), "Is the width taken from the input?"),
        Case("with two batch axes", (draw.normal(c, b, n_q, d), draw.normal(c, b, n_k, d)), AXES),
    ]


def _no_scale(q: Tensor, k: Tensor) -> str:
    d = q.shape[-1]
    return f"It looks as if √d were missing: your scores are {math.sqrt(d):.2f} times ours at d = {d}."


SCALED_DOT_SCORE = Task(
    "scaled_dot_score",
    scaled_dot,
    _dot_cases,
    (
        Mistake(_no_scale, dot),
        Mistake("Divided by d, where the square root of d is meant: the scores come out too small, and more so the "
                "wider the vectors.", lambda q, k: dot(q, k) / q.shape[-1]),
        Mistake("Multiplied by √d, where it divides.", lambda q, k: dot(q, k) * math.sqrt(q.shape[-1])),
        Mistake("Divided by the square root of the number of keys. It is the width of a key that counts.",
                lambda q, k: dot(q, k) / math.sqrt(k.shape[-2])),
        Mistake("Divided by the square root of the number of queries. It is the width of a query that counts.",
                lambda q, k: dot(q, k) / math.sqrt(q.shape[-2])),
        Mistake("Divided by the square root of the number of queries. It is the width that counts. (With a batch "
                "axis, axis 0 is yet another one.)", lambda q, k: dot(q, k) / math.sqrt(q.shape[0])),
        Mistake("Divided by √d twice, so by d in all.", lambda q, k: scaled_dot(q, k) / math.sqrt(q.shape[-1])),
        Mistake("These are weights already: each row sums to 1. The task asks for scores.",
                lambda q, k: scaled_dot(q, k).softmax(dim=-1)),
        Mistake("Rows and columns have changed places: a row belongs to a query, a column to a key.",
                lambda q, k: scaled_dot(k, q)),
        Mistake("These are cosines: the lengths of query and key were divided out.",
                lambda q, k: dot(q / q.norm(dim=-1, keepdim=True), k / k.norm(dim=-1, keepdim=True))),
    ),
    returns=("scores",),
)  # fmt: skip


def check_scaled_dot_score(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a scaled dot product: scaled_dot_score(q, k), scores (..., n_q, n_k) of (..., n_q, d) and (..., n_k, d).

    >>> check_scaled_dot_score(lambda q, k: q @ k.mT)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: scaled_dot_score: It looks as if √d were missing: your scores are 1.73 times ...
    """
    SCALED_DOT_SCORE.check(answer, seed)


# --- Multiplicative --------------------------------------------------------------------------------------------------


def _multiplicative(q: Tensor, k: Tensor, W: Tensor) -> Tensor:  # noqa: N803 (as in the formula)
    return q @ W @ k.mT


def _multiplicative_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, wide, b = draw.sizes(5)
    return [
        Case("with queries and keys of one width",
             (draw.normal(n_q, d), draw.normal(n_k, d), draw.normal(d, d))),
        Case("with queries and keys of two widths",
             (draw.normal(n_q, d), draw.normal(n_k, wide), draw.normal(d, wide)),
             "W has shape (d_q, d_k): its rows go with the query, its columns with the key."),
        Case("on a batch", (draw.normal(b, n_q, d), draw.normal(b, n_k, wide), draw.normal(d, wide)), AXES),
    ]  # fmt: skip


def _turned(q: Tensor, k: Tensor, w: Tensor) -> Tensor:
    return _multiplicative(q, k, w.mT)


MULTIPLICATIVE_SCORE = Task(
    "multiplicative_score",
    _multiplicative,
    _multiplicative_cases,
    (
        Mistake("The matrix is turned around: this is kᵀ W q. It gives the same only where W is symmetric, and it "
                "runs only where the widths agree.", _turned),
        Mistake("The matrix is turned around, and so are rows and columns of the scores.",
                lambda q, k, w: _turned(q, k, w).mT),
        Mistake("W changes nothing: these are plain dot products.", lambda q, k, w: dot(q, k)),
        Mistake("There is a scale here that the multiplicative score does not have.",
                lambda q, k, w: _multiplicative(q, k, w) / math.sqrt(q.shape[-1])),
        Mistake("There is a scale here that the multiplicative score does not have.",
                lambda q, k, w: _multiplicative(q, k, w) / math.sqrt(k.shape[-1])),
        Mistake("Rows and columns have changed places: a row belongs to a query, a column to a key.",
                lambda q, k, w: _multiplicative(q, k, w).mT),
        Mistake("W came in twice, on the query and on the key.",
                lambda q, k, w: (q @ w) @ (k @ w.mT).mT),
        Mistake("These are weights already: each row sums to 1. The task asks for scores.",
                lambda q, k, w: _multiplicative(q, k, w).softmax(dim=-1)),
    ),
    returns=("scores",),
)  # fmt: skip


def check_multiplicative_score(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a multiplicative score: multiplicative_score(q, k, W), with W of shape (d_q, d_k).

    >>> check_multiplicative_score(lambda q, k, W: q @ W.T @ k.mT)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: multiplicative_score: The matrix is turned around: this is kᵀ W q. It gives ...
    """
    MULTIPLICATIVE_SCORE.check(answer, seed)
