"""Heads in one output: merged, and silent one by one."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises.heads import AXES, merge, split

# ruff: noqa: N803 (the argument W_o is named as in the formula)

# --- Merging ---------------------------------------------------------------------------------------------------------


def _merge(x: Tensor) -> Tensor:
    return merge(x)


def _merge_cases(draw: Draw) -> list[Case]:
    h, n, d_head, b, c = draw.sizes(5)
    return [
        Case("on a batch", (draw.normal(b, h, n, d_head),)),
        Case("without a batch", (draw.normal(h, n, d_head),), AXES),
        Case("with two batch axes", (draw.normal(c, b, h, n, d_head),), AXES),
    ]


def _cut_again(x: Tensor) -> Tensor:
    """Reshape to the right shape, whatever moves where."""
    h, n, d_head = x.shape[-3:]
    return x.reshape(*x.shape[:-3], n, h * d_head)


MERGE_HEADS = Task(
    "merge_heads",
    _merge,
    _merge_cases,
    (
        Mistake("Each token has its own numbers, but number by number from each head in turn: what one head wrote "
                "should stand together.", lambda x: x.movedim(-3, -1).flatten(-2)),
        Mistake("A token gets what one head found for several tokens: n has to come before the heads, and a reshape "
                "moves nothing.", _cut_again),
        Mistake("The heads stand in reverse: the last head comes first.", lambda x: merge(x.flip(-3))),
        Mistake("The places of tokens and of numbers were exchanged: a row mixes several tokens.",
                lambda x: x.mT.reshape(*x.shape[:-3], x.shape[-2], -1)),
        Mistake("A batch was taken for heads: with `transpose(0, 1)` axes are counted from the front. Count them from "
                "the end.", lambda x: x.transpose(0, 1).flatten(-2)),
        Mistake("Right with one batch axis alone: `transpose(1, 2)` counts axes from the front. Count them from the "
                "end.", lambda x: x.transpose(1, 2).flatten(-2)),
        Mistake("The heads were added up. They stand side by side.", lambda x: x.sum(dim=-3)),
        Mistake("The heads were averaged. They stand side by side.", lambda x: x.mean(dim=-3)),
        Mistake("The axes are in their right order, and not merged yet: there is one too many.",
                lambda x: x.transpose(-3, -2)),
    ),
    returns=("the output",),
)  # fmt: skip


def check_merge_heads(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a function that merges heads: merge_heads(x), (..., h, n, d_head) -> (..., n, h * d_head).

    >>> check_merge_heads(lambda x: x.sum(dim=-3))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: merge_heads: The heads were added up. They stand side by side....
    """
    MERGE_HEADS.check(answer, seed)


# --- Silence ---------------------------------------------------------------------------------------------------------


def _summands(merged: Tensor, W_o: Tensor, h: int) -> Tensor:
    return split(merged, h) @ W_o.unflatten(0, (h, -1))  # (..., h, n, d_model)


def _without(merged: Tensor, W_o: Tensor, h: int) -> Tensor:
    return (merged @ W_o).unsqueeze(-3) - _summands(merged, W_o, h)


def _kept(merged: Tensor, W_o: Tensor, keep: Tensor) -> Tensor:
    """What remains if of the columns only keep (h, d_model) are handed over."""
    return (merged.unsqueeze(-3) * keep.to(merged).unsqueeze(-2)) @ W_o


def _column(merged: Tensor, h: int, block: bool) -> Tensor:
    """Which columns each silent head leaves, (h, d_model), if heads are blocks of columns or every h-th."""
    d = merged.shape[-1]
    place = torch.arange(d, device=merged.device)
    return (place // (d // h) if block else place % h) != torch.arange(h, device=merged.device).unsqueeze(-1)


def _columns_of_w_o(merged: Tensor, W_o: Tensor, h: int) -> Tensor:
    return (merged @ W_o).unsqueeze(-3) * _column(merged, h, True).unsqueeze(-2)


def _without_cases(draw: Draw) -> list[Case]:
    h, n, d_head, b, c = draw.sizes(5)
    d = h * d_head
    return [
        Case("", (draw.normal(n, d), draw.normal(d, d), h)),
        Case("with narrower heads", (draw.normal(n, d), draw.normal(d, d), d_head), "Is h taken from the arguments?"),
        Case("with two batch axes", (draw.normal(c, b, n, d), draw.normal(d, d), h),
             "The axis of heads stands before n, behind all axes of the batch: count axes from the end."),
    ]  # fmt: skip


WITHOUT_EACH_HEAD = Task(
    "without_each_head",
    _without,
    _without_cases,
    (
        Mistake("This is what each head adds, alone. The task asks for what is left without it.", _summands),
        Mistake("What is left was scaled up for the missing head. A sum with one summand less is just smaller.",
                lambda m, W_o, h: _without(m, W_o, h) * h / (h - 1)),
        Mistake("These are the sums of all heads up to each. Leave out that one alone.",
                lambda m, W_o, h: _summands(m, W_o, h).cumsum(dim=-3)),
        Mistake("Every h-th column was silenced. A head's numbers are neighbouring columns.",
                lambda m, W_o, h: _kept(m, W_o, _column(m, h, False))),
        Mistake("Columns of W_o were silenced, and so numbers of the output. What a head hands over meets rows of W_o.",
                _columns_of_w_o),
        Mistake("Nothing is left out: every row is the whole output.",
                lambda m, W_o, h: (m @ W_o).unsqueeze(-3).expand(*m.shape[:-2], h, *m.shape[-2:])),
        Mistake("The next head is silent in each place: the wrong head. The first is the first.",
                lambda m, W_o, h: _without(m, W_o, h).roll(1, dims=-3)),
        Mistake("The next head is silent in each place: the wrong head. The first is the first.",
                lambda m, W_o, h: _without(m, W_o, h).roll(-1, dims=-3)),
        Mistake("W_o is missing: this is what goes into it.",
                lambda m, W_o, h: m.unsqueeze(-3) * _column(m, h, True).unsqueeze(-2)),
        Mistake("The heads fall silent one after another, more and more of them: each should be the only one.",
                lambda m, W_o, h: (m @ W_o).unsqueeze(-3) - _summands(m, W_o, h).cumsum(dim=-3)),
        Mistake("The mean of all heads took the place of the silent one. A silent head adds nothing.",
                lambda m, W_o, h: _without(m, W_o, h) + _summands(m, W_o, h).mean(dim=-3, keepdim=True)),
        Mistake("W_o is turned around.", lambda m, W_o, h: _without(m, W_o.mT, h)),
    ),
    returns=("the output",),
)  # fmt: skip


def check_without_each_head(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a layer without each head: without_each_head(merged, W_o, h), (..., h, n, d_model).

    >>> check_without_each_head(lambda merged, W_o, h: merged @ W_o)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: without_each_head: The shape of the output is ...
    """
    WITHOUT_EACH_HEAD.check(answer, seed)
