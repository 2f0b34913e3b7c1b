"""Predicting each next token: the examples that a text gives."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

Pair = tuple[Tensor, Tensor]


def _cut(tokens: Tensor, n: int, ahead: int = 1) -> Pair:
    """Pieces of n tokens, and the tokens so many places ahead of them."""
    pieces = (len(tokens) - ahead) // n
    return tokens[: pieces * n].view(pieces, n), tokens[ahead : ahead + pieces * n].view(pieces, n)


def _examples(tokens: Tensor, n: int) -> Pair:
    return _cut(tokens, n)


def _rolled(tokens: Tensor, n: int) -> Pair:
    inputs, _ = _cut(tokens, n, ahead=0)
    return inputs, inputs.roll(-1, 1)


def _rolled_as_many(tokens: Tensor, n: int) -> Pair:
    inputs, _ = _cut(tokens, n)
    return inputs, inputs.roll(-1, 1)


def _zero_at_the_end(tokens: Tensor, n: int) -> Pair:
    inputs, targets = _cut(tokens, n)
    return inputs, torch.cat([targets[:, :-1], torch.zeros_like(targets[:, -1:])], dim=1)


def _within(tokens: Tensor, n: int) -> Pair:
    pieces, _ = _cut(tokens, n, ahead=0)
    return pieces[:, :-1], pieces[:, 1:]


def _skipping(tokens: Tensor, n: int) -> Pair:
    pieces, _ = _cut(tokens, n + 1, ahead=0)
    return pieces[:, :-1], pieces[:, 1:]


def _sliding(tokens: Tensor, n: int) -> Pair:
    pieces = tokens.unfold(0, n + 1, 1)
    return pieces[:, :-1], pieces[:, 1:]


def _columns(tokens: Tensor, n: int) -> Pair:
    """Token after token down the columns."""
    pieces = (len(tokens) - 1) // n
    inputs, targets = (part.reshape(n, pieces).T for part in _cut(tokens, n))
    return inputs, targets


def _one_target(tokens: Tensor, n: int) -> Pair:
    inputs, targets = _cut(tokens, n)
    return inputs, targets[:, -1]


def _next_piece(tokens: Tensor, n: int) -> Pair:
    pieces = len(tokens) // n - 1
    return tokens[: pieces * n].view(pieces, n), tokens[n : n + pieces * n].view(pieces, n)


def _short_of_one(tokens: Tensor, n: int) -> Pair:
    inputs, targets = _cut(tokens, n)
    return inputs[:-1], targets[:-1]


def _careful_to_excess(tokens: Tensor, n: int) -> Pair:
    """A piece fewer than n divides into, whether or not the last has its target."""
    pieces = len(tokens) // n - 1
    inputs, targets = _cut(tokens, n)
    return inputs[:pieces], targets[:pieces]


def _example_cases(draw: Draw) -> list[Case]:
    pieces, n = draw.sizes(2, least=5)
    order = torch.argsort(draw.normal(pieces * n + 3))  # no two tokens alike
    return [
        Case("", (order, n)),
        Case("on a text that n divides", (order[: pieces * n], n), "The last token has nothing behind it."),
        Case("on one token more than n divides", (order[: pieces * n + 1], n),
             "Then every token but the last is read."),
        Case("on pieces of one token", (order[:pieces], 1), "n may be 1."),
    ]  # fmt: skip


CUT_EXAMPLES = Task(
    "cut_examples",
    _examples,
    _example_cases,
    (
        Mistake("Turned around: the target of each token is the one *before* it, which the model has read.",
                lambda tokens, n: _cut(tokens, n)[::-1]),
        Mistake("Not shifted: each token is its own target.", lambda tokens, n: _cut(tokens, n, 0)),
        Mistake("Not shifted: each token is its own target.", lambda tokens, n: (_cut(tokens, n)[0],) * 2),
        Mistake("Shifted by two: the target is the token after the next.", lambda tokens, n: _cut(tokens, n, 2)),
        Mistake("The first token is never read: each piece begins one token too late.",
                lambda tokens, n: _cut(tokens[1:], n)),
        Mistake("The last target of each piece is the piece's own first token: it was rolled around.", _rolled),
        Mistake("The last target of each piece is the piece's own first token: it was rolled around.",
                _rolled_as_many),
        Mistake("The last target of each piece is 0. It is the first token of the next piece.", _zero_at_the_end),
        Mistake("The pieces are one token too short: the last target of a piece is the first token of the next.",
                _within),
        Mistake("One token between any two pieces is never read: the pieces of inputs should join.", _skipping),
        Mistake("The pieces overlap: each should begin where the last one ended.", _sliding),
        Mistake("The text runs down the columns. It should run along the rows.", _columns),
        Mistake("One target for each piece. There should be one for each token that is read.", _one_target),
        Mistake("The targets are the next piece as a whole: they lie n tokens ahead.", _next_piece),
        Mistake("The last whole piece is missing.", _short_of_one),
        Mistake("The last piece is missing, though all of its targets are there.", _careful_to_excess),
    ),
    returns=("the input", "the target"),
)  # fmt: skip


def check_cut_examples(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check examples cut from a text: cut_examples(tokens, n), inputs and targets (pieces, n).

    >>> check_cut_examples(lambda tokens, n: (tokens[:n].view(1, n), tokens[:n].view(1, n)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: cut_examples: The shape of the input is ...
    """
    CUT_EXAMPLES.check(answer, seed)
