"""A Transformer's block: what stands in the sum, and what the network reads."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# ruff: noqa: N803 (the arguments W_1 and W_2 are named as in the formula)


def _norm(x: Tensor, g: Tensor, s: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:], g, s)


def _plain(x: Tensor) -> Tensor:
    return layer_norm(x, x.shape[-1:])


def _block(x: Tensor, g: Tensor, s: Tensor, W_1: Tensor, W_2: Tensor) -> Tensor:
    return x + gelu(_norm(x, g, s) @ W_1) @ W_2


def _with_norm(norm: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The block with another norm."""
    return lambda x, g, s, W_1, W_2: x + gelu(norm(x, g, s) @ W_1) @ W_2


def _with_bend(bend: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """The block with another function between the network's layers."""
    return lambda x, g, s, W_1, W_2: x + bend(_norm(x, g, s) @ W_1) @ W_2


def _with_sum(total: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """The block with something else made of x, its norm and what the network adds."""

    def answer(x: Tensor, g: Tensor, s: Tensor, W_1: Tensor, W_2: Tensor) -> Tensor:
        read = _norm(x, g, s)
        return total(x, read, gelu(read @ W_1) @ W_2)

    return answer


def _standard(x: Tensor, dim: Any, unbiased: bool = False) -> Tensor:
    deviation = (x.var(dim=dim, keepdim=True, unbiased=unbiased) + 1e-5).sqrt()
    return (x - x.mean(dim=dim, keepdim=True)) / deviation


def _block_cases(draw: Draw) -> list[Case]:
    n, d, hidden, b, c = draw.sizes(5)
    d *= 4

    def inputs(*leading: int) -> tuple[Tensor, ...]:
        x = 30 * draw.normal(*leading, n, d) + 20  # so large that ε hardly counts
        g, s = 1 + draw.normal(d) / 2, draw.normal(d)
        return x, g, s, draw.normal(d, hidden) / d**0.5, 10 * draw.normal(hidden, d)

    x, *rest = inputs()
    alike = (torch.ones_like(x), *rest)
    return [
        Case("", inputs()),
        Case("on a batch", inputs(b), "Any axes may come before the last two: count axes from the end."),
        Case("with two batch axes", inputs(c, b), "Any axes may come before the last two: count axes from the end."),
        Case("with tokens whose numbers are all alike", alike, "Their variance is 0. For these ε is there."),
    ]


BLOCK = Task(
    "block",
    _block,
    _block_cases,
    (
        Mistake("What the network adds is right, and it is added to the normalised token: x itself is lost.",
                lambda x, g, s, W_1, W_2: _plain(x) + gelu(_norm(x, g, s) @ W_1) @ W_2),
        Mistake("The network's answer is added to what it read, norm(x), and not to x.",
                _with_sum(lambda x, read, added: read + added)),
        Mistake("The residual is missing: this is what the network adds.", _with_sum(lambda x, read, added: added)),
        Mistake("x is added twice.", _with_sum(lambda x, read, added: 2 * x + added)),
        Mistake("Both x and norm(x) are in the sum. Only x should be.",
                _with_sum(lambda x, read, added: x + read + added)),
        Mistake("x and what the network adds have different signs here.", _with_sum(lambda x, read, added: x - added)),
        Mistake("This is post-norm: the norm stands behind the sum.",
                lambda x, g, s, W_1, W_2: _norm(x + gelu(x @ W_1) @ W_2, g, s)),
        Mistake("There is a norm before the network and one behind the sum. Pre-norm has the first alone.",
                lambda x, g, s, W_1, W_2: _norm(_block(x, g, s, W_1, W_2), g, s)),
        Mistake("The network's answer is normalised before it is added.",
                lambda x, g, s, W_1, W_2: x + _norm(gelu(x @ W_1) @ W_2, g, s)),
        Mistake("There is no norm: the network reads x itself.", _with_norm(lambda x, g, s: x)),
        Mistake("g and s are missing: the norm's scale and shift.", _with_norm(lambda x, g, s: _plain(x))),
        Mistake("s is missing: the norm's shift.", _with_norm(lambda x, g, s: g * _plain(x))),
        Mistake("g is missing: the norm's scale.", _with_norm(lambda x, g, s: _plain(x) + s)),
        Mistake("The shift is scaled too. First g, then s.", _with_norm(lambda x, g, s: g * (_plain(x) + s))),
        Mistake("g and s have changed places.", _with_norm(lambda x, g, s: s * _plain(x) + g)),
        Mistake("The variance was taken with n − 1. A norm divides by the number of features.",
                _with_norm(lambda x, g, s: g * _standard(x, -1, True) + s)),
        Mistake("Divided by the variance, where its root is meant.",
                _with_norm(lambda x, g, s: g * _plain(x) / (x.var(dim=-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
                           + s)),
        Mistake("The mean is not subtracted: x was divided by the root of its mean square, as an RMS norm does.",
                _with_norm(lambda x, g, s: g * x / (x.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() + s)),
        Mistake("The mean is not subtracted.",
                _with_norm(lambda x, g, s: g * x / (x.var(dim=-1, unbiased=False, keepdim=True) + 1e-5).sqrt() + s)),
        Mistake("Each token was divided by its length, where its standard deviation is meant.",
                _with_norm(lambda x, g, s: g * _plain(x) / x.shape[-1] ** 0.5 + s)),
        Mistake("The mean is subtracted, and the spread is left as it was.",
                _with_norm(lambda x, g, s: g * (x - x.mean(dim=-1, keepdim=True)) + s)),
        Mistake("Mean and variance are taken over the tokens: each hears of all others. Each is normalised alone.",
                _with_norm(lambda x, g, s: g * _standard(x, -2) + s)),
        Mistake("One mean and one variance for all tokens. Each token is normalised alone.",
                _with_norm(lambda x, g, s: g * _standard(x, (-2, -1)) + s)),
        Mistake("The norm stands inside the network, on its hidden numbers. The network should read norm(x).",
                lambda x, g, s, W_1, W_2: x + gelu(_plain(x @ W_1)) @ W_2),
        Mistake("max(0, h) in place of GELU.", _with_bend(torch.relu)),
        Mistake("The GELU is missing: two matrices in a row are one.", _with_bend(lambda h: h)),
        Mistake("This is the GELU's approximation by tanh.", _with_bend(lambda h: gelu(h, approximate="tanh"))),
        Mistake("This is an approximation of the GELU by a sigmoid.", _with_bend(lambda h: h * (1.702 * h).sigmoid())),
        Mistake("This is the SiLU, h σ(h), in place of the GELU.", _with_bend(lambda h: h * h.sigmoid())),
        Mistake("A GELU too many, behind the second matrix.",
                lambda x, g, s, W_1, W_2: x + gelu(gelu(_norm(x, g, s) @ W_1) @ W_2)),
    ),
    returns=("the output",),
)  # fmt: skip


def check_block(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a pre-norm block with a small network: block(x, g, s, W_1, W_2), (..., n, d).

    >>> check_block(lambda x, g, s, W_1, W_2: x + gelu(x @ W_1) @ W_2)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: block: There is no norm: the network reads x itself....
    """
    BLOCK.check(answer, seed)
