"""What training needs of attention: a look-up through which gradients flow, and those gradients by formula."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.attention import attend
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function
from attnbook.exercises._task import Mistake, Task
from attnbook.measuring import peak_bytes

Pair = tuple[Tensor, Tensor]

# --- A look-up that can be trained -----------------------------------------------------------------------------------


def _look_back(scores: Tensor, values: Tensor) -> Pair:
    return attend(scores, values)


def _average(weights: Tensor, values: Tensor) -> Pair:
    return weights @ values, weights


def _look_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, b = draw.sizes(4)
    scores, values = draw.normal(n_q, n_k), draw.normal(n_k, d)
    train = "The outputs are right; look at what training gets."
    return [
        Case("", (scores, values)),
        Case("on a batch", (draw.normal(b, n_q, n_k), draw.normal(b, n_k, d)), "The keys are the last axis of scores."),
        Case("with scores in the thousands", (1000 * scores + 5000, values), "e to the power 1000 overflows."),
        Case("backwards", (scores, values), train, backward=True),
    ]


def _lost_sum(scores: Tensor, values: Tensor) -> Pair:
    e = (scores - scores.detach().amax(dim=-1, keepdim=True)).exp()
    return _average(e / e.sum(dim=-1, keepdim=True).detach(), values)


CUT = "The outputs are right to the last digit, but no gradient reaches the scores: training could never change where \
it looks. Something between scores and weights was cut off from training."

LOOK_BACK = Task(
    "look_back",
    _look_back,
    _look_cases,
    (
        Mistake("Each column sums to 1, each row should: the softmax runs over the keys, dim=-1.",
                lambda scores, values: _average(scores.softmax(dim=-2), values)),
        Mistake(CUT, lambda scores, values: _average(scores.detach().softmax(dim=-1), values)),
        Mistake("The outputs are right, but no gradient reaches the values: the encoder that writes them would not "
                "learn from what was read.",
                lambda scores, values: _average(scores.softmax(dim=-1), values.detach())),
        Mistake("The outputs are right, but no gradient reaches anything: neither scores nor values could learn.",
                lambda scores, values: attend(scores.detach(), values.detach())),
        Mistake("Half of the gradient of the scores is missing: the sum below the fraction line depends on the scores "
                "too, and it was cut off from training.", _lost_sum),
        Mistake("This is a hard look-up, which takes the value of the largest score.",
                lambda scores, values: _average(torch.eye(scores.shape[-1]).to(scores)[scores.argmax(dim=-1)], values)),
        Mistake("The scores themselves were used as weights: they must become positive, and sum to 1.", _average),
        Mistake("The weights do not sum to 1: the powers of e are still to be divided by their sum.",
                lambda scores, values: _average(scores.exp(), values)),
        Mistake("The two things that are returned have changed places: first the context, then the weights.",
                lambda scores, values: attend(scores, values)[::-1]),
    ),
    returns=("the context", "weights"),
)  # fmt: skip


def check_look_back(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a look-up: look_back(scores, values) gives context and weights, and lets gradients through.

    >>> import torch
    >>> def cut_off(scores, values):
    ...     with torch.no_grad():
    ...         weights = scores.softmax(dim=-1)
    ...     return weights @ values, weights
    >>> check_look_back(cut_off)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: look_back: The outputs are right to the last digit, but no gradient reaches the ...
    """
    LOOK_BACK.check(answer, seed)


# --- The same gradient by formula ------------------------------------------------------------------------------------


def _pull(weights: Tensor, values: Tensor, output_gradient: Tensor) -> Tensor:
    """(v_j - c_i) · g_i, for query i and key j."""
    return output_gradient @ values.mT - (output_gradient * (weights @ values)).sum(dim=-1, keepdim=True)


def _score_gradient(weights: Tensor, values: Tensor, output_gradient: Tensor) -> Tensor:
    return weights * _pull(weights, values, output_gradient)


def _gradient_inputs(draw: Draw, n_q: int, n_k: int, d: int, *leading: int) -> tuple[Tensor, ...]:
    weights = draw.normal(*leading, n_q, n_k).softmax(dim=-1)
    return weights, draw.normal(*leading, n_k, d), draw.normal(*leading, n_q, d)


def _gradient_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, b = draw.sizes(4)
    axes = "Any axes may come before. `values.T` turns all axes around, `values.mT` the last two."
    return [
        Case("with one query and values of one number", _gradient_inputs(draw, 1, n_k, 1)),
        Case("with wider values", _gradient_inputs(draw, 1, n_k, d),
             "Each coordinate of the context pulls at the score by itself; what they do is added up."),
        Case("with several queries", _gradient_inputs(draw, n_q, n_k, d), "Each query has a context of its own."),
        Case("on a batch", _gradient_inputs(draw, n_q, n_k, d, b), axes),
    ]  # fmt: skip


def _memory(answer: Function) -> str:
    weights, values, output_gradient = torch.ones(16, 17), torch.ones(17, 64), torch.ones(16, 64)
    peak, largest = peak_bytes(lambda: answer(weights, values, output_gradient)), 4 * 16 * 17 * 64
    if peak < largest:
        return ""
    return (
        "score_gradient: The numbers are right, but v_j - c_i stands in memory for every pair of a query and a key: "
        f"{peak:,} bytes at the worst moment for weights (16, 17) and values (17, 64). What is the dot product of a "
        "difference and a vector?"
    )


SCORE_GRADIENT = Task(
    "score_gradient",
    _score_gradient,
    _gradient_cases,
    (
        Mistake("This is the gradient of the weights. A score moves all weights of its row at once: where is the "
                "context in the formula?", lambda weights, values, g: g @ values.mT),
        Mistake("The context is missing from the formula: a score pulls from where the context is.",
                lambda weights, values, g: weights * (g @ values.mT)),
        Mistake("The weight is missing: a key that has little weight pulls little.", _pull),
        Mistake("The sign is turned around: a score pulls the context towards its value, and not away.",
                lambda weights, values, g: -_score_gradient(weights, values, g)),
        Mistake("The context was taken to be the plain mean of the values.",
                lambda weights, values, g: weights * (g @ (values - values.mean(dim=-2, keepdim=True)).mT)),
        Mistake("The coordinates were averaged; what they do is added up.",
                lambda weights, values, g: _score_gradient(weights, values, g) / g.shape[-1]),
        Mistake("The queries were added up before the weights came: each query has a row of its own.",
                lambda weights, values, g: weights * _score_gradient(weights, values, g).sum(dim=-2, keepdim=True)),
        Mistake("The weight multiplies one term of the difference alone; in the formula it stands before the bracket.",
                lambda weights, values, g: weights * (g @ values.mT) - (g * (weights @ values)).sum(-1, keepdim=True)),
        Mistake("The gradient of the context is not used: how does the loss depend on the context?",
                lambda weights, values, g: _score_gradient(weights, values, torch.ones_like(g))),
        Mistake("The weights came in twice.",
                lambda weights, values, g: weights * _score_gradient(weights, values, g)),
    ),
    returns=("the gradient",),
    beyond=_memory,
)  # fmt: skip


def check_score_gradient(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the gradient of the scores: score_gradient(weights, values, output_gradient), (..., n_q, n_k).

    >>> check_score_gradient(lambda weights, values, output_gradient: weights)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: score_gradient: The gradient differs most at ...
    """
    SCORE_GRADIENT.check(answer, seed)
