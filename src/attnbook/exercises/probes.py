"""Probes: what can be read of a state, asked on states that the probe has not seen."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _probe(
    states: Tensor, labels: Tensor, fit: str = "first", test: str = "second", bias: bool = True, sign: int = 1
) -> float:
    half = len(states) // 2
    part = {"first": slice(half), "second": slice(half, None), "all": slice(None)}
    x = torch.cat([states, torch.ones_like(states[:, :1])], dim=1) if bias else states
    wanted = one_hot(labels).to(states)
    solution = torch.linalg.lstsq(x[part[fit]], wanted[part[fit]]).solution
    named = (sign * (x[part[test]] @ solution)).argmax(dim=1)
    return (named == labels[part[test]]).double().mean().item()


def _right_probe(states: Tensor, labels: Tensor) -> float:
    return _probe(states, labels)


def _probe_cases(draw: Draw) -> list[Case]:
    cases = []
    for sentences in (101, 173):
        (d,), centres = draw.sizes(1, least=5), draw.normal(5, 5)
        labels = torch.cat([torch.arange(5), draw.whole(0, 4, sentences - 10), torch.arange(5)])
        # Groups that overlap, far from the origin: so a probe errs, and misses the constant if it has none.
        states = draw.normal(sentences, d) + pad(centres[labels], (0, d - 5)) + 3
        cases.append(Case(f"on {sentences} states of {d} numbers", (states.float(), labels)))
    return cases


PROBE = Task(
    "probe_accuracy",
    _right_probe,
    _probe_cases,
    (
        Mistake("The probe is tested on the sentences that it was fitted to, and looks better than it is.",
                lambda states, labels: _probe(states, labels, test="first")),
        Mistake("The test counts all sentences, those too that the probe was fitted to: it looks better than it is.",
                lambda states, labels: _probe(states, labels, test="all")),
        Mistake("The probe is fitted to all sentences, so it has seen those that it is tested on.",
                lambda states, labels: _probe(states, labels, fit="all")),
        Mistake("The probe is fitted to all sentences, and tested on the same.",
                lambda states, labels: _probe(states, labels, fit="all", test="all")),
        Mistake("The halves have changed places: fit to the first half, test on the second.",
                lambda states, labels: _probe(states, labels, fit="second", test="first")),
        Mistake("The probe has no constant of its own to add: give each state one more number, 1.",
                lambda states, labels: _probe(states, labels, bias=False)),
        Mistake("It names the word with the lowest score.", lambda states, labels: _probe(states, labels, sign=-1)),
        Mistake("This is the share of errors; the task asks for the share that is named right.",
                lambda states, labels: 1 - _probe(states, labels)),
        Mistake("This is a count; the task asks for a share, between 0 and 1.",
                lambda states, labels: _probe(states, labels) * (len(states) - len(states) // 2)),
        Mistake("This is a percentage; the task asks for a share, between 0 and 1.",
                lambda states, labels: 100 * _probe(states, labels)),
    ),
    returns=("the accuracy",),
    one_device=False,  # the chapter's own probe runs on the CPU
)  # fmt: skip


def check_probe_accuracy(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a linear probe: probe_accuracy(states, labels) fits to the first half, and tests on the second.

    >>> check_probe_accuracy(lambda states, labels: None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: probe_accuracy: It returns None: is there a `return` at its end?...
    """
    PROBE.check(answer, seed)
