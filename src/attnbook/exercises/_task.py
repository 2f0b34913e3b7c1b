"""A task: its right answer, the inputs to try, the known mistakes, and the check that an answer goes through."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from attnbook.exercises import _diagnosis
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function, Outcome, alike, alike_kinds, device_lost, run


class WrongAnswer(AssertionError):  # noqa: N818 (what a learner reads; it is the answer that is wrong)
    """An answer that is not right yet; the message says what is wrong with it, and not how to do it right.

    >>> raise WrongAnswer("Each column sums to 1, each row should.")
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: Each column sums to 1, each row should.
    """

    __module__ = "attnbook.exercises"  # where learners find it

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback, which would lead through our code to nowhere."""
        return ["Not right yet.", *str(self).splitlines()]


@dataclass(frozen=True)
class Mistake:
    """A mistake that learners make.

    Attributes:
        says: what is wrong, for the learner; or a function of the inputs that says it.
        answer: computes what the mistaken learner computes, from the inputs of the right answer.
    """

    says: str | Callable[..., str]
    answer: Function


@dataclass(frozen=True)
class Task:
    """Everything about a task.

    Attributes:
        name: what the learner writes.
        right: the right answer.
        cases: draws the inputs to try, the plainest first.
        mistakes: the known ones; of two that give the same numbers the first is named.
        returns: names of what the answer returns.
        secret: our numbers are not shown, since they are the solution.
        one_device: whether the answer should run where its inputs lie, and keep their dtype.
        beyond: what else a right answer must do; gives the complaint, or nothing.
    """

    name: str
    right: Function
    cases: Callable[[Draw], list[Case]]
    mistakes: Sequence[Mistake] = ()
    returns: tuple[str, ...] = ("what is returned",)
    secret: bool = False
    one_device: bool = True
    beyond: Callable[[Function], str] | None = None

    @cached_property
    def names(self) -> list[str]:
        """The names of the inputs."""
        return list(inspect.signature(self.right).parameters)

    def check(self, answer: Function, seed: int) -> None:
        """Print that the answer is right, or raise WrongAnswer with what is wrong."""
        complaint = self.complaint(answer, seed)
        if complaint:
            raise WrongAnswer(complaint) from None
        # Printed and not returned: nbgrader would read a number at a cell's end as points.
        print(f"Right: {self.name}.")

    def complaint(self, answer: Function, seed: int) -> str:
        """What is wrong with the answer; nothing if it is right."""
        if not callable(answer):
            hint = "Give the function itself, without calling it." if answer is not None else "It is None."
            return f"{self.name} should be a function, got {type(answer).__name__}. {hint}"
        cases = self.cases(Draw(seed))
        got = [run(answer, case, self.names, self.returns) for case in cases]
        want = [run(self.right, case, self.names, self.returns) for case in cases]
        for outcome in want:
            if outcome.error:  # else an answer that fails alike would pass
                raise RuntimeError(f"our own answer to {self.name} fails") from outcome.error
        wrong = [i for i, (g, w) in enumerate(zip(got, want, strict=True)) if not alike(g, w)]
        if wrong:
            return self._explain(answer, cases, got, want, wrong)
        for outcome in got:
            if outcome.changed:
                return (
                    f"{self.name} gives the right numbers, but it changes its input {outcome.changed[0]} in place. "
                    "Inputs belong to whoever passed them: work on a copy, or without operations that write."
                )
        complaint = self._manners(answer, cases[0]) if self.one_device else ""
        return complaint or (self.beyond(answer) if self.beyond else "")

    def _manners(self, answer: Function, case: Case) -> str:
        """What a right answer may still lose: the device of its inputs, or their dtype."""
        if not any(isinstance(x, torch.Tensor) for x in case.inputs):
            return ""
        if device_lost(answer, case):
            return (
                f"{self.name} is right on the CPU, and would fail on a GPU: a tensor is made there without the inputs' "
                "device. Make it from an input (x.new_zeros, torch.zeros_like) or with device=x.device."
            )
        halved = tuple(
            x.bfloat16() if isinstance(x, torch.Tensor) and x.is_floating_point() else x for x in case.inputs
        )
        low = Case(
            "in bfloat16",
            halved,
            "A tensor is made in a dtype of its own: make it from an input, or with dtype=x.dtype.",
        )
        got, want = (run(f, low, self.names, self.returns) for f in (answer, self.right))
        lacking = isinstance(got.error, NotImplementedError)  # torch has no such operation in this dtype
        if want.error or lacking or alike_kinds(got, want):
            return ""
        return self._explain(answer, [low], [got], [want], [0])

    def _explain(
        self, answer: Function, cases: list[Case], got: list[Outcome], want: list[Outcome], wrong: list[int]
    ) -> str:
        first = wrong[0]
        case = cases[first]
        known = self._known_mistake(cases, got, wrong)
        words = [known or self._unknown(answer, case, got[first], want[first])]
        if not known and first == 0 and len(cases) > 1 and _diagnosis.same_for_all(got, want):
            words = ["The result is the same whatever the inputs are. Is it written into the function?"]
        elif first > 0:
            words.append("The plainer inputs before this one came out right.")
        if not known and case.point and (first > 0 or len(cases) == 1):
            words[-1] += f" {case.point}"
        tried = _diagnosis.describe(self.names, case)
        return "\n".join([f"{self.name}: {words[0]}", *words[1:], *([f"Tried {tried}."] if tried else [])])

    def _known_mistake(self, cases: list[Case], got: list[Outcome], wrong: list[int]) -> str:
        """The known mistake that gives what the learner got: on all inputs, or else up to the first that is wrong.

        (Not on that input alone: a mistake that would have shown before is not the learner's.)
        """
        first = wrong[0]
        if got[first].error:
            return ""
        compared = [range(len(cases)), range(first + 1)] if got[first].tells() else [range(len(cases))]
        for places in compared:
            for mistake in self.mistakes:
                if all(alike(got[i], run(mistake.answer, cases[i], self.names, self.returns)) for i in places):
                    return mistake.says if isinstance(mistake.says, str) else mistake.says(*cases[first].inputs)
        return ""

    def _unknown(self, answer: Function, case: Case, got: Outcome, want: Outcome) -> str:
        if got.error:
            return _diagnosis.explain_error(got.error, answer)
        name = next(n for n in want.parts if n not in got.parts or not alike_part(got, want, n))
        if name not in got.parts:
            return f"It should return {len(self.returns)} things, {' and '.join(self.returns)}."
        return _diagnosis.difference(name, got.parts[name], want.parts[name], secret=self.secret)


def alike_part(got: Outcome, want: Outcome, name: str) -> bool:
    """Whether one part of two outcomes is the same."""
    return alike(Outcome({name: got.parts[name]}), Outcome({name: want.parts[name]}))
