"""Rotary positions: pairs of numbers, half a vector apart, turned by an angle."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.positions import rotary, sinusoidal


def _interleave(x: Tensor) -> Tensor:
    """(x_0, x_d/2, x_1, x_d/2+1, ...): the partners side by side."""
    return x.unflatten(-1, (2, -1)).mT.flatten(-2)


def _part(x: Tensor) -> Tensor:
    """Back again."""
    return x.unflatten(-1, (-1, 2)).mT.flatten(-2)


def _rotate(x: Tensor, start: int) -> Tensor:
    return _part(rotary(_interleave(x), start))


def _frequencies(x: Tensor) -> Tensor:
    d = x.shape[-1]
    return 10000 ** (-torch.arange(0, d, 2, dtype=torch.float64, device=x.device) / d)  # (d/2,)


def _places(x: Tensor, start: int) -> Tensor:
    return torch.arange(start, start + x.shape[-2], dtype=torch.float64, device=x.device)[:, None]  # (n, 1)


def _by_angle(
    angle: Callable[[Tensor, int], Tensor] = lambda x, start: _places(x, start) * _frequencies(x),
    turn: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]] = lambda a, b, cos, sin: (
        a * cos - b * sin,
        a * sin + b * cos,
    ),
) -> Callable[[Tensor, int], Tensor]:
    """Turn the halves by other angles (n, d/2), or in another way."""

    def answer(x: Tensor, start: int) -> Tensor:
        angles = angle(x, start)
        a, b = x.chunk(2, dim=-1)
        return torch.cat(turn(a, b, angles.cos().to(x), angles.sin().to(x)), dim=-1)

    return answer


def _mixed_pairs(x: Tensor, start: int) -> Tensor:
    """Halves as partners, with angles as neighbours would have them."""
    angles = (_places(x, start) * _frequencies(x)).repeat_interleave(2, dim=-1)
    a, b = x.chunk(2, dim=-1)
    return x * angles.cos().to(x) + torch.cat([-b, a], dim=-1) * angles.sin().to(x)


def _mixed_angles(x: Tensor, start: int) -> Tensor:
    """Neighbours as partners, with angles as halves would have them."""
    angles = (_places(x, start) * _frequencies(x)).repeat(1, 2)
    partner = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)
    return x * angles.cos().to(x) + partner * angles.sin().to(x)


def _waves(x: Tensor, start: int) -> Tensor:
    n, d = x.shape[-2:]
    return sinusoidal(n, d, start, dtype=x.dtype, device=x.device)


def _halves_in_turn(x: Tensor, start: int) -> Tensor:
    """The right numbers, the two of a pair side by side."""
    return _interleave(_rotate(x, start))


def _other_axis(x: Tensor, start: int) -> Tensor:
    """Positions along the axis before."""
    return _rotate(x.transpose(-3, -2), start).transpose(-3, -2)


def _rotate_cases(draw: Draw) -> list[Case]:
    n, pairs, b, h = draw.sizes(4, least=3)
    d, start = 4 * pairs, 3

    def vectors(*shape: int) -> Tensor:
        return draw.normal(*shape).float()  # as learners make their angles; float64 would reject those

    return [
        Case("", (vectors(n, 4), 0)),  # with speeds of 1 and 1/100, which float32 holds even turned around
        Case("with wider vectors", (vectors(n, d), 0)),
        Case("behind other tokens", (vectors(n, d), start), "The first token stands at position start."),
        Case("on a batch with heads", (vectors(b, h, n, d), start),
             "Any axes may come before the last two: count axes from the end."),
        Case("with one pair", (vectors(n, 2), start), "d may be 2."),
    ]  # fmt: skip


ROTATE = Task(
    "rotate",
    _rotate,
    _rotate_cases,
    (
        Mistake("Neighbours were made pairs, x_0 with x_1. Here x_i goes with x_(i + d/2).",
                lambda x, start: rotary(x, start)),
        Mistake("Turned the other way: backwards as the position grows.",
                _by_angle(lambda x, start: -_places(x, start) * _frequencies(x))),
        Mistake("start changes nothing: each text begins at position 0.", lambda x, start: _rotate(x, 0)),
        Mistake("The first position is 1. Count from 0.", lambda x, start: _rotate(x, start + 1)),
        Mistake("The positions run backwards from the last token.",
                lambda x, start: _rotate(x.flip(-2), start).flip(-2)),
        Mistake("All tokens of a text are turned by one angle, that of the first.",
                _by_angle(lambda x, start: (0 * _places(x, start) + start) * _frequencies(x))),
        Mistake("The pairs turn too fast: their angles shrink half as quickly as they should. The exponent is −2i/d.",
                _by_angle(lambda x, start: _places(x, start) * _frequencies(x).sqrt())),
        Mistake("The pairs turn too slowly: the exponent has a factor of 2 too many.",
                _by_angle(lambda x, start: _places(x, start) * _frequencies(x) ** 2)),
        Mistake("The pairs turn faster and faster: the sign of the exponent is lost.",
                _by_angle(lambda x, start: _places(x, start) / _frequencies(x))),
        Mistake("The slower pairs turn too fast: the speeds are powers of 10000.",
                _by_angle(lambda x, start: _places(x, start) * _frequencies(x) ** 0.75)),
        Mistake("The angles were taken for degrees. p ω is in radians.",
                _by_angle(lambda x, start: (_places(x, start) * _frequencies(x)).deg2rad())),
        Mistake("All pairs turn at the same speed.",
                _by_angle(lambda x, start: _places(x, start) + 0 * _frequencies(x))),
        Mistake("The speeds are in reverse: the first pair should be the fastest.",
                _by_angle(lambda x, start: _places(x, start) * _frequencies(x).flip(0))),
        Mistake("Sine and cosine have changed places: at position 0 nothing should turn.",
                _by_angle(turn=lambda a, b, cos, sin: (a * sin - b * cos, a * cos + b * sin))),
        Mistake("A sign is missing: this is no rotation, and the vectors change their lengths.",
                _by_angle(turn=lambda a, b, cos, sin: (a * cos + b * sin, a * sin + b * cos))),
        Mistake("A sign is wrong: this is a reflection, and no rotation.",
                _by_angle(turn=lambda a, b, cos, sin: (a * cos + b * sin, a * sin - b * cos))),
        Mistake("A sign is wrong: this is a reflection, and no rotation.",
                _by_angle(turn=lambda a, b, cos, sin: (a * cos - b * sin, a * sin - b * cos))),
        Mistake("The halves were taken for each other before they were turned.",
                _by_angle(turn=lambda a, b, cos, sin: (b * cos - a * sin, b * sin + a * cos))),
        Mistake("Only the first half was turned. Both numbers of a pair change.",
                _by_angle(turn=lambda a, b, cos, sin: (a * cos - b * sin, b))),
        Mistake("The second half was computed from the first half's *new* numbers: both need the old ones.",
                _by_angle(turn=lambda a, b, cos, sin: (a * cos - b * sin, (a * cos - b * sin) * sin + b * cos))),
        Mistake("The table of angles was cut anew by a reshape, which does not turn it: a row should be a position.",
                _by_angle(lambda x, start: (_places(x, start) * _frequencies(x)).mT.reshape(x.shape[-2], -1))),
        Mistake("The partner is missing: each number is only multiplied.",
                _by_angle(turn=lambda a, b, cos, sin: (a * cos, b * cos))),
        Mistake("The halves have changed places in the result.",
                _by_angle(turn=lambda a, b, cos, sin: (a * sin + b * cos, a * cos - b * sin))),
        Mistake("The halves are partners, and the angles are laid out as if neighbours were: both numbers of a pair "
                "turn by one angle.", _mixed_pairs),
        Mistake("Neighbours are partners, and the angles are laid out as if halves were. Here the halves are.",
                _mixed_angles),
        Mistake("The two numbers of each pair stand side by side in the result. They should be back in their places.",
                _halves_in_turn),
        Mistake("Waves were added. Rotary positions add nothing, they turn what is there.",
                lambda x, start: x + _waves(x, start)),
        Mistake("Waves were added. Rotary positions add nothing, they turn what is there.",
                lambda x, start: x + _part(_waves(x, start))),
        Mistake("The positions run along the heads. They belong to the tokens, the last axis but one.", _other_axis),
        Mistake("Nothing turns.", lambda x, start: x),
    ),
    returns=("the result",),
)  # fmt: skip


def check_rotate(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check rotary positions with halves as pairs: rotate(x, start), (..., n, d).

    >>> check_rotate(lambda x, start: x)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: rotate: Nothing turns....
    """
    ROTATE.check(answer, seed)
