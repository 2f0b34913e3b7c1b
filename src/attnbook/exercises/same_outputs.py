"""Other weights with the same output: how far one may go in a direction."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _within(direction: Tensor, fixed: Tensor) -> Tensor:
    """The part of a direction (n,) that changes none of the columns' sums w · fixed, fixed (n, m)."""
    return direction - fixed @ (torch.linalg.pinv(fixed) @ direction)


def _fixed(values: Tensor) -> Tensor:
    return torch.cat([values, torch.ones_like(values[:, :1])], dim=1)


def _far(weights: Tensor, step: Tensor) -> Tensor:
    """How often the step fits until the first weight is 0."""
    return torch.where(step < -1e-12, -weights / step, torch.inf).min()


def _slide(weights: Tensor, values: Tensor, direction: Tensor) -> Tensor:
    step = _within(direction, _fixed(values))
    return weights + _far(weights, step) * step


def _to(
    fixed: Callable[[Tensor], Tensor], share: float = 1.0, sign: float = 1.0
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The slide with something else held fixed, or another length."""

    def answer(weights: Tensor, values: Tensor, direction: Tensor) -> Tensor:
        step = _within(sign * direction, fixed(values))
        return weights + share * _far(weights, step) * step

    return answer


def _once(weights: Tensor, values: Tensor, direction: Tensor) -> Tensor:
    return weights + _within(direction, _fixed(values))


def _clamped(weights: Tensor, values: Tensor, direction: Tensor) -> Tensor:
    found = _once(weights, values, direction).clamp(min=0)
    return found / found.sum()


def _too_far(weights: Tensor, values: Tensor, direction: Tensor) -> Tensor:
    step = _within(direction, _fixed(values))
    return weights + torch.where(step < -1e-12, -weights / step, -torch.inf).max() * step


def _stopped(weights: Tensor, values: Tensor, direction: Tensor) -> Tensor:
    step = _within(direction, _fixed(values))
    return weights + (weights / step.abs()).min() * step


def _bare(weights: Tensor, values: Tensor, direction: Tensor) -> Tensor:
    return weights + _far(weights, direction) * direction


def _one_by_one(weights: Tensor, values: Tensor, direction: Tensor) -> Tensor:
    step = direction
    for column in _fixed(values).T:
        step = step - (column @ step) / (column @ column) * column
    return weights + _far(weights, step) * step


def _slide_cases(draw: Draw) -> list[Case]:
    d, more = draw.sizes(2, least=3)
    n = d + more + 1

    def inputs(width: int) -> tuple[Tensor, ...]:
        return draw.normal(n).softmax(dim=0), 1 + draw.normal(n, width), draw.normal(n)

    weights, values, direction = inputs(d)
    back = "Only weights that become smaller set a limit; those that grow do not."
    alike = torch.cat([values, values[:, :1] + 1], dim=1)
    return [
        Case("", (weights, values, direction)),
        Case("in the opposite direction", (weights, values, -direction), back),
        Case("with values of one number", inputs(1), "Values may be one number wide."),
        Case("with values that follow from each other", (weights, alike, direction), "A column of values may follow "
             "from others. Then a matrix has no inverse; a pseudoinverse, or a QR or SVD with a look at the rank, "
             "still finds what they span."),
        Case("with a long direction", (weights, values, 100 * direction), "The length of the direction does not "
             "matter."),
    ]  # fmt: skip


SLIDE = Task(
    "slide",
    _slide,
    _slide_cases,
    (
        Mistake("The direction was taken as it is: the output changes, and the sum of the weights.", _bare),
        Mistake("The output stays, but the weights no longer sum to 1: that is one more equation.",
                _to(lambda values: values)),
        Mistake("The sum stays 1, but the output changes.", _to(lambda values: torch.ones_like(values[:, :1]))),
        Mistake("The equations were taken off one after the other, as if they stood at right angles. The second brings "
                "back a part of the first.", _one_by_one),
        Mistake("The direction is right, but one whole step was taken. Go until the first weight is 0.", _once),
        Mistake("Negative weights were cut to 0 and the rest rescaled, so the output is another. Stop at the first "
                "weight that is 0.", _clamped),
        Mistake("Gone too far: this is where the *last* weight comes to 0, and others are negative by then.", _too_far),
        Mistake("Gone in the opposite direction.", _to(_fixed, sign=-1)),
        Mistake("Weights that grow were taken for limits, too. Only those that become smaller can become 0.", _stopped),
        Mistake("Gone half as far as one can.", _to(_fixed, share=0.5)),
        Mistake("Gone nine tenths as far as one can. Here the edge itself is asked for.", _to(_fixed, share=0.9)),
        Mistake("The weights have not moved.", lambda weights, values, direction: weights),
        Mistake("These are the steps alone, and not the weights after them.",
                lambda weights, values, direction: _slide(weights, values, direction) - weights),
    ),
    returns=("the row of new weights",),
)  # fmt: skip


def check_slide(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check other weights with the same output: slide(weights, values, direction), (n,).

    >>> check_slide(_once)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: slide: The direction is right, but one whole step was taken....
    """
    SLIDE.check(answer, seed)
