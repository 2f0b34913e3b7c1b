"""The bank of wrong answers: what learners write, and what the feedback on it must name.

A module a chapter. They are written as learners write them, and not with the tables of mistakes in attnbook.exercises,
which they put to the test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)  # each is one of its own
class Wrong:
    """A wrong answer.

    Attributes:
        task: what the learner was to write; its check is exercises.check_<task>.
        mistake: what is wrong with the answer, in a few words.
        names: a regular expression that the feedback must hold to have named the mistake.
        answer: the learner's function or value.
    """

    task: str
    mistake: str
    names: str
    answer: Any


class Bank(list[Wrong]):
    """A chapter's wrong answers."""

    def add(self, task: str, mistake: str, names: str) -> Callable[[Any], Any]:
        """Decorate a wrong function."""

        def keep(answer: Any) -> Any:
            self.append(Wrong(task, mistake, names, answer))
            return answer

        return keep

    def value(self, task: str, answer: Any, mistake: str, names: str) -> None:
        """Add a wrong value."""
        self.append(Wrong(task, mistake, names, answer))
