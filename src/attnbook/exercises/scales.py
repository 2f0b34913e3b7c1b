"""What is done about the size of scores: unit length, and a scale on either side."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from attnbook.attention import attend
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises.score_functions import AXES
from attnbook.scores import dot

Pair = tuple[Tensor, Tensor]

# --- Unit length -----------------------------------------------------------------------------------------------------


def _unit_scores(q: Tensor, k: Tensor, gain: float) -> Tensor:
    return gain * dot(normalize(q, dim=-1), normalize(k, dim=-1))


def _over(q: Tensor, k: Tensor, gain: float, length: Callable[[Tensor], Tensor]) -> Tensor:
    """The scores with something else in the place of the length."""
    return gain * dot(q / length(q), k / length(k))


def _unit_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, b, c = draw.sizes(5, least=3)
    q, k = draw.normal(n_q, d), draw.normal(n_k, d)
    zeros = q.clone()
    zeros[1] = 0
    return [
        Case("", (q, k, 2.5)),
        Case("on other sizes", (draw.normal(n_k, c), draw.normal(n_q, c), 0.4), "Are gain and width used throughout?"),
        Case("with two batch axes", (draw.normal(c, b, n_q, d), draw.normal(c, b, n_k, d), 1.5), AXES),
        Case("with a query of zeros", (zeros, k, 2.5),
             "Row 1 asks for nothing: a query of zeros has no length to be divided by."),
    ]  # fmt: skip


UNIT_SCORES = Task(
    "unit_scores",
    _unit_scores,
    _unit_cases,
    (
        Mistake("The keys still have their own lengths: a long key gets a large score whatever is asked.",
                lambda q, k, gain: gain * dot(normalize(q, dim=-1), k)),
        Mistake("The queries still have their own lengths.", lambda q, k, gain: gain * dot(q, normalize(k, dim=-1))),
        Mistake("Nothing was divided by its length.", lambda q, k, gain: gain * dot(q, k)),
        Mistake("Divided by √d as well: vectors of length 1 have no use for it.",
                lambda q, k, gain: _unit_scores(q, k, gain) / math.sqrt(q.shape[-1])),
        Mistake("Divided by √d, and not by the lengths of query and key.",
                lambda q, k, gain: gain * dot(q, k) / math.sqrt(q.shape[-1])),
        Mistake("The gain changes nothing.", lambda q, k, gain: _unit_scores(q, k, 1)),
        Mistake("It is divided by the gain.", lambda q, k, gain: _unit_scores(q, k, 1 / gain)),
        Mistake("The gain came in twice, on queries and on keys.", lambda q, k, gain: _unit_scores(q, k, gain**2)),
        Mistake("All were divided by one number. Each query and each key has a length of its own.",
                lambda q, k, gain: _over(q, k, gain, torch.Tensor.norm)),
        Mistake("Each coordinate was divided by its length along the tokens. The length of a token runs over its "
                "coordinates.", lambda q, k, gain: gain * dot(normalize(q, dim=-2), normalize(k, dim=-2))),
        Mistake("Divided by the square of the length: the squares' sum still wants its root.",
                lambda q, k, gain: _over(q, k, gain, lambda x: x.square().sum(dim=-1, keepdim=True))),
        Mistake("NaN in row 1, whose query is all zeros: 0/0.",
                lambda q, k, gain: _over(q, k, gain, lambda x: x.norm(dim=-1, keepdim=True))),
        Mistake("Divided by the sum of the absolute values, which is another kind of length.",
                lambda q, k, gain: gain * dot(normalize(q, p=1, dim=-1), normalize(k, p=1, dim=-1))),
        Mistake("These are weights already: the task asks for scores.",
                lambda q, k, gain: _unit_scores(q, k, gain).softmax(dim=-1)),
        Mistake("Something is added to the length, and it is not small: the vectors come out shorter than 1.",
                lambda q, k, gain: _over(q, k, gain, lambda x: 1 + x.norm(dim=-1, keepdim=True))),
        Mistake("Something is added to the length, small and yet too large: a length of 1 comes out a little shorter.",
                lambda q, k, gain: _over(q, k, gain, lambda x: 1e-3 + x.norm(dim=-1, keepdim=True))),
        Mistake("Only vectors longer than 1 were shortened: short ones should get length 1 too.",
                lambda q, k, gain: _over(q, k, gain, lambda x: x.norm(dim=-1, keepdim=True).clamp(min=1))),
        Mistake("Divided by the standard deviation of the numbers, which is not the length.",
                lambda q, k, gain: _over(q, k, gain, lambda x: x.std(dim=-1, keepdim=True))),
        Mistake("Divided by the standard deviation of the numbers, which is not the length.",
                lambda q, k, gain: _over(q, k, gain, lambda x: x.std(dim=-1, keepdim=True, correction=0))),
        Mistake("The rows of the scores were divided by their lengths. It is queries and keys that have length 1.",
                lambda q, k, gain: gain * normalize(dot(q, k), dim=-1)),
        Mistake("Rows and columns have changed places: a row belongs to a query, a column to a key.",
                lambda q, k, gain: _unit_scores(k, q, gain)),
        Mistake("The mean of the numbers was taken off first, as a layer norm does.",
                lambda q, k, gain: _unit_scores(q - q.mean(-1, keepdim=True), k - k.mean(-1, keepdim=True), gain)),
    ),
    returns=("scores",),
)  # fmt: skip


def check_unit_scores(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check scores of queries and keys of length 1: unit_scores(q, k, gain), (..., n_q, n_k).

    >>> check_unit_scores(lambda q, k, gain: gain * q @ k.mT)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: unit_scores: Nothing was divided by its length....
    """
    UNIT_SCORES.check(answer, seed)


# --- The scale, half on either side ----------------------------------------------------------------------------------


def _scaled(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Pair:
    return attend(dot(q, k) * scale, v)


def _even(q: Tensor, k: Tensor, v: Tensor) -> Pair:
    return _scaled(q, k, v, q.shape[-1] ** -0.5)


def _even_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, d_v, b = draw.sizes(5, least=3)
    c = draw.sizes(1, least=11)[0]
    return [
        Case("", (draw.normal(n_q, d), draw.normal(n_k, d), draw.normal(n_k, d_v))),
        Case("with twice the width", (draw.normal(n_q, 2 * d), draw.normal(n_k, 2 * d), draw.normal(n_k, d_v)),
             "Is the width taken from the input?"),
        Case("on a batch", (draw.normal(b, n_q, c), draw.normal(b, n_k, c), draw.normal(b, n_k, d_v)), AXES),
    ]  # fmt: skip


EVEN_ATTENTION = Task(
    "even_attention",
    _even,
    _even_cases,
    (
        Mistake("The scores are divided by d in all, where √d is meant: look at what happens to a product when both "
                "of its factors are divided.", lambda q, k, v: _scaled(q, k, v, 1 / q.shape[-1])),
        Mistake("It looks as if √d were missing: the weights are those of plain dot products.",
                lambda q, k, v: _scaled(q, k, v, 1)),
        Mistake("Multiplied by √d, where it divides.", lambda q, k, v: _scaled(q, k, v, q.shape[-1] ** 0.5)),
        Mistake("The scores are divided by the fourth root of d in all, which is too little.",
                lambda q, k, v: _scaled(q, k, v, q.shape[-1] ** -0.25)),
        Mistake("The two sides are divided by different numbers, which make d to the power 3/4 in all: too much.",
                lambda q, k, v: _scaled(q, k, v, q.shape[-1] ** -0.75)),
        Mistake("Divided by a logarithm of d. Scores grow as the square root.",
                lambda q, k, v: _scaled(q, k, v, 1 / math.log(q.shape[-1]))),
        Mistake("Divided by the square root of the number of keys. It is the width of a key that counts.",
                lambda q, k, v: _scaled(q, k, v, k.shape[-2] ** -0.5)),
        Mistake("Divided by the square root of the number of queries. It is the width of a query that counts.",
                lambda q, k, v: _scaled(q, k, v, q.shape[-2] ** -0.5)),
        Mistake("Divided by the square root of the width of a value. It is the width of a key that counts.",
                lambda q, k, v: _scaled(q, k, v, v.shape[-1] ** -0.5)),
        Mistake("The scale came after the softmax, and the rows of weights, which should sum to 1, no longer do.",
                lambda q, k, v: tuple(x * q.shape[-1] ** -0.5 for x in _scaled(q, k, v, 1))),
        Mistake("Each column sums to 1, each row should: the softmax runs over the keys, dim=-1.",
                lambda q, k, v: (lambda w: (w @ v, w))((dot(q, k) * q.shape[-1] ** -0.5).softmax(dim=-2))),
        Mistake("The scores are divided by 8, whatever the width is. Is d taken from the inputs?",
                lambda q, k, v: _scaled(q, k, v, 1 / 8)),
        Mistake("The values were divided as well. Only queries and keys make scores.",
                lambda q, k, v: (_even(q, k, v)[0] * q.shape[-1] ** -0.25, _even(q, k, v)[1])),
        Mistake("The values were divided as well. Only queries and keys make scores.",
                lambda q, k, v: (_even(q, k, v)[0] * q.shape[-1] ** -0.5, _even(q, k, v)[1])),
        Mistake("What is returned as weights are scores.",
                lambda q, k, v: (_even(q, k, v)[0], dot(q, k) * q.shape[-1] ** -0.5)),
        Mistake("The two things that are returned have changed places: first the output, then the weights.",
                lambda q, k, v: _even(q, k, v)[::-1]),
    ),
    returns=("the output", "weights"),
)  # fmt: skip


def check_even_attention(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check attention whose scale is shared by queries and keys: even_attention(q, k, v) -> output, weights.

    >>> from attnbook.attention import attend
    >>> check_even_attention(lambda q, k, v: attend(q @ k.mT, v))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: even_attention: It looks as if √d were missing: ...
    """
    EVEN_ATTENTION.check(answer, seed)
