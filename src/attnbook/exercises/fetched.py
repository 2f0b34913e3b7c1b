"""How long what is fetched is: the weight, the value, and the sum over heads before its length is taken."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.attribution import weighted_norms
from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

FETCHED = by_hand(
    "fetched",
    (0.12, 0.3, 0.5),
    ("These are the weights alone. How long are the values?", (0.6, 0.3, 0.1)),
    ("These are the lengths of the values alone. What are their weights?", (0.2, 1.0, 5.0)),
    ("The length of a vector is the root of the sum of squares, and not the sum of its numbers.", (0.12, 0.42, 0.7)),
    ("The root is missing: these are weights times *squared* lengths.", (0.024, 0.3, 2.5)),
    ("The weights are squared here.", (0.072, 0.09, 0.05)),
    ("These are shares that sum to 1; the lengths themselves are asked for.", (0.12 / 0.92, 0.3 / 0.92, 0.5 / 0.92)),
    ("Each weight belongs to the value of the same key. Here they are in opposite orders.", (0.02, 0.3, 3.0)),
    ("This is the length of their sum. The length of each by itself is asked for.",
     ((0.12 + 0.18 + 0.3) ** 2 + (0.24 + 0.4) ** 2) ** 0.5),
)  # fmt: skip


def check_fetched(answer: Any) -> None:
    """Check the lengths of what a query fetches from three keys.

    >>> check_fetched((0.2, 1, 5))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: fetched: These are the lengths of the values alone. What are their weights?
    """
    check_numbers(FETCHED, answer)


def _fetched_lengths(weights: Tensor, values: Tensor, W_o: Tensor) -> Tensor:  # noqa: N803 (as in the formula)
    return weighted_norms(weights, values, W_o.mT)


def _vectors(weights: Tensor, values: Tensor, W_o: Tensor) -> Tensor:  # noqa: N803
    """What each head fetches for each pair, as the output sees it: (..., h, n_q, n_k, d_model)."""
    bands = W_o.unflatten(0, (values.shape[-3], -1))  # (h, d_head, d_model)
    return weights.unsqueeze(-1) * (values @ bands).unsqueeze(-3)


def _without_output(weights: Tensor, values: Tensor, W_o: Tensor) -> Tensor:  # noqa: N803
    return (weights.unsqueeze(-1) * values.unsqueeze(-3)).movedim(-4, -2).flatten(-2).norm(dim=-1)


def _of(total: Callable[[Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda weights, values, W_o: total(_vectors(weights, values, W_o))  # noqa: N803


def _fetched_cases(draw: Draw) -> list[Case]:
    h, n_q, n_k, d_head, d = draw.sizes(5)

    def inputs(*batch: int, heads: int = h) -> tuple[Tensor, ...]:
        return (
            draw.normal(*batch, heads, n_q, n_k).softmax(dim=-1),
            draw.normal(*batch, heads, n_k, d_head),
            draw.normal(heads * d_head, d),
        )

    return [
        Case("", inputs()),
        Case("with one head", inputs(heads=1), "There may be one head."),
        Case("on a batch", inputs(2), "Any number of axes may come first: count axes from the end."),
    ]


FETCHED_LENGTHS = Task(
    "fetched_lengths",
    _fetched_lengths,
    _fetched_cases,
    (
        Mistake("Each head's length was taken before the heads were added up. Vectors that point in opposite "
                "directions cancel; their lengths do not.", _of(lambda x: x.norm(dim=-1).sum(dim=-3))),
        Mistake("Each head's length was taken, and then their mean. The vectors are to be added up first.",
                _of(lambda x: x.norm(dim=-1).mean(dim=-3))),
        Mistake("The mean over the heads was taken. The layer adds them up.",
                _of(lambda x: x.mean(dim=-4).norm(dim=-1))),
        Mistake("W_o is missing: these are the lengths of the values side by side.", _without_output),
        Mistake("The root of the sum of squared lengths: right only where the heads' vectors stand at right angles.",
                _of(lambda x: x.square().sum(dim=(-4, -1)).sqrt())),
        Mistake("The length is the root of the sum of squares; here absolute values were added up.",
                _of(lambda x: x.sum(dim=-4).abs().sum(dim=-1))),
        Mistake("The root is missing: these are squared lengths.",
                _of(lambda x: x.sum(dim=-4).square().sum(dim=-1))),
        Mistake("The heads are still apart: they are to be added up.", _of(lambda x: x.norm(dim=-1))),
        Mistake("The mean of the heads' weights was taken first. Each head's weight belongs to its own value.",
                lambda w, v, o: _vectors(w.mean(dim=-3, keepdim=True).expand_as(w), v, o).sum(dim=-4).norm(dim=-1)),
        Mistake("The heads' weights were added up, and their values, and then the two met. Each head's weight "
                "belongs to its own value.",
                lambda w, v, o: w.sum(dim=-3) * _vectors(torch.ones_like(w), v, o).sum(dim=-4).norm(dim=-1)),
        Mistake("The rows of W_o were dealt out to the heads in turn. Its first d_head rows all belong to head 1.",
                lambda w, v, o: _fetched_lengths(
                    w, v, o.unflatten(0, (v.shape[-1], v.shape[-3])).transpose(0, 1).flatten(0, 1))),
        Mistake("These are lengths of the values, without the weights.",
                lambda w, v, o: _vectors(torch.ones_like(w), v, o).sum(dim=-4).norm(dim=-1)),
        Mistake("The vectors were added up over the keys, too. Each pair has a length of its own.",
                _of(lambda x: x.sum(dim=(-4, -2)).norm(dim=-1))),
        Mistake("Each row was divided by its sum. The lengths themselves are asked for.",
                _of(lambda x: (y := x.sum(dim=-4).norm(dim=-1)) / y.sum(dim=-1, keepdim=True))),
        Mistake("Queries and keys have changed places in the result.",
                lambda w, v, o: _fetched_lengths(w, v, o).mT),
    ),
    returns=("the matrix of lengths",),
)  # fmt: skip


def check_fetched_lengths(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the lengths of what is fetched: fetched_lengths(weights, values, W_o), (..., n_q, n_k).

    >>> check_fetched_lengths(_without_output)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: fetched_lengths: W_o is missing: these are the lengths of the values side by ...
    """
    FETCHED_LENGTHS.check(answer, seed)
