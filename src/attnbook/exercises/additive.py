"""The additive score, all at once and in little memory."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises.score_functions import AXES
from attnbook.measuring import peak_bytes

# ruff: noqa: N803 (the arguments W_q and W_k are named as in the formula)


def _hidden(q: Tensor, k: Tensor, W_q: Tensor, W_k: Tensor) -> Tensor:
    # (..., n_q, 1, d_hidden) + (..., 1, n_k, d_hidden) -> (..., n_q, n_k, d_hidden)
    return (q @ W_q.mT).unsqueeze(-2) + (k @ W_k.mT).unsqueeze(-3)


def _additive(q: Tensor, k: Tensor, W_q: Tensor, W_k: Tensor, w: Tensor) -> Tensor:
    return _hidden(q, k, W_q, W_k).tanh() @ w


def _inputs(draw: Draw, *leading: int, one_width: bool = False) -> tuple[Tensor, ...]:
    n_q, n_k, d_q, d_k, d_hidden = draw.sizes(5)
    d_k, d_hidden = (d_q, d_q) if one_width else (d_k, d_hidden)
    q, k = draw.normal(*leading, n_q, d_q), draw.normal(*leading, n_k, d_k)
    # Halved, so that the tanh bends and is not saturated.
    return q, k, draw.normal(d_hidden, d_q) / 2, draw.normal(d_hidden, d_k) / 2, draw.normal(d_hidden)


def _additive_cases(draw: Draw) -> list[Case]:
    return [
        Case("with all widths equal", _inputs(draw, one_width=True)),
        Case("with three different widths", _inputs(draw),
             "W_q has shape (d_hidden, d_q): which of its axes goes with the query?"),
        Case("on a batch", _inputs(draw, 3), AXES),
        Case("with two batch axes", _inputs(draw, 3, 2), AXES),
    ]  # fmt: skip


ADDITIVE_SCORE = Task(
    "additive_score",
    _additive,
    _additive_cases,
    (
        Mistake("The tanh is missing. Without it every query gets the same weights.",
                lambda q, k, a, c, w: _hidden(q, k, a, c) @ w),
        Mistake("The tanh comes too late: it bends each hidden number, before they are weighted and added up.",
                lambda q, k, a, c, w: (_hidden(q, k, a, c) @ w).tanh()),
        Mistake("The tanh is applied to query and key one by one; it bends their sum.",
                lambda q, k, a, c, w: ((q @ a.mT).tanh().unsqueeze(-2) + (k @ c.mT).tanh().unsqueeze(-3)) @ w),
        Mistake("The hidden numbers were added up without their weights w.",
                lambda q, k, a, c, w: _hidden(q, k, a, c).tanh().sum(dim=-1)),
        Mistake("Another bend than the tanh: this one lets no negative number through.",
                lambda q, k, a, c, w: _hidden(q, k, a, c).relu() @ w),
        Mistake("Another bend than the tanh: this one lies between 0 and 1.",
                lambda q, k, a, c, w: _hidden(q, k, a, c).sigmoid() @ w),
        Mistake("The two matrices have changed places, which no shape shows where queries and keys are equally wide.",
                lambda q, k, a, c, w: _additive(q, k, c, a, w)),
        Mistake("A matrix is turned around, which no shape shows where all widths are equal.",
                lambda q, k, a, c, w: _additive(q, k, a.mT, c.mT, w)),
        Mistake("W_q is turned around, which no shape shows where all widths are equal.",
                lambda q, k, a, c, w: _additive(q, k, a.mT, c, w)),
        Mistake("W_k is turned around, which no shape shows where all widths are equal.",
                lambda q, k, a, c, w: _additive(q, k, a, c.mT, w)),
        Mistake("The hidden numbers were averaged; the formula adds them up.",
                lambda q, k, a, c, w: _additive(q, k, a, c, w) / len(w)),
        Mistake("There is a scale here that the additive score does not have.",
                lambda q, k, a, c, w: _additive(q, k, a, c, w) / len(w) ** 0.5),
        Mistake("Rows and columns have changed places: a row belongs to a query, a column to a key.",
                lambda q, k, a, c, w: _additive(q, k, a, c, w).mT),
        Mistake("Query and key were multiplied; they should be added.",
                lambda q, k, a, c, w: ((q @ a.mT).unsqueeze(-2) * (k @ c.mT).unsqueeze(-3)).tanh() @ w),
        Mistake("Query minus key, where the sum is meant.", lambda q, k, a, c, w: _additive(q, -k, a, c, w)),
    ),
    returns=("scores",),
)  # fmt: skip


def check_additive_score(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check an additive score: additive_score(q, k, W_q, W_k, w), scores (..., n_q, n_k).

    >>> check_additive_score(lambda q, k, W_q, W_k, w: q @ W_q.T)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: additive_score: The shape of scores is ...
    """
    ADDITIVE_SCORE.check(answer, seed)


# --- In little memory ------------------------------------------------------------------------------------------------

# Float32, 101 queries, 53 keys, 32 hidden numbers: the scores, and the hidden layer before the tanh and after it.
PEAK = by_hand(
    "predicted",
    2 * 101 * 53 * 32 * 4,
    ("Numbers, and not bytes: a float32 takes four of them.", 2 * 101 * 53 * 32),
    ("The hidden layer stands there twice at the worst moment: before the tanh and after it.", 101 * 53 * 32 * 4),
    ("These are the scores alone. What stands in memory before they are made?", 101 * 53 * 4),
    ("The scores are not there yet when the tanh is computed.", (2 * 101 * 53 * 32 + 101 * 53) * 4),
    ("A float32 takes four bytes; this counts eight.", 2 * 101 * 53 * 32 * 8),
    ("A hidden layer for each query and one for each key: there is one for each pair of them.",
     2 * (101 + 53) * 32 * 4),
)  # fmt: skip


def check_predicted(answer: Any) -> None:
    """Check the predicted peak of memory of the additive score, in bytes.

    >>> check_predicted(101 * 53 * 4)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: predicted: These are the scores alone. What stands in memory before they are made?
    """
    check_numbers(PEAK, answer)


def _in_blocks(q: Tensor, k: Tensor, W_q: Tensor, W_k: Tensor, w: Tensor, block: int) -> Tensor:
    return torch.cat([_additive(part, k, W_q, W_k, w) for part in q.split(block, dim=-2)], dim=-2)


def _block_cases(draw: Draw) -> list[Case]:
    plain, batch = _inputs(draw), _inputs(draw, 3)
    n_q = plain[0].shape[-2]
    longer = (draw.normal(12, plain[0].shape[-1]), *plain[1:])
    return [
        Case("with 12 queries in blocks of 4", (*longer, 4)),
        Case("with 12 queries in blocks of 5", (*longer, 5), "The last block may be shorter than the others."),
        Case("with a block that holds all", (*plain, n_q + 3), "A block may be larger than the number of queries."),
        Case("on a batch", (*batch, 1), AXES),
    ]


def _memory(answer: Function) -> str:
    q, k, W_q, W_k, w = (torch.ones(*shape) for shape in ((64, 3), (16, 3), (32, 3), (32, 3), (32,)))  # noqa: N806
    whole = 2 * 64 * 16 * 32 * 4
    with torch.no_grad():
        peak = peak_bytes(lambda: answer(q, k, W_q, W_k, w, 4))
    if peak <= whole / 4:
        return ""
    return (
        f"additive_in_blocks: The numbers are right, but the peak of memory is {peak:,} bytes for 64 queries in blocks "
        f"of 4, and {whole:,} without blocks. Somewhere a hidden layer stands in memory for all queries at once."
    )


ADDITIVE_IN_BLOCKS = Task(
    "additive_in_blocks",
    _in_blocks,
    _block_cases,
    (
        Mistake("The last queries are missing: what is left over when blocks are full is a block too.",
                lambda q, k, a, c, w, block: _additive(q[..., : q.shape[-2] // block * block, :], k, a, c, w)),
        Mistake("Only the first block came back.",
                lambda q, k, a, c, w, block: _additive(q[..., :block, :], k, a, c, w)),
        Mistake("Only the last block came back.",
                lambda q, k, a, c, w, block: _additive(q.split(block, dim=-2)[-1], k, a, c, w)),
        Mistake("The blocks were put side by side; each holds rows of the result, so they stand below each other.",
                lambda q, k, a, c, w, block: torch.cat([_additive(p, k, a, c, w) for p in q.split(block, -2)], -1)),
        Mistake("Each block of queries met its own block of keys alone: every query meets every key.",
                lambda q, k, a, c, w, block: torch.cat(
                    [_additive(p, m, a, c, w) for p, m in zip(q.split(block, -2), k.split(block, -2), strict=False)],
                    dim=-2)),
        Mistake("The tanh is missing. Without it every query gets the same weights.",
                lambda q, k, a, c, w, block: _hidden(q, k, a, c) @ w),
        Mistake("The blocks came out in the wrong order.",
                lambda q, k, a, c, w, block: torch.cat(
                    [_additive(p, k, a, c, w) for p in q.split(block, -2)][::-1], dim=-2)),
    ),
    returns=("scores",),
    beyond=_memory,
)  # fmt: skip


def check_additive_in_blocks(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check an additive score in blocks of queries: additive_in_blocks(q, k, W_q, W_k, w, block), in little memory.

    >>> check_additive_in_blocks(lambda q, k, W_q, W_k, w, block: None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: additive_in_blocks: It returns None: is there a `return` at its end?...
    """
    ADDITIVE_IN_BLOCKS.check(answer, seed)
