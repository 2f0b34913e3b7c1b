"""The power with which a cost grows: the slope of a line through logarithms."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.measuring import growth_exponent


def _slope(x: Tensor, y: Tensor) -> float:
    x = x - x.mean()
    return float((x @ y) / (x @ x))


def _local(x: Tensor, y: Tensor) -> Tensor:
    return (y[1:] - y[:-1]) / (x[1:] - x[:-1])


def _exponent(ns: Tensor, values: Tensor) -> float:
    return growth_exponent(ns.tolist(), values.tolist())


def _in_logs(slope: Callable[[Tensor, Tensor], Any]) -> Callable[[Tensor, Tensor], float]:
    return lambda ns, values: float(slope(ns.log(), values.log()))


def _growth_cases(draw: Draw) -> list[Case]:
    def inputs(count: int, power: float, unit: float) -> tuple[Tensor, Tensor]:
        ns = 64 * 3.0 ** torch.arange(count, dtype=torch.float64) + draw.whole(1, 40, count)
        return ns, unit * ns**power * (0.4 * draw.normal(count)).exp()

    at_odds = inputs(6, 1.7, 1e-6)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    return [
        Case("", inputs(6, 1.7, 3e-7)),
        Case("with two lengths", inputs(2, 2.2, 5.0), "Two points give a line, too."),
        Case("with lengths in any order", tuple(x[order] for x in at_odds), "The lengths may come in any order."),
    ]


EXPONENT = Task(
    "exponent",
    _exponent,
    _growth_cases,
    (
        Mistake("The line was drawn through the origin, so the answer depends on the unit of the values. A line has a "
                "height as well as a slope.", _in_logs(lambda x, y: (x @ y) / (x @ x))),
        Mistake("This is a line through the numbers themselves. A power is a slope of their logarithms.",
                lambda ns, values: _slope(ns, values)),
        Mistake("The logarithm of the lengths is missing.", lambda ns, values: _slope(ns, values.log())),
        Mistake("The logarithm of the values is missing.", lambda ns, values: _slope(ns.log(), values)),
        Mistake("The axes have changed places: this is the slope of length against cost.",
                _in_logs(lambda x, y: _slope(y, x))),
        Mistake("This is 1 over the slope of length against cost. Where points scatter, it is steeper than the line "
                "that lies nearest in cost.", _in_logs(lambda x, y: 1 / _slope(y, x))),
        Mistake("This is the slope from the first to the last point. The points between count, too.",
                _in_logs(lambda x, y: (y[-1] - y[0]) / (x[-1] - x[0]))),
        Mistake("This is the mean of the slopes between neighbours. It is not the line that lies nearest.",
                _in_logs(lambda x, y: _local(x, y).mean())),
        Mistake("This is the median of the slopes between neighbours. It is not the line that lies nearest.",
                _in_logs(lambda x, y: _local(x, y).median())),
        Mistake("This is the slope of the last two points alone.", _in_logs(lambda x, y: _local(x, y)[-1])),
        Mistake("This is the mean of log value / log n, point by point, which depends on the unit of the values.",
                _in_logs(lambda x, y: (y / x).mean())),
        Mistake("This is the correlation of the logarithms. A slope is divided by the spread of the lengths alone, "
                "squared.", _in_logs(lambda x, y: torch.corrcoef(torch.stack([x, y]))[0, 1])),
        Mistake("This is the height of the line, and not its slope.",
                _in_logs(lambda x, y: y.mean() - _slope(x, y) * x.mean())),
        *(
            Mistake("The logarithms of the two axes have different bases.",
                    lambda ns, values, times=times: _exponent(ns, values) * times)
            for base in (2, 10) for times in (math.log(base), 1 / math.log(base))
        ),
        Mistake("e to the slope: the slope itself is the power.",
                lambda ns, values: math.exp(_exponent(ns, values))),
    ),
    returns=("the power",),
    one_device=False,  # a number comes out, and numpy may fit the line
)  # fmt: skip


def check_exponent(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the power with which values grow: exponent(ns, values), a number.

    >>> import numpy as np
    >>> check_exponent(lambda ns, values: np.polyfit(np.log(ns), np.log(values), 1)[0])
    Right: exponent.
    >>> check_exponent(lambda ns, values: _slope(ns, values))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: exponent: This is a line through the numbers themselves....
    """
    EXPONENT.check(answer, seed)
