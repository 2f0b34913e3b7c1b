"""A layer by hand: a token through both places of the norm, and the parameters of a decoder layer."""

import math
import random
from collections.abc import Sequence
from typing import Any

from attnbook.exercises._varied import Sheet, Varied

Four = Sequence[float]

# --- Norm first, norm last: x = (0, 6, 6, 8), g = (3, 3, 6, 3), s = (1, 0, 0, 0); the part turns around what it reads -


def _token(draw: random.Random) -> tuple[Four, Four, Four]:
    """A token whose deviations from its mean have a root mean square of 3, and with its reverse one of 2."""
    away = draw.choice([(-5, 1, 1, 3), (3, 1, 1, -5), (1, -5, 3, 1), (1, 3, -5, 1)])
    mean, sign, place = draw.randint(4, 9), draw.choice([-1, 1]), draw.randrange(4)
    scale = [3 * draw.randint(1, 3) for _ in range(4)]
    shift = tuple(draw.choice([-2, -1, 1, 2]) if i == place else 0 for i in range(4))
    return tuple(mean + sign * a for a in away), tuple(scale), shift


def _norm(x: Four, g: Four = (1, 1, 1, 1), s: Four = (0, 0, 0, 0)) -> list[float]:
    return [g_i * n + s_i for g_i, n, s_i in zip(g, _over(_centred(x), _spread(x)), s, strict=True)]


def _centred(x: Four) -> list[float]:
    return [number - sum(x) / 4 for number in x]


def _spread(x: Four, count: int = 4) -> float:
    return math.sqrt(sum(number**2 for number in _centred(x)) / count)


def _over(x: Four, divisor: float) -> list[float]:
    return [number / divisor for number in x]


def _scaled(x: Four, g: Four, s: Four) -> list[float]:
    return [g_i * number + s_i for g_i, number, s_i in zip(g, x, s, strict=True)]


def _shift_first(x: Four, g: Four, s: Four) -> list[float]:
    return [g_i * (n + s_i) for g_i, n, s_i in zip(g, _norm(x), s, strict=True)]


def _by_variance(x: Four, g: Four, s: Four) -> list[float]:
    return _scaled(_over(_centred(x), _spread(x) ** 2), g, s)


def _uncentred(x: Four, g: Four, s: Four) -> list[float]:
    return _scaled(_over(x, _spread(x)), g, s)


def _plus(x: Four, y: Four) -> list[float]:
    return [a + b for a, b in zip(x, y, strict=True)]


def _plus_turned(x: Four, read: Four) -> list[float]:
    """x and what the part answers to what it reads."""
    return _plus(x, read[::-1])


def _rounded(x: Four) -> tuple[int, ...]:
    return tuple(round(number) for number in x)


TOKEN = Sheet(
    ((0, 6, 6, 8), (3, 3, 6, 3), (1, 0, 0, 0)),
    _token,
    lambda x, g, s: [f"A token $x = {x}$ meets", f"The norm has the scale $g = {g}$ and the shift $s = {s}$;"],
)

PRE_NORM = Varied(
    "pre_norm",
    TOKEN,
    lambda x, g, s: _rounded(_plus_turned(x, _norm(x, g, s))),
    ("This is post-norm. In pre-norm the norm stands before the part, and nothing behind the sum.",
     lambda x, g, s: _norm(_plus_turned(x, x), g, s)),
    ("The part's answer was added to the norm's copy. Add it to x itself, as it was before.",
     lambda x, g, s: _plus_turned(_norm(x, g, s), _norm(x, g, s))),
    ("The residual is missing: this is what the part answers.", lambda x, g, s: _norm(x, g, s)[::-1]),
    ("The part read x itself. It should read norm(x).", lambda x, g, s: _plus_turned(x, x)),
    ("This is norm(x), what the part reads.", lambda x, g, s: _norm(x, g, s)),
    ("The part did not turn around what it read.", lambda x, g, s: _plus(x, _norm(x, g, s))),
    ("g and s are missing from the norm.", lambda x, g, s: _plus_turned(x, _norm(x))),
    ("The shift s is missing from the norm.", lambda x, g, s: _plus_turned(x, _norm(x, g))),
    ("The scale g is missing from the norm.", lambda x, g, s: _plus_turned(x, _norm(x, s=s))),
    ("The shift was scaled too. First g, then s.", lambda x, g, s: _plus_turned(x, _shift_first(x, g, s))),
    ("Divided by the variance, where its root is meant.", lambda x, g, s: _plus_turned(x, _by_variance(x, g, s))),
    ("The mean was not subtracted.", lambda x, g, s: _plus_turned(x, _uncentred(x, g, s))),
    ("The squares were divided by 3 for their mean. A norm divides by all four.",
     lambda x, g, s: _plus_turned(x, _scaled(_over(_centred(x), _spread(x, 3)), g, s))),
)  # fmt: skip

POST_NORM = Varied(
    "post_norm",
    TOKEN,
    lambda x, g, s: _rounded(_norm(_plus_turned(x, x), g, s)),
    ("This is pre-norm. In post-norm the norm stands behind the sum.",
     lambda x, g, s: _plus_turned(x, _norm(x, g, s))),
    ("The sum is right; the norm is missing.", lambda x, g, s: _plus_turned(x, x)),
    ("The residual is missing: the part's answer alone was normalised.", lambda x, g, s: _norm(x[::-1], g, s)),
    ("Only the part's answer was normalised, and added to x. The norm takes the sum.",
     lambda x, g, s: _plus(x, _norm(x[::-1], g, s))),
    ("This is norm(x). The part is missing.", lambda x, g, s: _norm(x, g, s)),
    ("The norm came before the part, and none behind the sum; and the sum began with the norm's copy.",
     lambda x, g, s: _plus_turned(_norm(x, g, s), _norm(x, g, s))),
    ("The part read norm(x) here. In post-norm it reads x itself.",
     lambda x, g, s: _norm(_plus_turned(x, _norm(x, g, s)), g, s)),
    ("g and s are missing from the norm.", lambda x, g, s: _norm(_plus_turned(x, x))),
    ("The shift s is missing from the norm.", lambda x, g, s: _norm(_plus_turned(x, x), g)),
    ("The scale g is missing from the norm.", lambda x, g, s: _norm(_plus_turned(x, x), s=s)),
    ("The shift was scaled too. First g, then s.", lambda x, g, s: _shift_first(_plus_turned(x, x), g, s)),
    ("Divided by the variance, where its root is meant.", lambda x, g, s: _by_variance(_plus_turned(x, x), g, s)),
    ("The mean was not subtracted.", lambda x, g, s: _uncentred(_plus_turned(x, x), g, s)),
)  # fmt: skip


def check_pre_norm(answer: Any, variant: int = 0) -> None:
    """Check a token behind a pre-norm part that was worked out by hand.

    >>> check_pre_norm((-2, 3, 6, -3))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: pre_norm: This is post-norm....
    """
    PRE_NORM.check(answer, variant)


def check_post_norm(answer: Any, variant: int = 0) -> None:
    """Check a token behind a post-norm part that was worked out by hand.

    >>> check_post_norm((8, 12, 12, 8))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: post_norm: The sum is right; the norm is missing.
    """
    POST_NORM.check(answer, variant)


# --- A decoder layer of width d = 64 with d_ff = f = 256, and an encoder of width e = 48 ------------------------------


def _widths(draw: random.Random) -> tuple[int, int, int]:
    d, e = draw.sample([32, 40, 48, 64, 72, 80, 96], 2)
    return d, draw.choice([2, 3, 4]) * d, e


def _layer(d: int, f: int, e: int, **other: int) -> int:
    """The sum, with some of its summands replaced."""
    parts = {
        "own": 4 * (d * d + d),
        "asking": 2 * (d * d + d),  # W_q and W_o of the cross-attention
        "answering": 2 * (e * d + d),  # W_k and W_v
        "network": d * f + f + f * d + d,
        "norms": 3 * 2 * d,
    }
    return sum((parts | other).values())


DECODER_PARAMETERS = Varied(
    "decoder_parameters",
    Sheet(
        (64, 256, 48),
        _widths,
        lambda d, f, e: [
            f"$d = {d}$ and $d_{{\\text{{ff}}}} = {f}$, and its norms stand first. It reads the states of an encoder "
            f"that is {e} numbers wide."
        ],
    ),
    _layer,
    ("Here the encoder is as wide as the decoder. Its own width meets two of the matrices.",
     lambda d, f, e: _layer(d, f, d)),
    ("This is an encoder layer with a norm too many: the cross-attention is missing.",
     lambda d, f, e: _layer(d, f, e, asking=0, answering=0)),
    ("This is an encoder layer: the cross-attention and its norm are missing.",
     lambda d, f, e: _layer(d, f, e, asking=0, answering=0, norms=4 * d)),
    ("The norms are missing.", lambda d, f, e: _layer(d, f, e, norms=0)),
    ("There are three norms, one before each part.", lambda d, f, e: _layer(d, f, e, norms=4 * d)),
    ("There is one norm here. Each of the three parts has its own.", lambda d, f, e: _layer(d, f, e, norms=2 * d)),
    ("Each norm has a scale *and* a shift for each number.", lambda d, f, e: _layer(d, f, e, norms=3 * d)),
    ("The biases are missing.", lambda d, f, e: _layer(
        d, f, e, own=4 * d * d, asking=2 * d * d, answering=2 * e * d, network=2 * d * f)),
    ("The network's biases are missing.", lambda d, f, e: _layer(d, f, e, network=2 * d * f)),
    ("The biases of the attentions are missing.",
     lambda d, f, e: _layer(d, f, e, own=4 * d * d, asking=2 * d * d, answering=2 * e * d)),
    ("The matrices of the keys and values lead from the encoder's width to the decoder's: a bias for each number that "
     "comes out.", lambda d, f, e: _layer(d, f, e, answering=2 * (e * d + e))),
    ("The keys and values come out as wide as the encoder here. Heads compare them with queries: they have the "
     "decoder's width.", lambda d, f, e: _layer(d, f, e, answering=2 * (e * e + e))),
    ("The whole cross-attention has the encoder's width here. Its queries and its output belong to the decoder.",
     lambda d, f, e: _layer(d, f, e, asking=2 * (e * e + e), answering=2 * (e * e + e))),
    ("Only one of keys and values comes from the encoder here. Both do.",
     lambda d, f, e: _layer(d, f, e, answering=e * d + d + d * d + d)),
    ("The queries were taken from the encoder too. They are the decoder's.",
     lambda d, f, e: _layer(d, f, e, asking=d * d + d + e * d + d)),
    ("The network is missing.", lambda d, f, e: _layer(d, f, e, network=0)),
    ("The self-attention is missing.", lambda d, f, e: _layer(d, f, e, own=0)),
    ("The output matrices of both attentions are missing.",
     lambda d, f, e: _layer(d, f, e, own=3 * (d * d + d), asking=d * d + d)),
)  # fmt: skip


def check_decoder_parameters(answer: Any, variant: int = 0) -> None:
    """Check the number of parameters of a decoder layer whose encoder has another width.

    >>> check_decoder_parameters(66_752)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: decoder_parameters: Here the encoder is as wide as the decoder. Its own width ...
    """
    DECODER_PARAMETERS.check(answer, variant)
