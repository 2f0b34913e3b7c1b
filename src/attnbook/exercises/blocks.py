"""A Transformer's block: both places of the norm by hand, a decoder layer's parameters, and the residual."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import gelu, layer_norm

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# ruff: noqa: N803 (the arguments W_1 and W_2 are named as in the formula)

# --- By hand: x = (0, 6, 6, 8), g = (3, 3, 6, 3), s = (1, 0, 0, 0); the part turns around what it reads ---------------

ROOT_12 = math.sqrt(12)  # the standard deviation with n − 1
ROOT_MIXED = math.sqrt(4.25)  # that of (3, 8, 7, 4)

PRE_NORM = by_hand(
    "pre_norm",
    (3, 8, 7, 4),
    ("This is post-norm. In pre-norm the norm stands before the part, and nothing behind the sum.", (-2, 3, 6, -3)),
    ("The part's answer was added to the norm's copy. Add it to x itself, as it was before.", (-1, 3, 3, -1)),
    ("The residual is missing: this is what the part answers.", (3, 2, 1, -4)),
    ("The part read x itself. It should read norm(x).", (8, 12, 12, 8)),
    ("This is norm(x), what the part reads.", (-4, 1, 2, 3)),
    ("The part did not turn around what it read.", (-4, 7, 8, 11)),
    ("g and s are missing from the norm.", (1, 6 + 1 / 3, 6 + 1 / 3, 8 - 5 / 3)),
    ("The shift s is missing from the norm.", (3, 8, 7, 3)),
    ("The shift was scaled too. First g, then s.", (3, 8, 7, 6)),
    ("Divided by the variance, where its root is meant.", (1, 6 + 2 / 3, 6 + 1 / 3, 8 - 2 / 3)),
    ("The mean was not subtracted.", (8, 18, 12, 9)),
    ("The squares were divided by 3 for their mean. A norm divides by all four.",
     (9 / ROOT_12, 6 + 6 / ROOT_12, 6 + 3 / ROOT_12, 9 - 15 / ROOT_12)),
)  # fmt: skip

POST_NORM = by_hand(
    "post_norm",
    (-2, 3, 6, -3),
    ("This is pre-norm. In post-norm the norm stands behind the sum.", (3, 8, 7, 4)),
    ("The sum is right; the norm is missing.", (8, 12, 12, 8)),
    ("The residual is missing: the part's answer alone was normalised.", (4, 1, 2, -5)),
    ("Only the part's answer was normalised, and added to x. The norm takes the sum.", (4, 7, 8, 3)),
    ("This is norm(x). The part is missing.", (-4, 1, 2, 3)),
    ("The norm came before the part, and none behind the sum; and the sum began with the norm's copy.", (-1, 3, 3, -1)),
    ("The part read norm(x) here. In post-norm it reads x itself.",
     (1 - 7.5 / ROOT_MIXED, 7.5 / ROOT_MIXED, 9 / ROOT_MIXED, -4.5 / ROOT_MIXED)),
    ("g and s are missing from the norm.", (-1, 1, 1, -1)),
    ("The shift s is missing from the norm.", (-3, 3, 6, -3)),
    ("The shift was scaled too. First g, then s.", (0, 3, 6, -3)),
    ("Divided by the variance, where its root is meant.", (-0.5, 1.5, 3, -1.5)),
    ("The mean was not subtracted.", (13, 18, 36, 12)),
)  # fmt: skip

# d = 64, d_ff = 256, and an encoder of width 48.
OWN, ASKING, ANSWERING, NETWORK, NORM = 4 * 64 * 65, 2 * 64 * 65, 2 * (48 * 64 + 64), 2 * 64 * 256 + 256 + 64, 2 * 64

DECODER_PARAMETERS = by_hand(
    "decoder_parameters",
    OWN + ASKING + ANSWERING + NETWORK + 3 * NORM,
    ("Here the encoder is as wide as the decoder. Its width of 48 meets two of the matrices.",
     2 * OWN + NETWORK + 3 * NORM),
    ("This is an encoder layer with a norm too many: the cross-attention is missing.", OWN + NETWORK + 3 * NORM),
    ("This is an encoder layer: the cross-attention and its norm are missing.", OWN + NETWORK + 2 * NORM),
    ("The norms are missing.", OWN + ASKING + ANSWERING + NETWORK),
    ("There are three norms, one before each part.", OWN + ASKING + ANSWERING + NETWORK + 2 * NORM),
    ("Each norm has a scale and a shift for each of the 64 numbers.", OWN + ASKING + ANSWERING + NETWORK + 3 * 64),
    ("The biases are missing.", 4 * 64 * 64 + 2 * 64 * 64 + 2 * 48 * 64 + 2 * 64 * 256 + 3 * NORM),
    ("The network's biases are missing.", OWN + ASKING + ANSWERING + 2 * 64 * 256 + 3 * NORM),
    ("The biases of the attentions are missing.",
     4 * 64 * 64 + 2 * 64 * 64 + 2 * 48 * 64 + NETWORK + 3 * NORM),
    ("The keys' and values' matrices lead from 48 numbers to 64, and so have 64 biases each.",
     OWN + ASKING + 2 * (48 * 64 + 48) + NETWORK + 3 * NORM),
    ("The keys and values come from 48 numbers, but heads compare them with queries: they are 64 wide.",
     OWN + ASKING + 2 * 48 * 49 + NETWORK + 3 * NORM),
    ("The whole cross-attention is 48 wide here. Its queries and its output belong to the decoder.",
     OWN + 4 * 48 * 49 + NETWORK + 3 * NORM),
    ("Only one of keys and values comes from the encoder here. Both do.",
     OWN + 3 * 64 * 65 + 48 * 64 + 64 + NETWORK + 3 * NORM),
    ("The queries were taken from the encoder too. They are the decoder's.",
     OWN + 64 * 65 + 3 * (48 * 64 + 64) + NETWORK + 3 * NORM),
    ("The network is missing.", OWN + ASKING + ANSWERING + 3 * NORM),
    ("The self-attention is missing.", ASKING + ANSWERING + NETWORK + 3 * NORM),
    ("The output matrices of both attentions are missing.",
     OWN + ASKING + ANSWERING + NETWORK + 3 * NORM - 2 * 64 * 65),
)  # fmt: skip


def check_pre_norm(answer: Any) -> None:
    """Check a token behind a pre-norm part that was worked out by hand.

    >>> check_pre_norm((-2, 3, 6, -3))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: pre_norm: This is post-norm....
    """
    check_numbers(PRE_NORM, answer)


def check_post_norm(answer: Any) -> None:
    """Check a token behind a post-norm part that was worked out by hand.

    >>> check_post_norm((8, 12, 12, 8))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: post_norm: The sum is right; the norm is missing.
    """
    check_numbers(POST_NORM, answer)


def check_decoder_parameters(answer: Any) -> None:
    """Check the number of parameters of a decoder layer whose encoder has another width.

    >>> check_decoder_parameters(2 * 4 * 64 * 65)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: decoder_parameters: The answer is not right.
    """
    check_numbers(DECODER_PARAMETERS, answer)


# --- The residual ----------------------------------------------------------------------------------------------------


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
    d *= 2

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
