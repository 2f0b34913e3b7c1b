"""Many heads: how many numbers they learn, from one packed matrix, and merged again."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from attnbook.attention import scaled_dot_product_attention
from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.masks import causal

# ruff: noqa: N803 (the arguments W and W_o are named as in the formula)

AXES = "Any axes may come before the last three: count axes from the end."

# --- By hand ---------------------------------------------------------------------------------------------------------

# d_model = 48, 6 heads, 3 heads of keys and values, with biases: W_q and W_o 48 · 49, W_k and W_v 24 · 49.
GROUPED_PARAMETERS = by_hand(
    "grouped_parameters",
    2 * 48 * 49 + 2 * 24 * 49,
    ("This is the layer in which every head has its own keys and values.", 4 * 48 * 49),
    ("The biases are missing: each of the four layers adds one number to each of its columns.",
     2 * 48 * 48 + 2 * 24 * 48),
    ("These are keys or values; both are made, by a matrix each.", 2 * 48 * 49 + 24 * 49),
    ("The output matrix is missing, which mixes the heads.", 48 * 49 + 2 * 24 * 49),
    ("Here one head of keys and values serves all. There are three.", 2 * 48 * 49 + 2 * 8 * 49),
    ("Here two heads of keys and values serve all. Two is how many heads share them: how many are there?",
     2 * 48 * 49 + 2 * 16 * 49),
    ("The output matrix does not become smaller: six heads still hand over eight numbers each.",
     48 * 49 + 3 * 24 * 49),
    ("This is the layer in which every head has its own keys and values, and the biases are missing.", 4 * 48 * 48),
    ("Keys and values are both shared.", 3 * 48 * 49 + 24 * 49),
    ("Queries are not shared: each of the six heads asks for itself.", 3 * 24 * 49 + 48 * 49),
    ("Only one of the four layers has its bias.", 2 * 48 * 48 + 2 * 24 * 48 + 48),
    ("A matrix of 48 rows has one bias for each of its columns, so that the shared ones have 24 each.",
     2 * 48 * 48 + 2 * 24 * 48 + 4 * 48),
)  # fmt: skip


def check_grouped_parameters(answer: Any) -> None:
    """Check the number of parameters of a layer whose heads share keys and values.

    >>> check_grouped_parameters(4 * 48 * 49)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: grouped_parameters: This is the layer in which every head has its own keys and ...
    """
    check_numbers(GROUPED_PARAMETERS, answer)


# --- From one packed matrix ------------------------------------------------------------------------------------------


def split(x: Tensor, h: int) -> Tensor:
    """Cut the last axis into heads: (..., n, h * d_head) -> (..., h, n, d_head).

    >>> import torch
    >>> split(torch.zeros(2, 5, 6), 3).shape
    torch.Size([2, 3, 5, 2])
    """
    return x.unflatten(-1, (h, -1)).transpose(-3, -2)


def merge(x: Tensor) -> Tensor:
    """Put heads side by side: (..., h, n, d_head) -> (..., n, h * d_head).

    >>> import torch
    >>> merge(torch.zeros(2, 3, 5, 2)).shape
    torch.Size([2, 5, 6])
    """
    return x.transpose(-3, -2).flatten(-2)


def attend(q: Tensor, k: Tensor, v: Tensor, divisor: float | None = None, dim: int = -1) -> Tensor:
    """Attention with another divisor or along another axis, as mistaken learners have it.

    >>> import torch
    >>> attend(torch.zeros(1, 2), torch.ones(3, 2), torch.tensor([[1.0], [2.0], [6.0]]))
    tensor([[3.]])
    """
    return (q @ k.mT / (divisor or math.sqrt(q.shape[-1]))).softmax(dim=dim) @ v


def _multi_head(x: Tensor, W: Tensor, W_o: Tensor, h: int) -> Tensor:
    q, k, v = (split(part, h) for part in (x @ W).chunk(3, dim=-1))
    return merge(scaled_dot_product_attention(q, k, v)[0]) @ W_o


def _other(
    cut: Callable[[Tensor, int], Tensor] = split,
    join: Callable[[Tensor], Tensor] = merge,
    order: tuple[int, int, int] = (0, 1, 2),
    divisor: Callable[[Tensor, Tensor], float] = lambda x, q: math.sqrt(q.shape[-1]),
    dim: int = -1,
) -> Callable[..., Tensor]:
    """Multi-head attention with one thing done otherwise."""

    def answer(x: Tensor, W: Tensor, W_o: Tensor, h: int) -> Tensor:
        parts = [cut(part, h) for part in (x @ W).chunk(3, dim=-1)]
        q, k, v = (parts[i] for i in order)
        joined = join(attend(q, k, v, divisor(x, q), dim))
        return joined.reshape(*x.shape[:-1], -1) @ W_o

    return answer


def _view(x: Tensor, h: int) -> Tensor:
    return x.reshape(*x.shape[:-2], h, x.shape[-2], -1)


def _strided(x: Tensor, h: int) -> Tensor:
    return x.unflatten(-1, (-1, h)).movedim(-1, -3)


def _unstrided(x: Tensor) -> Tensor:
    return x.movedim(-3, -1).flatten(-2)


def _per_head(x: Tensor, W: Tensor, W_o: Tensor, h: int) -> Tensor:
    q, k, v = split(x @ W, h).chunk(3, dim=-1)
    return merge(attend(q, k, v)) @ W_o


def _every_third(x: Tensor, W: Tensor, W_o: Tensor, h: int) -> Tensor:
    return _multi_head(x, W.unflatten(-1, (-1, 3)).mT.flatten(-2), W_o, h)


def _causal(x: Tensor, W: Tensor, W_o: Tensor, h: int) -> Tensor:
    q, k, v = (split(part, h) for part in (x @ W).chunk(3, dim=-1))
    return merge(scaled_dot_product_attention(q, k, v, causal(x.shape[-2], device=x.device))[0]) @ W_o


def _multi_cases(draw: Draw) -> list[Case]:
    n, h, d_head, b, c = draw.sizes(5)
    n, axes = n + 2, "Any axes may come before the last two, also none: count axes from the end."

    def inputs(h: int, *leading: int) -> tuple[Any, ...]:
        d = h * d_head
        return draw.normal(*leading, n, d), draw.normal(d, 3 * d) / d**0.5, draw.normal(d, d) / d**0.5, h

    return [
        Case("on a batch", inputs(h, b)),
        Case("with other heads", inputs(h + 1, b), "Is h taken from the arguments?"),
        Case("without a batch", inputs(h), axes),
        Case("with two batch axes", inputs(h, c, b), axes),
    ]


SCATTERED = "A head mixes tokens: its rows are parts of several tokens, since a reshape alone cuts the row of numbers \
in other places."

MULTI_HEAD = Task(
    "multi_head",
    _multi_head,
    _multi_cases,
    (
        Mistake("Divided by the square root of d_model. What counts is the width of what a head multiplies.",
                _other(divisor=lambda x, q: math.sqrt(x.shape[-1]))),
        Mistake("√d_head is missing: the scale is that of plain dot products.", _other(divisor=lambda x, q: 1)),
        Mistake("Divided by d_head, where its square root is meant.", _other(divisor=lambda x, q: q.shape[-1])),
        Mistake("Divided by the square root of the number of heads.",
                _other(divisor=lambda x, q: math.sqrt(q.shape[-3]))),
        Mistake(SCATTERED, _other(cut=_view)),
        Mistake(SCATTERED, _other(cut=_view, join=lambda x: x)),
        Mistake("The heads are right, and they are merged in the wrong order: a row of the result holds what one head "
                "found for several tokens.", _other(join=lambda x: x)),
        Mistake("A head got every h-th column. Head 1 should have the first d_head columns, head 2 the next.",
                _other(cut=_strided, join=_unstrided)),
        Mistake("Split by every h-th column, and merged otherwise: neither goes with the other.", _other(cut=_strided)),
        Mistake("The numbers of the heads are merged in turn, one of each: a head's numbers should stay together.",
                _other(join=_unstrided)),
        Mistake("The queries and keys have changed places: in W the columns of the queries come first.",
                _other(order=(1, 0, 2))),
        Mistake("The keys and values have changed places: in W they stand in the order queries, keys, values.",
                _other(order=(0, 2, 1))),
        Mistake("W was read in the order values, keys, queries.", _other(order=(2, 1, 0))),
        Mistake("W was read head by head. In it come all queries first, then all keys, then all values.", _per_head),
        Mistake("Of W every third column was taken. In it come all queries first, then all keys, then all values.",
                _every_third),
        Mistake("x was added to the output, as a transformer's layer does. The task asks for the attention alone.",
                lambda x, W, W_o, h: x + _multi_head(x, W, W_o, h)),
        Mistake("A token may look at earlier ones alone here. The task has no mask.", _causal),
        Mistake("W_o changes nothing.",
                lambda x, W, W_o, h: _multi_head(x, W, W_o.new_ones(len(W_o)).diag(), h)),
        Mistake("W_o is turned around.", lambda x, W, W_o, h: _multi_head(x, W, W_o.mT, h)),
        Mistake("h changes nothing: this is one wide head.", lambda x, W, W_o, h: _multi_head(x, W, W_o, 1)),
        Mistake("The softmax runs over the heads, which compete for each pair; it should run over the keys, dim=-1.",
                _other(dim=-3)),
        Mistake("The softmax runs over the queries; it should run over the keys, dim=-1.", _other(dim=-2)),
        Mistake("It attends token by token among the heads: each token should look at other tokens, head by head.",
                _other(cut=lambda x, h: x.unflatten(-1, (h, -1)), join=lambda x: x.flatten(-2))),
    ),
    returns=("the output",),
)  # fmt: skip


def check_multi_head(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check multi-head self-attention from a packed matrix: multi_head(x, W, W_o, h), output (..., n, d_model).

    >>> check_multi_head(lambda x, W, W_o, h: x @ W_o)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: multi_head: ...
    """
    MULTI_HEAD.check(answer, seed)
