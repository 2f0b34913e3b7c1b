"""What a softmax lets through: gradients by hand and in code, and the temperature that keeps it open."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.scores import dot

# --- By hand: two keys with scores s and 0 and values 1 and 0; s = ln 3, 2 ln 3, 4 ln 3 -------------------------------

FIRST = (3 / 4, 9 / 10, 81 / 82)  # the first key's weights

GRADIENTS = by_hand(
    "gradients",
    tuple(w * (1 - w) for w in FIRST),
    ("These are the weights of the first key. How does such a weight move with its score?", FIRST),
    ("These are the weights of the other key.", tuple(1 - w for w in FIRST)),
    ("Only the first of the three is right: the weights change with the scores.", (3 / 16,) * 3),
    ("These are squares of the weights. The other key takes part too.", tuple(w * w for w in FIRST)),
    ("This is the trace 1 − Σ w², which counts both keys.", tuple(2 * w * (1 - w) for w in FIRST)),
    ("The weight of the first key is a factor too.", tuple((1 - w) ** 2 for w in FIRST)),
    ("Only the first of the three is right: the gradient does not just shrink as 1/s.", (3 / 16, 3 / 32, 3 / 64)),
    ("The sign is turned around: a larger score brings more of the first value.", tuple(w * (w - 1) for w in FIRST)),
    ("3 to the power 4 is 81: a score of 4 ln 3 is not four times one of ln 3 in its weight.",
     (3 / 16, 6 / 49, 12 / 169)),
    ("The outer scores' order is turned around.", tuple(w * (1 - w) for w in FIRST[::-1])),
)  # fmt: skip


def check_gradients(answer: Any) -> None:
    """Check three gradients of a softmax that were predicted by hand.

    >>> check_gradients((3 / 4, 9 / 10, 81 / 82))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: gradients: These are the weights of the first key. How does such a weight move ...
    """
    check_numbers(GRADIENTS, answer)


# --- The gradient that reaches a query -------------------------------------------------------------------------------


def _parts(q: Tensor, k: Tensor, v: Tensor, scale: float, dim: int = -1) -> tuple[Tensor, Tensor]:
    """The weights, and how the sum of all outputs moves with each of them."""
    weights = (scale * dot(q, k)).softmax(dim=dim)
    return weights, v.sum(dim=-1).unsqueeze(-2).expand_as(weights)


def _of_scores(q: Tensor, k: Tensor, v: Tensor, scale: float, dim: int = -1) -> Tensor:
    w, u = _parts(q, k, v, scale, dim)
    return w * (u - (w * u).sum(dim=dim, keepdim=True))


def _of_query(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    return scale * _of_scores(q, k, v, scale) @ k


def _with(made: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The query's gradient with another gradient of the scores, made of weights and u."""
    return lambda q, k, v, scale: scale * made(*_parts(q, k, v, scale)) @ k


def _of_squares(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    w, _ = _parts(q, k, v, scale)
    u = 2 * (w @ v) @ v.mT
    return scale * (w * (u - (w * u).sum(dim=-1, keepdim=True))) @ k


def _query_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d, d_v, b = draw.sizes(5)
    axes = "Any axes may come before the last two."
    return [
        Case("", (draw.normal(n_q, d), draw.normal(n_k, d), draw.normal(n_k, d_v), 0.8)),
        Case("with a small scale", (draw.normal(n_q, d), draw.normal(n_k, d), draw.normal(n_k, d_v), 0.1),
             "Is the scale used throughout?"),
        Case("on a batch", (draw.normal(b, n_q, d), draw.normal(b, n_k, d), draw.normal(b, n_k, d_v), 0.5), axes),
    ]  # fmt: skip


QUERY_GRADIENT = Task(
    "query_gradient",
    _of_query,
    _query_cases,
    (
        Mistake("The scale is missing on the way back: it stands between the scores and the query as well.",
                lambda q, k, v, c: _of_scores(q, k, v, c) @ k),
        Mistake("The scale changes nothing.", lambda q, k, v, c: _of_query(q, k, v, 1)),
        Mistake("The scale changes nothing: it is always 1/√d here.",
                lambda q, k, v, c: _of_query(q, k, v, q.shape[-1] ** -0.5)),
        Mistake("It is divided by the scale, and should be multiplied.", lambda q, k, v, c: _of_query(q, k, v, 1 / c)),
        Mistake("This is the gradient of the scores. One more step leads from them to the query.", _of_scores),
        Mistake("This is the gradient of the keys.", lambda q, k, v, c: c * _of_scores(q, k, v, c).mT @ q),
        Mistake("This is the gradient of the mean of all outputs. The task asks for that of their sum.",
                lambda q, k, v, c: _of_query(q, k, v, c) / (q[..., 0].numel() * v.shape[-1])),
        Mistake("The coordinates of the outputs were averaged; the task adds them up.",
                lambda q, k, v, c: _of_query(q, k, v, c) / v.shape[-1]),
        Mistake("It is zero everywhere. Either weights were added up in place of outputs, or the softmax runs over the "
                "queries: such sums are the same whatever is asked.",
                lambda q, k, v, c: torch.zeros_like(q)),
        Mistake("The softmax is missing: this is the gradient of scores that were used as weights.",
                _with(lambda w, u: u)),
        Mistake("The average of the u is missing from the bracket: a row's weights share one whole.",
                _with(lambda w, u: w * u)),
        Mistake("The weight is missing: a key without weight should have no part in it.",
                _with(lambda w, u: u - (w * u).sum(dim=-1, keepdim=True))),
        Mistake("This is the diagonal of the softmax's Jacobian alone. Each weight moves with all scores of its row.",
                _with(lambda w, u: w * (1 - w) * u)),
        Mistake("The softmax runs over the queries; it should run over the keys, dim=-1.",
                lambda q, k, v, c: c * _of_scores(q, k, v, c, -2) @ k),
        Mistake("This is the gradient's length. The task asks for the gradient itself.",
                lambda q, k, v, c: _of_query(q, k, v, c).norm(dim=-1)),
        Mistake("The sign is turned around.", lambda q, k, v, c: -_of_query(q, k, v, c)),
        Mistake("The scale came in twice on the way back.", lambda q, k, v, c: c * _of_query(q, k, v, c)),
        Mistake("This is the gradient of a sum of squares. The loss is the sum of the outputs.", _of_squares),
        Mistake("Only the first number of each output was added up: the loss is the sum of all.",
                lambda q, k, v, c: _of_query(q, k, v[..., :1], c)),
        Mistake("The plain mean of the u was taken off; it is weighted.",
                _with(lambda w, u: w * (u - u.mean(dim=-1, keepdim=True)))),
    ),
    returns=("the query's gradient",),
)  # fmt: skip


def check_query_gradient(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the gradient that reaches the queries: query_gradient(q, k, v, scale), of the shape of q.

    >>> check_query_gradient(lambda q, k, v, scale: q * 0)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: query_gradient: It is zero everywhere. Either weights were added up in place ...
    """
    QUERY_GRADIENT.check(answer, seed)


# --- The temperature that looks at so many keys ----------------------------------------------------------------------


def _keys(weights: Tensor) -> Tensor:
    return (-torch.special.xlogy(weights, weights).sum(dim=-1)).exp()


def _search(scores: Tensor, keys: float, measure: Callable[[Tensor], Tensor] = _keys) -> Tensor:
    """Halve the range of temperatures, by ratios, until what is measured of the weights is `keys`."""
    low, high = (torch.full_like(scores[..., 0], t) for t in (1e-7, 1e7))
    middle = low
    for _ in range(120):
        middle = (low * high).sqrt()
        more = measure((scores / middle.unsqueeze(-1)).softmax(dim=-1)) > keys
        low, high = torch.where(more, low, middle), torch.where(more, middle, high)
    return middle


def _temperature(scores: Tensor, keys: float) -> Tensor:
    return _search(scores, keys)


def _wrong_half(scores: Tensor, keys: float, up: float, down: float) -> Tensor:
    """Where a search from 1 on arrives that always goes `up` when it should go down, and `down` when up."""
    at_one = scores.softmax(dim=-1)
    return torch.where(_keys(at_one) > keys, at_one.new_tensor(up), at_one.new_tensor(down))


def _temperature_cases(draw: Draw) -> list[Case]:
    n_q, n_k, b = draw.sizes(3, least=5)
    scores = draw.normal(n_q, n_k)
    far = "The right temperature may be far from 1. How far does your search reach?"
    return [
        Case("", (scores, 1.5)),
        Case("for nearly all keys", (scores, n_k - 0.5)),
        Case("for little more than one", (scores, 1.1), f"Weights may come out as 0, and 0 · ln 0 as NaN. {far}"),
        Case("with scores in the thousands", (1000 * scores, 2.5), far),
        Case("with scores of thousandths", (scores / 10000, 2.5), far),
        Case("on a batch", (draw.normal(b, n_q, n_k), 3.0), "The keys are the last axis, dim=-1."),
    ]  # fmt: skip


def _bits(weights: Tensor) -> Tensor:
    return (_keys(weights).log() / math.log(2)).exp()


TEMPERATURE_FOR = Task(
    "temperature_for",
    _temperature,
    _temperature_cases,
    (
        Mistake("The entropy itself was made equal to `keys`. It is the logarithm of the number of keys looked at.",
                lambda scores, keys: _search(scores, keys, lambda w: _keys(w).log())),
        Mistake("Two bases are mixed: entropy in bits goes with powers of 2, with ln it goes with powers of e.",
                lambda scores, keys: _search(scores, keys, _bits)),
        Mistake("This is one over the temperature: scores are divided by it.",
                lambda scores, keys: 1 / _search(scores, keys)),
        Mistake("One temperature for all queries, at which they look at so many keys on average: each query should "
                "have its own.",
                lambda scores, keys: _search(scores, keys, lambda w: _keys(w).mean().expand_as(w[..., 0]))),
        *(Mistake("The search runs to an end of its range: each step keeps the wrong half. A higher temperature looks "
                  "at more keys, and it divides the scores.",
                  lambda scores, keys, up=up, down=1 / up: _wrong_half(scores, keys, up, down))
          for up in (1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)),
        Mistake("This is the spread of the scores. The temperature should depend on `keys` too.",
                lambda scores, keys: scores.std(dim=-1)),
        Mistake("This counts keys by 1 / Σ w², the sum of squares. The task asks for e to the entropy.",
                lambda scores, keys: _search(scores, keys, lambda w: 1 / w.square().sum(dim=-1))),
        Mistake("There is a 1/√n or the like in it that the task does not have: the scores are used as they are.",
                lambda scores, keys: _search(scores / scores.shape[-1] ** 0.5, keys)),
        Mistake("The weights are taken over the queries; a row's softmax runs over the keys.",
                lambda scores, keys: _search(scores.mT, keys)),
    ),
    returns=("the temperature",),
)  # fmt: skip


def check_temperature_for(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a search for temperatures: temperature_for(scores, keys), one for each query, (..., n_q).

    >>> check_temperature_for(lambda scores, keys: scores.sum())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: temperature_for: The shape of the temperature is (), and ...
    """
    TEMPERATURE_FOR.check(answer, seed)
