"""Calculations by hand with numbers that a course can have for itself, apart from those that are printed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from attnbook.exercises._by_hand import Numbers, by_hand, check_numbers
from attnbook.exercises._outcome import alike, run
from attnbook.exercises._task import Task

Slip = tuple[str | Callable[..., str], Callable[..., Numbers]]
VARIED: dict[str, "Varied"] = {}  # all of them, by the name of the task


@dataclass(frozen=True)
class Sheet:
    """The numbers of a calculation, which several questions may share.

    Attributes:
        printed: those of the public assignment.
        draw: draws others, of which the answer comes out as short as the printed one.
        words: the pieces of the assignment's text that hold them, as Markdown.
    """

    printed: tuple[Any, ...]
    draw: Callable[[random.Random], tuple[Any, ...]]
    words: Callable[..., list[str]]

    def numbers(self, variant: int) -> tuple[Any, ...]:
        """The numbers of a variant; variant 0 is what is printed."""
        return self.draw(random.Random(variant)) if variant else self.printed


class Varied:
    """A task whose answer is worked out by hand, for any variant of its numbers.

    Args:
        name: what the learner calls the answer.
        sheet: the numbers.
        right: computes the answer of them.
        mistakes: what to say, which may name the numbers, and how the mistaken learner computes the answer of them.
    """

    def __init__(self, name: str, sheet: Sheet, right: Callable[..., Numbers], *mistakes: Slip) -> None:
        self.name, self.sheet, self.right, self.mistakes = name, sheet, right, mistakes
        VARIED[name] = self

    def task(self, variant: int) -> Task:
        """The task with the numbers of a variant."""
        numbers = self.sheet.numbers(variant)
        wrong = [
            (says if isinstance(says, str) else says(*numbers), answer(*numbers)) for says, answer in self.mistakes
        ]
        return by_hand(self.name, self.right(*numbers), *wrong)

    def check(self, answer: Any, variant: int) -> None:
        """Print that the answer is right, or raise WrongAnswer."""
        check_numbers(self.task(variant), answer)

    def answer(self, variant: int) -> Numbers:
        """The right answer."""
        return self.right(*self.sheet.numbers(variant))

    def words(self, variant: int) -> list[str]:
        """The pieces of text that hold a variant's numbers."""
        return self.sheet.words(*self.sheet.numbers(variant))

    def is_another(self, variant: int) -> bool:
        """Whether a variant is fit to be asked: its answer is not the printed one, and its mistakes are told apart."""
        return self.answer(variant) != self.answer(0) and self.tells_apart(variant)

    def tells_apart(self, variant: int) -> bool:
        """Whether no mistake comes to the right answer, or to that of another mistake, by chance."""
        task = self.task(variant)
        (case,) = task.cases(None)  # type: ignore[arg-type] # nothing is drawn
        found = [("", run(task.right, case, [], task.returns))]
        found += [(str(m.says), run(m.answer, case, [], task.returns)) for m in task.mistakes]
        pairs = [(a, b) for i, a in enumerate(found) for b in found[:i]]
        return not any(alike(x, y) and says != also for (says, x), (also, y) in pairs)
