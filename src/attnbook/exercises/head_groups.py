"""Heads in groups, which share keys and values."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises.heads import AXES, attend
from attnbook.measuring import peak_bytes


def _near(q: Tensor, k: Tensor) -> Tensor:
    """Keys or values for each head of the queries, neighbours sharing them."""
    return k.repeat_interleave(q.shape[-3] // k.shape[-3], dim=-3)


def _in_turn(q: Tensor, k: Tensor) -> Tensor:
    return torch.cat([k] * (q.shape[-3] // k.shape[-3]), dim=-3)


def _grouped(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return attend(q, _near(q, k), _near(q, v))


def _shared(divisor: Callable[[Tensor], float], dim: int = -1) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda q, k, v: attend(q, _near(q, k), _near(q, v), divisor(q), dim)


def _grouped_cases(draw: Draw) -> list[Case]:
    g, r, n_q, n_k, d, b = draw.sizes(6)

    def inputs(g: int, r: int, *leading: int) -> tuple[Tensor, ...]:
        k, v = (draw.normal(*leading, g, n_k, d) for _ in range(2))
        return draw.normal(*leading, g * r, n_q, d), k, v

    return [
        Case("", inputs(g, r)),
        Case("with one head of keys for all", inputs(1, r), "There may be one head of keys and values."),
        Case("with as many heads of keys as of queries", inputs(g, 1), "Then nothing is shared."),
        Case("on a batch", inputs(g, r, b), AXES),
    ]


def _copies(answer: Function) -> str:
    q, k, v = torch.ones(8, 1, 32), torch.ones(2, 256, 32), torch.ones(2, 256, 32)
    with torch.no_grad():
        peak = peak_bytes(lambda: answer(q, k, v))
    if peak < k.nbytes:
        return ""
    return (
        f"grouped_attention: The numbers are right, but keys or values are copied for each head: {peak:,} bytes at the "
        f"worst moment for queries (8, 1, 32) and keys (2, 256, 32), which take {k.nbytes:,} themselves. (A product "
        "that broadcasts makes copies too.) Several queries may ask the same keys without a copy. Are heads of a group "
        "anything else?"
    )


def _mixed(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    asked = q.transpose(-3, -2).reshape(*k.shape[:-2], -1, q.shape[-1])
    return attend(asked, k, v).reshape(q.shape)


def _parted(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    h, n_q, d = q.shape[-3:]
    output = _grouped(q, k, v).unflatten(-3, (k.shape[-3], -1))
    return output.flatten(-3, -2).unflatten(-2, (n_q, -1)).transpose(-3, -2).reshape(*q.shape[:-3], h, n_q, d)


IN_TURN = "The heads of keys serve the heads of queries in turn: neighbouring heads of queries should share one."

GROUPED_ATTENTION = Task(
    "grouped_attention",
    _grouped,
    _grouped_cases,
    (
        Mistake(IN_TURN, lambda q, k, v: attend(q, _in_turn(q, k), _in_turn(q, v))),
        Mistake("Keys and values are shared in different ways: the values of a head belong to other keys.",
                lambda q, k, v: attend(q, _in_turn(q, k), _near(q, v))),
        Mistake("Keys and values are shared in different ways: the values of a head belong to other keys.",
                lambda q, k, v: attend(q, _near(q, k), _in_turn(q, v))),
        Mistake("The first head of keys and values serves all: each group should have its own.",
                lambda q, k, v: attend(q, k[..., :1, :, :], v[..., :1, :, :])),
        Mistake("The mean of all heads of keys and values serves all: each group should have its own.",
                lambda q, k, v: attend(q, k.mean(dim=-3, keepdim=True), v.mean(dim=-3, keepdim=True))),
        Mistake("The queries of a group were averaged. Each head still asks for itself.",
                lambda q, k, v: attend(q.unflatten(-3, (k.shape[-3], -1)).mean(dim=-3), k, v)),
        Mistake("√d is missing: the weights are those of plain dot products.", _shared(lambda q: 1)),
        Mistake("Divided by d, where its square root is meant.", _shared(lambda q: q.shape[-1])),
        Mistake("The softmax runs over the queries; it should run over the keys, dim=-1.",
                _shared(lambda q: math.sqrt(q.shape[-1]), -2)),
        Mistake("The keys and values have changed places.", lambda q, k, v: _grouped(q, v, k)),
        Mistake("Heads and tokens of the queries were mixed: their axes were made one in the wrong order.", _mixed),
        Mistake("The right outputs stand in the wrong places: heads of a group and tokens were taken for each other "
                "when the axes were parted again.", _parted),
        Mistake("There is an axis of groups left in the result: the heads are to be one axis again.",
                lambda q, k, v: _grouped(q, k, v).unflatten(-3, (k.shape[-3], -1))),
    ),
    returns=("the output",),
    beyond=_copies,
)  # fmt: skip


def check_grouped_attention(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check heads that share keys and values: grouped_attention(q, k, v), without copies of the keys.

    >>> check_grouped_attention(lambda q, k, v: q)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: grouped_attention: The output differs most at ...
    """
    GROUPED_ATTENTION.check(answer, seed)
