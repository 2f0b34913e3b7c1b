"""Weights for patches whose pixels come in another order."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# ruff: noqa: N803 (W is named as in the formula)


def _mend(W: Tensor, c: int, size: int) -> Tensor:
    return W.reshape(-1, c, size, size).permute(0, 3, 2, 1).flatten(1)


def _ordered(*axes: int) -> Callable[[Tensor, int, int], Tensor]:
    """The weights, read as (d, c, row, column), with the axes in another order."""
    return lambda W, c, size: W.reshape(-1, c, size, size).permute(*axes).flatten(1)


def _from_his(*axes: int) -> Callable[[Tensor, int, int], Tensor]:
    """The weights, read as (d, column, row, c), with the axes in another order."""
    return lambda W, c, size: W.reshape(-1, size, size, c).permute(*axes).flatten(1)


def _mend_cases(draw: Draw) -> list[Case]:
    d, size, c = draw.sizes(3)
    return [
        Case("", (draw.normal(d, c * size**2), c, size)),
        Case("with one channel", (draw.normal(d, size**2), 1, size), "Grey images have one channel."),
        Case("with patches of one pixel", (draw.normal(d, c), c, 1), "A patch may be one pixel."),
    ]


MEND = Task(
    "mend",
    _mend,
    _mend_cases,
    (
        Mistake("W is as it was.", lambda W, c, size: W),
        Mistake("This goes the other way: W was taken for weights in the driver's order. It is in the library's, the "
                "channels outermost; what is wanted is the driver's.", _from_his(0, 3, 2, 1)),
        Mistake("W was read as if the channels stood innermost in it. In the library's order they stand outermost.",
                _from_his(0, 2, 1, 3)),
        Mistake("Rows and columns have changed places, and the channels are still outermost: look where the driver "
                "puts them.", _ordered(0, 1, 3, 2)),
        Mistake("The channels are innermost now, and rows still come before columns: look at the order of the two in "
                "the driver.", _ordered(0, 2, 3, 1)),
        Mistake("The channels have moved to the middle. In the driver's patches they stand innermost.",
                _ordered(0, 2, 1, 3)),
        Mistake("The channels have moved to the middle. In the driver's patches they stand innermost.",
                _ordered(0, 3, 1, 2)),
        Mistake("The columns of W are turned around, last before first. The axes should be, each one kept as it is.",
                lambda W, c, size: W.flip(-1)),
        Mistake("The weights were read in another shape without being moved: W is as it was.",
                lambda W, c, size: W.reshape(-1, size, size, c).flatten(1)),
        Mistake("The axes are in the right order, and not flattened: (d, c · size²) is asked for.",
                lambda W, c, size: W.reshape(-1, c, size, size).permute(0, 3, 2, 1)),
        Mistake("The result is turned around: a row for each of the d numbers of a token.",
                lambda W, c, size: _mend(W, c, size).mT),
    ),
    returns=("the new matrix",),
)  # fmt: skip


def check_mend(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check weights that fit patches of another order: mend(W, c, size), (d, c · size²).

    >>> check_mend(lambda W, c, size: W)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: mend: W is as it was....
    """
    MEND.check(answer, seed)
