"""Scores: the four usual ones, by hand and in code, and the additive one in little memory."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises._varied import Sheet, Varied
from attnbook.scores import dot, scaled_dot

# ruff: noqa: N803 (the argument W is named as in the formula)

# --- By hand ---------------------------------------------------------------------------------------------------------

Vector = tuple[int, ...]
Matrix = tuple[Vector, Vector]


def _times(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _two_vectors(draw: random.Random) -> tuple[Vector, Vector, Vector]:
    """A query and two keys of width 4, whose dot products are even, so that √4 divides them."""
    while True:
        q, k_1, k_2 = (tuple(draw.choices(range(-2, 5), k=4)) for _ in range(3))
        if _times(q, k_1) % 2 == _times(q, k_2) % 2 == 0 and any(x < 0 for x in q + k_1 + k_2):
            return q, k_1, k_2


SCALED = Varied(
    "scaled",
    Sheet(
        ((1, 2, 0, -1), (2, 1, 3, 0), (4, 0, 0, -2)),
        _two_vectors,
        lambda q, k_1, k_2: [f"The query is ${q}$, the keys are $k_1 = {k_1}$ and $k_2 = {k_2}$."],
    ),
    lambda q, k_1, k_2: (_times(q, k_1) / 2, _times(q, k_2) / 2),
    ("The scale is missing: these are the plain dot products.", lambda q, *keys: [_times(q, k) for k in keys]),
    ("Divided by the width d itself. The scale is its square root.", lambda q, *keys: [_times(q, k) / 4 for k in keys]),
    ("Multiplied by the square root of the width; it divides.", lambda q, *keys: [_times(q, k) * 2 for k in keys]),
    ("Divided by the square root of the number of keys. It is the width that counts.",
     lambda q, *keys: [_times(q, k) / math.sqrt(2) for k in keys]),
    ("The keys have changed places.", lambda q, *keys: [_times(q, k) / 2 for k in keys[::-1]]),
)  # fmt: skip


def _mapped(W: Matrix, k: Vector) -> Vector:
    return tuple(int(_times(row, k)) for row in W)


def _two_widths(draw: random.Random) -> tuple[Vector, Vector, Vector, Matrix]:
    """A query of width 2, two keys of width 3, and a matrix between them with one negative number."""
    q = tuple(draw.sample(range(1, 5), 2))
    k_1, k_2 = (tuple(draw.choices(range(4), k=3)) for _ in range(2))
    entries = [*draw.choices(range(3), k=5), -draw.randint(1, 2)]
    draw.shuffle(entries)
    return q, k_1, k_2, (tuple(entries[:3]), tuple(entries[3:]))


def _sizes(row: Vector) -> Vector:
    return tuple(map(abs, row))


def _matrix(W: Matrix) -> str:
    return r"\begin{pmatrix} " + r" \\ ".join(" & ".join(map(str, row)) for row in W) + r" \end{pmatrix}"


def _asked(q: Vector, k_1: Vector, k_2: Vector, W: Matrix) -> tuple[float, float]:
    return _times(q, _mapped(W, k_1)), _times(q, _mapped(W, k_2))


MULTIPLICATIVE_BY_HAND = Varied(
    "multiplicative",
    Sheet(
        ((1, 2), (3, 1, 1), (0, 1, 2), ((1, 0, -1), (0, 2, 1))),
        _two_widths,
        lambda q, k_1, k_2, W: [f"$$q = {q} \\qquad k_1 = {k_1} \\qquad k_2 = {k_2} \\qquad W = {_matrix(W)}$$"],
    ),
    _asked,
    ("The keys have changed places.", lambda q, k_1, k_2, W: _asked(q, k_2, k_1, W)),
    ("The query is missing: these are sums over the mapped keys.", lambda q, *others: _asked((1, 1), *others)),
    ("These are dot products with another mapped key: mind the signs in W.",
     lambda q, k_1, k_2, W: _asked(q, k_1, k_2, (_sizes(W[0]), _sizes(W[1])))),
    ("Divided by the square root of the query's width. The multiplicative score has no scale.",
     lambda *numbers: [x / math.sqrt(2) for x in _asked(*numbers)]),
)  # fmt: skip


def check_scaled(answer: Any, variant: int = 0) -> None:
    """Check the scaled dot products that were worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_scaled((4, 6))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: scaled: The scale is missing: these are the plain dot products.
    """
    SCALED.check(answer, variant)


def check_multiplicative(answer: Any, variant: int = 0) -> None:
    """Check the multiplicative scores that were worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_multiplicative((6, 8))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: multiplicative: The keys have changed places.
    """
    MULTIPLICATIVE_BY_HAND.check(answer, variant)


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


def _multiplicative(q: Tensor, k: Tensor, W: Tensor) -> Tensor:
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
