"""The stream of residuals: what it says before the last layer, and which part wrote the answer."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# ruff: noqa: N803 (the argument E is named as in the formula)

AXES = "Any axes may come between the first and the last: count axes from the end."


def _norm(x: Tensor, g: Tensor | None = None, s: Tensor | None = None) -> Tensor:
    return layer_norm(x, x.shape[-1:], g, s)


def _deviation(x: Tensor, dim: Any = -1, unbiased: bool = False) -> Tensor:
    return (x.var(dim=dim, keepdim=True, unbiased=unbiased) + 1e-5).sqrt()


def _centred(x: Tensor) -> Tensor:
    return x - x.mean(dim=-1, keepdim=True)


# --- What it says early ----------------------------------------------------------------------------------------------


def _read_early(streams: Tensor, g: Tensor, s: Tensor, E: Tensor) -> Tensor:
    return (_norm(streams, g, s) @ E.mT).argmax(dim=-1)


def _with(norm: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The same with another norm."""
    return lambda streams, g, s, E: (norm(streams, g, s) @ E.mT).argmax(dim=-1)


def _early_cases(draw: Draw) -> list[Case]:
    layers, n, b, vocabulary = draw.sizes(4, least=3)
    n, d, vocabulary = 12 * n, 4, 9 * vocabulary  # of few features n or n − 1 makes a difference

    def inputs(*leading: int) -> tuple[Tensor, ...]:
        growing = torch.arange(1, layers + 1, dtype=torch.float64).view(-1, *[1] * (len(leading) + 2))
        streams = growing * draw.normal(layers, *leading, n, d) + 3
        return streams, 1 + draw.normal(d), draw.normal(d), draw.normal(vocabulary, d)

    return [Case("", inputs()), Case("on a batch", inputs(b), AXES)]


READ_EARLY = Task(
    "read_early",
    _read_early,
    _early_cases,
    (
        Mistake("The norm is missing: the stream is read as it is.", _with(lambda x, g, s: x)),
        Mistake("g and s are missing: the norm's scale and shift.", _with(lambda x, g, s: _norm(x))),
        Mistake("s is missing: the norm's shift.", _with(lambda x, g, s: g * _norm(x))),
        Mistake("g is missing: the norm's scale.", _with(lambda x, g, s: _norm(x) + s)),
        Mistake("g and s have changed places.", _with(lambda x, g, s: _norm(x, s, g))),
        Mistake("The shift is scaled too. First g, then s.", _with(lambda x, g, s: g * (_norm(x) + s))),
        Mistake("The mean is not subtracted: x was divided by the root of its mean square, as an RMS norm does.",
                _with(lambda x, g, s: g * x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() + s)),
        Mistake("The mean is not subtracted in the norm.", _with(lambda x, g, s: g * x / _deviation(x) + s)),
        Mistake("The variance was taken with n − 1. A norm divides by the number of features.",
                _with(lambda x, g, s: g * _centred(x) / _deviation(x, unbiased=True) + s)),
        Mistake("Divided by the variance, where its root is meant.",
                _with(lambda x, g, s: g * _centred(x) / _deviation(x) ** 2 + s)),
        Mistake("The spread is not brought to 1 in the norm: only the mean is subtracted.",
                _with(lambda x, g, s: g * _centred(x) + s)),
        Mistake("Mean and variance are taken over the tokens. Each token is normalised alone.",
                _with(lambda x, g, s: g * (x - x.mean(dim=-2, keepdim=True)) / _deviation(x, -2) + s)),
        Mistake("Mean and variance are taken over the layers. Each layer's stream is normalised alone.",
                _with(lambda x, g, s: g * (x - x.mean(dim=0)) / _deviation(x, 0) + s)),
        Mistake("What each layer *adds* is read. The stream is all that was added so far, as it is handed over.",
                _with(lambda x, g, s: _norm(torch.cat([x[:1], x.diff(dim=0)]), g, s))),
        Mistake("The streams were added up. Each holds what came before it already.",
                _with(lambda x, g, s: _norm(x.cumsum(dim=0), g, s))),
        Mistake("Only the last layer is read. Each should be.", _with(lambda x, g, s: _norm(x[-1], g, s))),
        Mistake("These are the logits. The likeliest token at each place is asked for.",
                lambda x, g, s, E: _norm(x, g, s) @ E.mT),
        Mistake("These are probabilities. The likeliest token at each place is asked for.",
                lambda x, g, s, E: (_norm(x, g, s) @ E.mT).softmax(dim=-1)),
        Mistake("This is the token whose embedding lies nearest. A logit is a product: a long embedding may win.",
                lambda x, g, s, E: (_norm(x, g, s).unsqueeze(-2) - E).norm(dim=-1).argmin(dim=-1)),
        Mistake("This is the *least* likely token.", lambda x, g, s, E: (_norm(x, g, s) @ E.mT).argmin(dim=-1)),
        Mistake("These are the largest logits. The token that has each is asked for.",
                lambda x, g, s, E: (_norm(x, g, s) @ E.mT).amax(dim=-1)),
        Mistake("For each token of the vocabulary a place was chosen. It should be a token for each place: the last "
                "axis.", lambda x, g, s, E: (_norm(x, g, s) @ E.mT).argmax(dim=-2)),
        Mistake("Only the last stream was normalised. Each should be read as if it were the last.",
                _with(lambda x, g, s: torch.cat([x[:-1], _norm(x[-1:], g, s)]))),
        Mistake("The embeddings were brought to one length. A logit is the product with them as they are.",
                lambda x, g, s, E: _read_early(x, g, s, E / E.norm(dim=-1, keepdim=True))),
    ),
    returns=("the result",),
)  # fmt: skip


def check_read_early(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check what a model would say after each layer: read_early(streams, g, s, E), tokens (layers, ..., n).

    >>> check_read_early(lambda streams, g, s, E: (streams @ E.mT).argmax(dim=-1))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: read_early: The norm is missing: the stream is read as it is....
    """
    READ_EARLY.check(answer, seed)


# --- Who wrote the answer --------------------------------------------------------------------------------------------


def _written_by(parts: Tensor, g: Tensor, e: Tensor) -> Tensor:
    return (_centred(parts) / _deviation(parts.sum(dim=0)) * g * e).sum(dim=-1)


def _scaled(scale: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """Shares divided by something else than the deviation of the whole stream."""
    return lambda parts, g, e: (_centred(parts) / scale(parts) * g * e).sum(dim=-1)


def _without_each(parts: Tensor, g: Tensor, e: Tensor) -> Tensor:
    whole = parts.sum(dim=0)
    return ((_norm(whole) - _norm(whole - parts)) * g * e).sum(dim=-1)


def _so_far(parts: Tensor, g: Tensor, e: Tensor) -> Tensor:
    return (_norm(parts.cumsum(dim=0)) * g * e).sum(dim=-1)


def _steps(parts: Tensor, g: Tensor, e: Tensor) -> Tensor:
    steps = _so_far(parts, g, e)
    return torch.cat([steps[:1], steps.diff(dim=0)])


def _written_cases(draw: Draw) -> list[Case]:
    m, n, d, b = draw.sizes(4, least=3)
    d *= 2

    def inputs(*leading: int) -> tuple[Tensor, ...]:
        sizes = torch.arange(1, m + 1, dtype=torch.float64).view(-1, *[1] * (len(leading) + 2))
        parts = 10 * sizes * (draw.normal(m, *leading, n, d) + 0.5)
        return parts, 1 + draw.normal(d) / 2, draw.normal(*leading, n, d)

    return [Case("", inputs()), Case("on a batch", inputs(b), AXES)]


WRITTEN_BY = Task(
    "written_by",
    _written_by,
    _written_cases,
    (
        Mistake("Each part was normalised by itself, so that they no longer sum to the logit. The norm divides their "
                "sum, by one σ for all.", _scaled(lambda parts: _deviation(parts))),
        Mistake("The parts' means are missing: a norm subtracts the mean of the sum, which is the sum of their means.",
                lambda parts, g, e: (parts / _deviation(parts.sum(dim=0)) * g * e).sum(dim=-1)),
        Mistake("Every part lost the mean of the whole sum. Each should lose its own.",
                lambda parts, g, e: ((parts - parts.sum(dim=0).mean(dim=-1, keepdim=True))
                                     / _deviation(parts.sum(dim=0)) * g * e).sum(dim=-1)),
        Mistake("The mean of the parts at each feature was subtracted. A norm subtracts the mean over the features.",
                lambda parts, g, e: ((parts - parts.mean(dim=0)) / _deviation(parts.sum(dim=0)) * g * e).sum(dim=-1)),
        Mistake("The norm's division is missing.", _scaled(lambda parts: torch.ones_like(parts[:1]))),
        Mistake("Divided by the variance, where its root is meant.",
                _scaled(lambda parts: _deviation(parts.sum(dim=0)) ** 2)),
        Mistake("The variance was taken with n − 1. A norm divides by the number of features.",
                _scaled(lambda parts: _deviation(parts.sum(dim=0), unbiased=True))),
        Mistake("One σ for all tokens. Each token has its own.", _scaled(lambda parts: _deviation(
            parts.sum(dim=0), (-2, -1)))),
        Mistake("σ was taken over the tokens. It is that of each token's features.",
                _scaled(lambda parts: _deviation(parts.sum(dim=0), -2))),
        Mistake("σ is that of the mean of the parts. The stream is their sum.",
                _scaled(lambda parts: _deviation(parts.mean(dim=0)))),
        Mistake("Divided by the length of the whole stream. A norm divides by its standard deviation.",
                _scaled(lambda parts: parts.sum(dim=0).norm(dim=-1, keepdim=True))),
        Mistake("The parts' variances were added up. The variance of a sum is another: parts may agree or cancel.",
                _scaled(lambda parts: (_deviation(parts) ** 2).sum(dim=0).sqrt())),
        Mistake("σ is that of all numbers of all parts. The norm sees their sum alone.",
                _scaled(lambda parts: _deviation(parts, (0, -1)))),
        Mistake("Each part was divided by the σ of the stream up to it. The last norm sees the whole sum.",
                _scaled(lambda parts: _deviation(parts.cumsum(dim=0)))),
        Mistake("g is missing: the norm's scale.", lambda parts, g, e: _written_by(parts, torch.ones_like(g), e)),
        Mistake("Every part has the same share: the logit was divided by their number.",
                lambda parts, g, e: _written_by(parts, g, e).mean(dim=0, keepdim=True).expand(parts.shape[:-1])),
        Mistake("g and e are added here. Each number is multiplied by both.",
                lambda parts, g, e: (_centred(parts) / _deviation(parts.sum(dim=0)) * (g + e)).sum(dim=-1)),
        Mistake("There is no norm at all: these are plain products of the parts with e.",
                lambda parts, g, e: (parts * e).sum(dim=-1)),
        Mistake("There is no norm, but its scale: these are products of the parts with g and e.",
                lambda parts, g, e: (parts * g * e).sum(dim=-1)),
        Mistake("This is what is lost if a part is taken out and σ changes with it. The task keeps the σ that was.",
                _without_each),
        Mistake("This is the logit of all parts up to each.", _so_far),
        Mistake("These are the steps from one early logit to the next, each with another σ. The task has one σ.",
                _steps),
        Mistake("The shares were added up, part by part.",
                lambda parts, g, e: _written_by(parts, g, e).cumsum(dim=0)),
        Mistake("The shares were divided by their sum. The task asks for logits.",
                lambda parts, g, e: _written_by(parts, g, e) / _written_by(parts, g, e).sum(dim=0)),
        Mistake("The signs are lost: a part may speak against the token.",
                lambda parts, g, e: _written_by(parts, g, e).abs()),
        Mistake("This is what all *other* parts wrote.",
                lambda parts, g, e: _written_by(parts, g, e).sum(dim=0) - _written_by(parts, g, e)),
        Mistake("All parts were added up: this is the logit. A number for each part is asked for.",
                lambda parts, g, e: _written_by(parts, g, e).sum(dim=0)),
        Mistake("Each feature has a number still: the sum over the features is missing.",
                lambda parts, g, e: _centred(parts) / _deviation(parts.sum(dim=0)) * g * e),
        Mistake("This is the mean over the features. A product of two vectors is a sum.",
                lambda parts, g, e: _written_by(parts, g, e) / parts.shape[-1]),
    ),
    returns=("the result",),
)  # fmt: skip


def check_written_by(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check how much of a logit each part wrote: written_by(parts, g, e), (m, ..., n).

    >>> check_written_by(lambda parts, g, e: (parts * e).sum(dim=-1))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: written_by: There is no norm at all: these are plain products of the parts with ...
    """
    WRITTEN_BY.check(answer, seed)
