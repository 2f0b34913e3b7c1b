"""A look-up among the best keys alone."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.scores import dot, scaled_dot


def _top(q: Tensor, k: Tensor, v: Tensor, m: int) -> Tensor:
    return _top_of(scaled_dot(q, k), v, m)


def _top_of(scores: Tensor, v: Tensor, m: int) -> Tensor:
    best, where = scores.topk(m, dim=-1)
    return (best.softmax(dim=-1).unsqueeze(-1) * v[where]).sum(dim=-2)


def _bottom(scores: Tensor, v: Tensor, m: int) -> Tensor:
    where = (-scores).topk(m, dim=-1).indices
    return (scores.gather(-1, where).softmax(dim=-1).unsqueeze(-1) * v[where]).sum(dim=-2)


def _top_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, d_v = draw.sizes(4, least=5)
    inputs = draw.normal(n_q, d), draw.normal(n_k, d), draw.normal(n_k, d_v)
    return [
        Case("with the best 3", (*inputs, 3)),
        Case("with the best one alone", (*inputs, 1), "Is `m` used throughout?"),
        Case("with all books", (*inputs, n_k), "With m = n_k it is plain attention."),
        Case("with a single query", (inputs[0][:1], *inputs[1:], 4), "There may be a single query."),
    ]


def _kept(scores: Tensor, m: int, fill: float) -> Tensor:
    best, where = scores.topk(m, dim=-1)
    return torch.full_like(scores, fill).scatter(-1, where, best)


def _fewer(q: Tensor, k: Tensor, v: Tensor, m: int) -> Tensor:
    scores = scaled_dot(q, k)
    least = scores.topk(m, dim=-1).values[:, -1:]
    return scores.masked_fill(scores <= least, -math.inf).softmax(dim=-1) @ v


def _common(q: Tensor, k: Tensor, v: Tensor, m: int) -> Tensor:
    where = scaled_dot(q, k).mean(dim=0).topk(m).indices
    return scaled_dot(q, k[where]).softmax(dim=-1) @ v[where]


TOP_LOOK_UP = Task(
    "top_look_up",
    _top,
    _top_cases,
    (
        Mistake("The right books are chosen, and well weighted. But what comes back are the values of other books.",
                lambda q, k, v, m: scaled_dot(q, k).topk(m, dim=-1).values.softmax(dim=-1) @ v[:m]),
        Mistake("Every query gets the first query's books: each chooses for itself.",
                lambda q, k, v, m: scaled_dot(q, k).topk(m).values.softmax(-1) @ v[scaled_dot(q, k)[0].topk(m)[1]]),
        Mistake("The softmax came before the choice, and the share of the others is lost: weights should sum to 1 "
                "over the books that were chosen.",
                lambda q, k, v, m: _kept(scaled_dot(q, k).softmax(dim=-1), m, 0.0) @ v),
        Mistake("All books have a part in it: `m` changes nothing.",
                lambda q, k, v, m: scaled_dot(q, k).softmax(dim=-1) @ v),
        Mistake("These are the worst books, with the lowest scores.",
                lambda q, k, v, m: _bottom(scaled_dot(q, k), v, m)),
        Mistake("√d is missing: the scores are too large, and the best book gets too much.",
                lambda q, k, v, m: _top_of(dot(q, k), v, m)),
        Mistake("Divided by d, where its square root is meant.",
                lambda q, k, v, m: _top_of(dot(q, k) / q.shape[-1], v, m)),
        Mistake("This is the plain mean of the chosen books. Weight them by the softmax of their scores.",
                lambda q, k, v, m: v[scaled_dot(q, k).topk(m).indices].mean(dim=-2)),
        Mistake("The other books have a score of 0 here, and e to the power 0 is 1: they still get weight.",
                lambda q, k, v, m: _kept(scaled_dot(q, k), m, 0.0).softmax(dim=-1) @ v),
        Mistake("The chosen scores themselves were used as weights.",
                lambda q, k, v, m: _kept(scaled_dot(q, k), m, 0.0) @ v),
        Mistake("One book too few: the m-th best is left out.", _fewer),
        Mistake("One book too many.", lambda q, k, v, m: _top(q, k, v, min(m + 1, len(k)))),
        Mistake("All queries share the books that have the best scores on average: each chooses for itself.", _common),
        Mistake("The values of the chosen books were added up without weights.",
                lambda q, k, v, m: v[scaled_dot(q, k).topk(m).indices].sum(dim=-2)),
        *(Mistake(f"It always takes {fixed} books. Is `m` used throughout?",
                  lambda q, k, v, m, fixed=fixed: _top(q, k, v, fixed)) for fixed in (1, 2, 3, 4)),
    ),
    returns=("the output",),
)  # fmt: skip


def check_top_look_up(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a look-up among the best m keys: top_look_up(q, k, v, m), output (n_q, d_v).

    >>> check_top_look_up(lambda q, k, v, m: (q @ k.T / q.shape[-1] ** 0.5).softmax(dim=-1) @ v)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: top_look_up: All books have a part in it: `m` changes nothing...
    """
    TOP_LOOK_UP.check(answer, seed)
