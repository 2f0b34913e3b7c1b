"""Tokens that ask each other: how much of their scores is direction, and what one gets that may not look at itself."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# ruff: noqa: N803 (the arguments W_q and W_k are named as in the formula)


def _size(x: Tensor) -> float:
    return x.square().sum().item()


def _share(s: Tensor, part: Callable[[Tensor], Tensor]) -> float:
    return _size(part(s)) / _size(s)


def _directed(s: Tensor) -> Tensor:
    return (s - s.mT) / 2


def _scores(x: Tensor, W_q: Tensor, W_k: Tensor) -> Tensor:
    return (x @ W_q) @ (x @ W_k).mT


def _direction(x: Tensor, W_q: Tensor, W_k: Tensor) -> float:
    return _share(_scores(x, W_q, W_k), _directed)


def _direction_cases(draw: Draw) -> list[Case]:
    cases = []
    for about in ("", "on other sizes"):
        n, d, d_k = draw.sizes(3, least=3)
        cases.append(Case(about, (draw.normal(n, d), draw.normal(d, d_k), draw.normal(d, d_k))))
    x, first, _ = cases[0].inputs
    return [*cases, Case("with one matrix for both", (x, first, first), "With W_q = W_k the scores are symmetric.")]


DIRECTION = Task(
    "direction",
    _direction,
    _direction_cases,
    (
        Mistake("This is the symmetric part's share. The task asks for the other one.",
                lambda x, a, c: _share(_scores(x, a, c), lambda s: (s + s.mT) / 2)),
        Mistake("This is the ratio of two lengths. Shares that sum to 1 are made of their squares.",
                lambda x, a, c: math.sqrt(_direction(x, a, c))),
        Mistake("A half is missing: the two parts must add up to the scores.",
                lambda x, a, c: 4 * _direction(x, a, c)),
        Mistake("A half is missing in the square: (1/2)² is 1/4.", lambda x, a, c: 2 * _direction(x, a, c)),
        Mistake("Divided by the symmetric part. The task asks for the share of the whole.",
                lambda x, a, c: _direction(x, a, c) / (1 - _direction(x, a, c))),
        Mistake("This is always 0: the queries' matrix made the keys too. Where does W_k come in? Or did "
                "entries cancel that were added up before they were squared?", lambda x, a, c: _direction(x, a, a)),
        Mistake("These are shares of weights: a softmax has come in. The task asks for scores.",
                lambda x, a, c: _share((_scores(x, a, c) / a.shape[-1] ** 0.5).softmax(dim=-1), _directed)),
        Mistake("These are shares of weights: a softmax has come in. The task asks for scores.",
                lambda x, a, c: _share(_scores(x, a, c).softmax(dim=-1), _directed)),
        Mistake("The tokens are missing: this looks at the matrices alone, and scores are made of tokens.",
                lambda x, a, c: _share(a @ c.mT, _directed)),
        Mistake("The entries' absolute values were added up. Shares that sum to 1 are made of squares.",
                lambda x, a, c: (_directed(_scores(x, a, c)).abs().sum() / _scores(x, a, c).abs().sum()).item()),
        Mistake("This is the share of one triangle. B is what changes its sign when i and j change places.",
                lambda x, a, c: _share(_scores(x, a, c), lambda s: s.tril(-1))),
        Mistake("This is the share of one triangle. B is what changes its sign when i and j change places.",
                lambda x, a, c: _share(_scores(x, a, c), lambda s: s.triu(1))),
        Mistake("This is a percentage, 100 times what is asked for: a share lies between 0 and 1.",
                lambda x, a, c: 100 * _direction(x, a, c)),
    ),
    returns=("the share",),
)  # fmt: skip


def check_direction(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the share of the scores that has a direction: direction(x, W_q, W_k), from 0 to 1.

    >>> check_direction(lambda x, W_q, W_k: 0.0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: direction: ...
    """
    DIRECTION.check(answer, seed)


# --- Without oneself -------------------------------------------------------------------------------------------------


def _own(weights: Tensor) -> Tensor:
    return weights.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)  # (..., n, 1)


def _left_out(weights: Tensor, values: Tensor) -> Tensor:
    return (weights @ values - _own(weights) * values) / (1 - _own(weights))


def _others(weights: Tensor) -> Tensor:
    return ~torch.eye(weights.shape[-1], dtype=torch.bool, device=weights.device)


def _left_out_cases(draw: Draw) -> list[Case]:
    n, d, b, c = draw.sizes(4, least=3)
    never = draw.normal(n, n).fill_diagonal_(-math.inf).softmax(dim=-1)
    large = (draw.normal(n, n) + 5 * torch.eye(n)).softmax(dim=-1)
    axes = "The diagonal of each matrix lies in the last two axes, however many come before."
    return [
        Case("", (draw.normal(n, n).softmax(dim=-1), draw.normal(n, d))),
        Case("where most look at themselves", (large, draw.normal(n, d))),
        Case("where nobody looks at itself", (never, draw.normal(n, d)), "Then nothing changes."),
        Case("with two batch axes", (draw.normal(c, b, n, n).softmax(dim=-1), draw.normal(c, b, n, d)), axes),
    ]


LEFT_OUT = Task(
    "left_out",
    _left_out,
    _left_out_cases,
    (
        Mistake("The own value is gone, and the weights that are left no longer sum to 1: who gets its share?",
                lambda w, v: w @ v - _own(w) * v),
        Mistake("The own value was taken off whole. It has come in with its weight.",
                lambda w, v: (w @ v - v) / (1 - _own(w))),
        Mistake("Divided by its own weight. What is left of a row when that is gone?",
                lambda w, v: (w @ v - _own(w) * v) / _own(w)),
        Mistake("Nothing has changed: each still looks at itself.", lambda w, v: w @ v),
        Mistake("Only the second term was divided: the whole of what is left has to grow.",
                lambda w, v: w @ v - _own(w) * v / (1 - _own(w))),
        Mistake("A softmax once more: these were weights already, and a softmax of weights makes them nearly equal.",
                lambda w, v: w.masked_fill(~_others(w), -math.inf).softmax(dim=-1) @ v),
        Mistake("A softmax once more: these were weights already, and a softmax of weights makes them nearly equal.",
                lambda w, v: (w * _others(w)).softmax(dim=-1) @ v),
        Mistake("The others got the same share of the weight that came free, and so came nearer to each other. In a "
                "softmax without the token, the ratios of the others stay as they are.",
                lambda w, v: ((w + _own(w) / (w.shape[-1] - 1)) * _others(w)) @ v),
        Mistake("Each column was made to sum to 1; a query's weights are a row.",
                lambda w, v: (w * _others(w)) / (w * _others(w)).sum(dim=-2, keepdim=True) @ v),
        Mistake("The whole row was multiplied up before the own value was taken off.",
                lambda w, v: w @ v / (1 - _own(w)) - _own(w) * v),
        Mistake("Divided by the number of the others. How much weight have they left, all together?",
                lambda w, v: (w @ v - _own(w) * v) / (w.shape[-1] - 1)),
        Mistake("It is divided by one plus the own weight: is more left of the row, or less?",
                lambda w, v: (w @ v - _own(w) * v) / (1 + _own(w))),
    ),
    returns=("the output",),
)  # fmt: skip


def check_left_out(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check what each token gets without itself: left_out(weights, values), (..., n, d) of (..., n, n) and (..., n, d).

    >>> check_left_out(lambda weights, values: weights @ values)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: left_out: Nothing has changed: each still looks at itself....
    """
    LEFT_OUT.check(answer, seed)
