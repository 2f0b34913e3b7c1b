"""Answers that are numbers worked out with a pencil: given in any form, checked without showing ours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task, WrongAnswer

Numbers = float | Sequence[float] | Sequence[Sequence[float]]


def by_hand(name: str, right: Numbers, *mistakes: tuple[str, Numbers]) -> Task:
    """A task whose answer is numbers.

    Args:
        name: what the learner calls them.
        right: the numbers.
        mistakes: what to say, and the numbers that the mistake leads to.
    """
    known = [Mistake(says, lambda numbers=numbers: _tensor(numbers)) for says, numbers in mistakes]
    return Task(name, lambda: _tensor(right), lambda draw: [Case("", ())], known, ("the answer",), secret=True)


def check_numbers(task: Task, answer: Any) -> None:
    """Print that the numbers are right, or raise WrongAnswer."""
    try:
        numbers = _tensor(answer)
    except (TypeError, ValueError, RuntimeError):
        wrong = "it is None" if answer is None else f"got {answer!r:.60}"
        raise WrongAnswer(f"{task.name} should be numbers, such as 3/4 or (1, 2): {wrong}.") from None
    task.check(lambda: numbers, seed=0)


def _tensor(numbers: Any) -> Tensor:
    if numbers is None or isinstance(numbers, str) or (isinstance(numbers, Tensor) and numbers.is_complex()):
        raise TypeError
    if isinstance(numbers, Tensor):
        return numbers.detach().double()
    return torch.from_numpy(np.array(numbers, dtype=np.float64))
