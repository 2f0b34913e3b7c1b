"""TO WRITE: what these tasks are about, in one line. (Here: an average by weights.)"""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# TO WRITE: a number that takes a pencil, and the numbers that slips lead to.
TOPIC_BY_HAND = by_hand(
    "topic_by_hand",
    8,
    ("This is the plain mean: each value counts by its weight.", 22 / 3),
    ("This is the plain sum: each value counts by its weight.", 22),
)


def _average_cases(draw: Draw) -> list[Case]:
    n_q, n_k, d_v = draw.sizes(3)
    weights, values = draw.normal(n_q, n_k).softmax(dim=-1), draw.normal(n_k, d_v)
    return [
        Case("with several queries", (weights, values)),
        Case("with one query", (weights[:1], values), "There may be a single query."),
    ]


# TO WRITE: the right answer, and what learners write in its place, the likeliest first.
AVERAGE = (
    Mistake("Each value counts alike: the weights are not used.",
            lambda weights, values: values.mean(dim=0).expand(len(weights), -1)),
    Mistake("The values are added up without their weights.",
            lambda weights, values: values.sum(dim=0).expand(len(weights), -1)),
    Mistake("The result was divided by the number of keys, though the weights of a query sum to 1 already.",
            lambda weights, values: weights @ values / len(values)),
)  # fmt: skip


def _average(weights: Tensor, values: Tensor) -> Tensor:
    return weights @ values


def _planted(weights: Tensor, values: Tensor) -> Tensor:
    """The function with the planted bug that the task hands out."""
    return weights.softmax(dim=-1) @ values


TOPIC_AVERAGE = Task("topic_average", _average, _average_cases, AVERAGE)
TOPIC_REPAIRED = Task(
    "topic_repaired",
    _average,
    _average_cases,
    (
        Mistake("This is what the planted function does: the weights go through a softmax once more.", _planted),
        *AVERAGE,
    ),
)


def check_topic_by_hand(answer: Any) -> None:
    """Check topic_by_hand, the number of task 1.

    >>> check_topic_by_hand(22 / 3)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: topic_by_hand: This is the plain mean: each value counts by its weight.
    """
    check_numbers(TOPIC_BY_HAND, answer)


def check_topic_average(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check an average: topic_average(weights, values), from (n_q, n_k) and (n_k, d_v) to (n_q, d_v).

    >>> check_topic_average(lambda weights, values: weights @ values)
    Right: topic_average.
    """
    TOPIC_AVERAGE.check(answer, seed)


def check_topic_repaired(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the repaired function: topic_repaired(weights, values), shapes as in check_topic_average.

    >>> check_topic_repaired(lambda weights, values: weights @ values)
    Right: topic_repaired.
    """
    TOPIC_REPAIRED.check(answer, seed)
