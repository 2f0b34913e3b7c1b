"""Spearman's rank correlation, with ties that share their rank."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _below(x: Tensor) -> Tensor:
    """How many numbers are smaller: the least rank among equals."""
    return (x.unsqueeze(-2) < x.unsqueeze(-1)).sum(dim=-1).double()


def _ranks(x: Tensor) -> Tensor:
    same = (x.unsqueeze(-2) == x.unsqueeze(-1)).sum(dim=-1)
    return _below(x) + (same - 1) / 2


def _by_place(x: Tensor) -> Tensor:
    return x.argsort(dim=-1, stable=True).argsort(dim=-1).double()


def _dense(x: Tensor) -> Tensor:
    """Ranks without gaps: equal numbers count once."""
    rows = [row.unique(return_inverse=True)[1] for row in x.reshape(-1, x.shape[-1])]
    return torch.stack(rows).reshape(x.shape).double()


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = (x - x.mean(dim=-1, keepdim=True) for x in (a, b))
    return (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1))


def _of(ranks: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda a, b: _correlation(ranks(a), ranks(b)).to(a.dtype)


def _short_cut(ranks: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    def answer(a: Tensor, b: Tensor) -> Tensor:
        n = a.shape[-1]
        return (1 - 6 * (ranks(a) - ranks(b)).square().sum(dim=-1) / (n * (n * n - 1))).to(a.dtype)

    return answer


def _kendall(a: Tensor, b: Tensor) -> Tensor:
    one, other = ((x.unsqueeze(-1) - x.unsqueeze(-2)).sign() for x in (a, b))
    return (one * other).sum(dim=(-2, -1)) / (one.abs().sum(dim=(-2, -1)) * other.abs().sum(dim=(-2, -1))).sqrt()


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    a, b = _ranks(a) + 1, _ranks(b) + 1
    return (a * b).sum(dim=-1) / (a.norm(dim=-1) * b.norm(dim=-1))


def _spearman_cases(draw: Draw) -> list[Case]:
    b, n = draw.sizes(2, least=5)
    n += 4
    plain = draw.normal(2, b, n)
    tied = draw.normal(2, b, n).mul(1.2).round()
    tied[:, :, :4] = torch.tensor([[0.0, 0, 3, 1], [2, 0, 0, 0]], dtype=torch.float64).unsqueeze(1)
    return [
        Case("without ties", (plain[0].exp(), plain[1] + plain[0])),
        Case("with ties", (tied[0], tied[1]), "Equal numbers share a rank: the mean of the places that they take."),
        Case("on one pair of rows", (tied[0, 0], tied[1, 1]), "There may be no axis in front: count axes from the "
             "end."),
    ]  # fmt: skip


SPEARMAN = Task(
    "spearman",
    _of(_ranks),
    _spearman_cases,
    (
        Mistake("Ties are ranked by where they stand. Equal numbers should share one rank, the mean of their places.",
                _of(_by_place)),
        Mistake("Ties all get the lowest of their places. They should get the mean.", _of(_below)),
        Mistake("Ties all get the highest of their places. They should get the mean.",
                _of(lambda x: 2 * _ranks(x) - _below(x))),
        Mistake("Equal numbers were counted as one, so the ranks behind them are too low.", _of(_dense)),
        Mistake("The short cut 1 − 6 Σ d² / (n (n² − 1)) holds without ties only. Correlate the ranks.",
                _short_cut(_ranks)),
        Mistake("Ties are ranked by where they stand, and the short cut with Σ d² holds without ties only.",
                _short_cut(_by_place)),
        Mistake("The numbers were correlated, and not their ranks.", _of(lambda x: x)),
        Mistake("One argsort gives *which* number comes next, and not the rank of each: it takes another step.",
                _of(lambda x: x.argsort(dim=-1, stable=True).double())),
        Mistake("The mean was not taken off the ranks: this is a cosine.", _cosine),
        Mistake("This is Kendall's τ, which counts pairs. Correlate the ranks.", _kendall),
        Mistake("The sign is turned around: one of the two was ranked from the top.",
                lambda a, b: -_of(_ranks)(a, b)),
        Mistake("This is the covariance of the ranks. It is still to be divided by both spreads.",
                lambda a, b: ((_ranks(a) - _ranks(a).mean(-1, keepdim=True)) * (
                    _ranks(b) - _ranks(b).mean(-1, keepdim=True))).mean(dim=-1).to(a.dtype)),
        Mistake("One number came out for all rows. Each pair of rows has its own.",
                lambda a, b: _of(_ranks)(a, b).mean()),
    ),
    returns=("the agreement",),
)  # fmt: skip


def check_spearman(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check Spearman's rank correlation: spearman(a, b), (..., n) and (..., n) -> (...).

    >>> check_spearman(_of(_by_place))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: spearman: Ties are ranked by where they stand....
    """
    SPEARMAN.check(answer, seed)
