"""Rankings: whether two queries agree on which of two keys scores higher."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _orders(scores: Tensor) -> Tensor:
    """Of each query, and each pair of different keys once, whether the second scores higher: (n_q, pairs)."""
    first, second = torch.triu_indices(scores.shape[1], scores.shape[1], 1, device=scores.device)
    return scores[:, second] > scores[:, first]


def _agreement(scores: Tensor) -> float:
    orders = _orders(scores)
    same = (orders[:, None] == orders[None]).double().mean(dim=-1)  # (n_q, n_q)
    first, second = torch.triu_indices(len(scores), len(scores), 1, device=scores.device)
    return same[first, second].mean().item()


def _with_itself(scores: Tensor) -> float:
    orders = _orders(scores)
    return (orders[:, None] == orders[None]).double().mean().item()


def _with_equal_keys(scores: Tensor) -> float:
    """Pairs of a key and itself counted too: on them all queries agree."""
    n_k = scores.shape[1]
    return (_agreement(scores) * (n_k - 1) + 1) / n_k


def _both(scores: Tensor) -> float:
    n_q, n_k = scores.shape
    orders = scores[:, :, None] > scores[:, None]
    return (orders[:, None] == orders[None]).double().mean().item() if n_q * n_k else 0.0


def _neighbours(scores: Tensor) -> float:
    orders = _orders(scores)
    return (orders[1:] == orders[:-1]).double().mean().item()


def _with_first(scores: Tensor) -> float:
    orders = _orders(scores)
    return (orders[1:] == orders[:1]).double().mean().item()


def _next_keys(scores: Tensor) -> float:
    orders = scores.diff(dim=-1) > 0
    same = (orders[:, None] == orders[None]).double().mean(dim=-1)
    first, second = torch.triu_indices(len(scores), len(scores), 1)
    return same[first, second].mean().item()


def _all_agree(scores: Tensor) -> float:
    orders = _orders(scores)
    return (orders == orders[:1]).all(dim=0).double().mean().item()


def _favourites(scores: Tensor) -> float:
    best = scores.argmax(dim=-1)
    first, second = torch.triu_indices(len(best), len(best), 1)
    return (best[first] == best[second]).double().mean().item()


def _places(scores: Tensor) -> float:
    """Whether keys stand at the same place of the order, in place of pairs."""
    ranks = scores.argsort(dim=-1).argsort(dim=-1)
    same = (ranks[:, None] == ranks[None]).double().mean(dim=-1)
    first, second = torch.triu_indices(len(scores), len(scores), 1)
    return same[first, second].mean().item()


def _sorted_places(scores: Tensor) -> float:
    order = scores.argsort(dim=-1)
    same = (order[:, None] == order[None]).double().mean(dim=-1)
    first, second = torch.triu_indices(len(scores), len(scores), 1)
    return same[first, second].mean().item()


def _cases(draw: Draw) -> list[Case]:
    n_q, n_k = draw.sizes(2, least=5)
    leaning = draw.normal(n_k)  # so that queries agree more often than not
    static = draw.normal(n_k).exp() * draw.normal(n_q).exp()[:, None]
    two = torch.stack([leaning, -leaning])
    return [
        Case("", (draw.normal(n_q, n_k) + leaning,)),
        Case("with one ranking for all", (static,), "Then the agreement is 1."),
        Case("with two queries that want the opposite", (two,), "Then the agreement is 0."),
        Case("with two keys", (draw.normal(n_q, 2),), "There may be two keys."),
    ]


AGREEMENT = Task(
    "agreement",
    _agreement,
    _cases,
    (
        Mistake("A query is compared with itself too, and of course agrees. Compare different queries alone.",
                _with_itself),
        Mistake("A key is compared with itself too, and there all agree. Compare different keys alone.",
                _with_equal_keys),
        Mistake("Queries are compared with themselves, and keys as well, and there all agree. Compare different ones "
                "alone.", _both),
        Mistake("Rows and columns have changed places: keys are asked whether they agree on the queries.",
                lambda scores: _agreement(scores.mT)),
        Mistake("Each query is compared with the next one alone. Take all pairs of queries.", _neighbours),
        Mistake("Each query is compared with the first alone. Take all pairs of queries.", _with_first),
        Mistake("Only keys side by side are compared. Take all pairs of keys.", _next_keys),
        Mistake("This is how often *all* queries agree on two keys. Two queries at a time are asked for.", _all_agree),
        Mistake("This is how often two queries have the same favourite. The order of any two keys is asked for.",
                _favourites),
        Mistake("This is how often a key has the same place in both orders. Whether of two keys the same one is higher "
                "is asked for.", _places),
        Mistake("This compares the sorted orders place by place. Whether of two keys the same one is higher is asked "
                "for.", _sorted_places),
        Mistake("This is the share of disagreement.", lambda scores: 1 - _agreement(scores)),
        Mistake("This is a correlation, from −1 to 1. The share of agreement is asked for, from 0 to 1.",
                lambda scores: 2 * _agreement(scores) - 1),
    ),
    returns=("the share",),
    one_device=False,  # pairs are listed on the CPU
)  # fmt: skip


def check_agreement(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check how often two queries agree on two keys: agreement(scores), one number from 0 to 1.

    >>> check_agreement(_favourites)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: agreement: This is how often two queries have the same favourite. ...
    """
    AGREEMENT.check(answer, seed)
