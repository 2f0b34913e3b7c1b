"""From scores to weights: the softmax, by hand and with a mask, and how many keys its weights look at."""

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from attnbook.attention import attend
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises._varied import Sheet, Varied

# --- By hand: scores ln 3, 0, ln 6; values (10, 0), (0, 20), (5, -5) -------------------------------------------------

Value = tuple[float, float]


def _three_values(draw: random.Random) -> tuple[int, int, Value, Value, Value]:
    """Two powers of e that make 8 or 10 with the third, which is 1; three values that these divide."""
    whole = draw.choice((8, 10))
    one = draw.randint(2, whole - 3)
    values = [(draw.randint(-2, 2) * whole // 2, draw.randint(-2, 2) * whole // 2) for _ in range(3)]
    return (one, whole - 1 - one, *values)  # type: ignore[return-value] # three of them


def _average(weights: Sequence[float], values: Sequence[Value]) -> Value:
    x, y = (sum(w * v[i] for w, v in zip(weights, values, strict=True)) for i in range(2))
    return x, y


def _shares(a: int, b: int) -> tuple[float, float, float]:
    return a / (a + 1 + b), 1 / (a + 1 + b), b / (a + 1 + b)


THREE_VALUES = Sheet((3, 6, (10, 0), (0, 20), (5, -5)), _three_values, lambda one, other, v_1, v_2, v_3: [
    f"the scores $\\ln {one}$, $0$ and $\\ln {other}$.",
    f"$$v_1 = {v_1} \\qquad v_2 = {v_2} \\qquad v_3 = {v_3}$$",
])  # fmt: skip
WEIGHTS = Varied(
    "weights",
    THREE_VALUES,
    lambda one, other, *values: _shares(one, other),
    ("These are the powers of e. They are still to be divided by their sum.", lambda a, b, *values: (a, 1, b)),
    ("The scores were divided by their sum. First raise e to the power of each.",
     lambda a, b, *values: [math.log(x) / math.log(a * b) for x in (a, 1, b)]),
    ("e to the power 0 is 1, and not 0.", lambda a, b, *values: (a / (a + b), 0, b / (a + b))),
    ("All of the weight is on the largest score: that is a hard choice, and a softmax gives each some.",
     lambda one, other, *values: (float(one > other), 0, float(other > one))),
    ("The weights are equal, and the scores are not.", lambda *numbers: (1 / 3, 1 / 3, 1 / 3)),
)  # fmt: skip
CONTEXT = Varied(
    "context",
    THREE_VALUES,
    lambda one, other, *values: _average(_shares(one, other), values),
    ("This is the plain mean of the values: weight them.",
     lambda one, other, *values: _average((1 / 3, 1 / 3, 1 / 3), values)),
    ("The powers of e were used as weights: divide them by their sum.",
     lambda one, other, *values: _average((one, 1, other), values)),
    ("This is the value with the largest weight. The context is the average of all.",
     lambda one, other, v_1, v_2, v_3: v_1 if one > other else v_3),
    ("The two coordinates have changed places.", lambda a, b, *values: _average(_shares(a, b), values)[::-1]),
    ("The weights were added up over values that stand in another order: the first weight is the first value's.",
     lambda one, other, *values: _average(_shares(one, other), values[::-1])),
)  # fmt: skip


def check_weights(answer: Any, variant: int = 0) -> None:
    """Check the weights that were worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_weights((0, 0, 1))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: weights: All of the weight is on the largest score: that is a hard choice, ...
    """
    WEIGHTS.check(answer, variant)


def check_context(answer: Any, variant: int = 0) -> None:
    """Check the context vector that was worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_context((5, 5))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: context: This is the plain mean of the values: weight them.
    """
    CONTEXT.check(answer, variant)


# --- A softmax with a mask -------------------------------------------------------------------------------------------


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    return attend(scores, scores.new_zeros(scores.shape[-1], 1), mask)[1]


def _masked_cases(draw: Draw) -> list[Case]:
    n_q, n_k, b, c = draw.sizes(4, least=3)
    scores, mask = draw.normal(n_q, n_k), draw.mask(n_q, n_k)
    empty = mask.clone()
    empty[1] = False
    axes = "The keys are the last axis. Count from the end, dim=-1, and a batch axis in front changes nothing."
    return [
        Case("", (scores, torch.ones(n_q, n_k, dtype=torch.bool))),
        Case("with some keys hidden", (scores, mask), "The mask is what is new here. True means: may attend."),
        Case("with two batch axes", (draw.normal(c, b, n_q, n_k), draw.mask(c, b, n_q, n_k)), axes),
        Case("with one mask for a whole batch", (draw.normal(b, n_q, n_k), draw.mask(b, 1, n_k)),
             "A mask may have an axis of 1 that stands for all queries. Torch broadcasts it."),
        Case("with scores in the thousands", (1000 * scores + 5000, mask),
             "e to the power 1000 overflows, though the weights are ordinary numbers. What may one take from all "
             "scores of a row without changing the weights?"),
        Case("with a query that may attend to nothing", (scores, empty),
             "Who may look at nothing gets weights of 0."),
        Case("with a query that may attend to nothing, backwards", (scores, empty),
             "The numbers are right, and training would fail: a NaN that is put right afterwards still reaches the "
             "gradients. It must not arise.", backward=True),
    ]  # fmt: skip


def _fill(scores: Tensor, mask: Tensor, value: float) -> Tensor:
    return scores.masked_fill(~mask, value).softmax(dim=-1)


def _by_powers(scores: Tensor, mask: Tensor, more: float) -> Tensor:
    e = (scores - scores.amax(dim=-1, keepdim=True)).exp() * mask
    return e / (e.sum(dim=-1, keepdim=True) + more)


HIDDEN_HIGHEST = (
    "The highest score that was taken off may belong to a hidden key. If it is far above the others, their \
powers of e all come out as 0."
)

MASKED_SOFTMAX = Task(
    "masked_softmax",
    _masked_softmax,
    _masked_cases,
    (
        Mistake("Each column sums to 1, each row should: the softmax runs over the keys, dim=-1.",
                lambda scores, mask: scores.masked_fill(~mask, -math.inf).softmax(dim=-2)),
        Mistake("Each column sums to 1, each row should: the softmax runs over the keys, dim=-1.",
                lambda scores, mask: scores.masked_fill(~mask, -math.inf).softmax(dim=-2).nan_to_num()),
        Mistake("The mask changes nothing: hidden keys still get weight.",
                lambda scores, mask: scores.softmax(dim=-1)),
        Mistake("The mask came after the softmax: hidden keys have their share taken away, and nobody gets it. "
                "The rows no longer sum to 1.", lambda scores, mask: scores.softmax(dim=-1) * mask),
        Mistake("The mask is the wrong way round: True means may attend, and those keys have no weight.",
                lambda scores, mask: scores.masked_fill(mask, -math.inf).softmax(dim=-1)),
        Mistake("The mask is the wrong way round: True means may attend, and those keys have no weight.",
                lambda scores, mask: scores.masked_fill(mask, -math.inf).softmax(dim=-1).nan_to_num()),
        Mistake("A hidden score was set to 0, and e to the power 0 is 1: hidden keys still get weight.",
                lambda scores, mask: (scores * mask).softmax(dim=-1)),
        Mistake("NaN in row 1: a query that may attend to nothing. There the softmax divides 0 by 0.",
                lambda scores, mask: _fill(scores, mask, -math.inf)),
        Mistake("Row 1 may attend to nothing, and got equal weights: a large negative number hides a key only "
                "beside others that are larger.", lambda scores, mask: _fill(scores, mask, -1e9)),
        Mistake(HIDDEN_HIGHEST, lambda scores, mask: _by_powers(scores, mask, 0.0)),
        Mistake(HIDDEN_HIGHEST, lambda scores, mask: _by_powers(scores, mask, 1e-9)),
        Mistake("All weights together sum to 1, each row should: divide each row by its own sum.",
                lambda scores, mask: (scores - scores.max()).exp() * mask
                / ((scores - scores.max()).exp() * mask).sum()),
    ),
    returns=("weights",),
)  # fmt: skip


def check_masked_softmax(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a softmax with a mask: masked_softmax(scores, mask) gives weights, all three (..., n_q, n_k).

    >>> check_masked_softmax(lambda scores, mask: scores.softmax(dim=0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: masked_softmax: Each column sums to 1, each row should: the softmax runs over ...
    """
    MASKED_SOFTMAX.check(answer, seed)


# --- How many keys are looked at -------------------------------------------------------------------------------------


def _entropy(weights: Tensor) -> Tensor:
    return -torch.special.xlogy(weights, weights).sum(dim=-1)


def _looked_at(weights: Tensor) -> Tensor:
    return _entropy(weights).exp()


def _looked_cases(draw: Draw) -> list[Case]:
    n_q, n_k, b = draw.sizes(3, least=3)
    hard = torch.eye(n_k, dtype=torch.float64)[draw.whole(0, n_k - 1, n_q)]
    hidden = _masked_softmax(draw.normal(n_q, n_k), draw.mask(n_q, n_k))
    nil = "A weight of 0 adds nothing, but 0 · ln 0 is computed as 0 · -∞, which is NaN."
    return [
        Case("", (draw.normal(n_q, n_k).softmax(dim=-1),)),
        Case("with equal weights", (torch.full((n_q, n_k), 1 / n_k, dtype=torch.float64),)),
        Case("on a batch", (draw.normal(b, n_q, n_k).softmax(dim=-1),), "The keys are the last axis, dim=-1."),
        Case("with all weight on one key", (hard,), nil),
        Case("with hidden keys", (hidden,), nil),
    ]


LOOKED_AT = Task(
    "looked_at",
    _looked_at,
    _looked_cases,
    (
        Mistake("This is the entropy itself. For equal weights it gives ln n, and the task asks for n.",
                lambda w: -(w * w.log()).sum(dim=-1)),
        Mistake("This is the entropy itself. For equal weights it gives ln n, and the task asks for n.", _entropy),
        Mistake("NaN in the rows with a weight of 0: 0 · ln 0 is computed as 0 · -∞.",
                lambda w: (-(w * w.log()).sum(dim=-1)).exp()),
        Mistake("The sum runs over the queries; it should run over the keys, dim=-1.",
                lambda w: (-torch.special.xlogy(w, w).sum(dim=-2)).exp()),
        Mistake("One number for all queries: each query should have its own.",
                lambda w: (-torch.special.xlogy(w, w).sum()).exp()),
        Mistake("One number for all queries, their mean: each query should have its own.",
                lambda w: _looked_at(w).mean()),
        Mistake("The sign of the entropy is missing: w · ln w is negative, and so this is below 1.",
                lambda w: (-_entropy(w)).exp()),
        Mistake("Two bases are mixed: a logarithm of base 2 goes with powers of 2, ln with powers of e.",
                lambda w: (_entropy(w) / math.log(2)).exp()),
        Mistake("Two bases are mixed: a logarithm of base 2 goes with powers of 2, ln with powers of e.",
                lambda w: 2 ** _entropy(w)),
        Mistake("The terms were averaged over the keys; the formula adds them up.",
                lambda w: (_entropy(w) / w.shape[-1]).exp()),
        Mistake("It counts the keys with any weight at all, whether much or little.",
                lambda w: (w > 0).sum(dim=-1).to(w)),
    ),
    returns=("the number of keys",),
)  # fmt: skip


def check_looked_at(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a measure of looks: looked_at(weights) gives e to the power of the entropy, (..., n_q), of (..., n_q, n_k).

    >>> check_looked_at(lambda weights: weights.sum(dim=-1))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: looked_at: ...
    """
    LOOKED_AT.check(answer, seed)
