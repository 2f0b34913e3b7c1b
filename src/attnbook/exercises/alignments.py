"""Alignments: how often they go forwards."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _largest(weights: Tensor) -> Tensor:
    return weights.argmax(dim=-1)


def _expected(weights: Tensor) -> Tensor:
    """The mean place, by weight."""
    return weights @ torch.arange(weights.shape[-1], dtype=weights.dtype, device=weights.device)


def _steps(lengths: Tensor, n_q: int) -> Tensor:
    """Steps that lead from a true query to a true one, (b, n_q - 1)."""
    return torch.arange(1, n_q, device=lengths.device) < lengths[:, None]


def _other(
    look: Callable[[Tensor], Tensor] = _largest,
    counts: Callable[[Tensor], Tensor] = lambda moved: moved > 0,
    longer: int = 0,
) -> Callable[[Tensor, Tensor], float]:
    """The share, with another way to look, to count, or to end."""

    def answer(weights: Tensor, lengths: Tensor) -> float:
        true = _steps(lengths + longer, weights.shape[1])
        return counts(look(weights).diff(dim=-1))[true].double().mean().item()

    return answer


_forward_share = _other()


def _whole(weights: Tensor, lengths: Tensor) -> float:
    true = _steps(lengths, weights.shape[1])
    forwards = (_largest(weights).diff(dim=-1) > 0) | ~true
    return forwards.all(dim=-1)[true.any(dim=-1)].double().mean().item()


def _of_means(weights: Tensor, lengths: Tensor) -> float:
    true = _steps(lengths, weights.shape[1])
    forwards = (_largest(weights).diff(dim=-1) > 0) & true
    some = true.any(dim=-1)
    return (forwards.sum(dim=-1)[some] / true.sum(dim=-1)[some]).double().mean().item()


def _count(weights: Tensor, lengths: Tensor) -> float:
    return _forward_share(weights, lengths) * _steps(lengths, weights.shape[1]).sum().item()


def _per_query(weights: Tensor, lengths: Tensor) -> float:
    return _count(weights, lengths) / lengths.sum().item()


def _moves_alone(weights: Tensor, lengths: Tensor) -> float:
    moved = _largest(weights).diff(dim=-1)[_steps(lengths, weights.shape[1])]
    return (moved[moved != 0] > 0).double().mean().item()


def _one_row(weights: Tensor, lengths: Tensor) -> float:
    """All texts as if they were one."""
    true = torch.arange(weights.shape[1], device=lengths.device) < lengths[:, None]
    return (_largest(weights)[true].diff() > 0).double().mean().item()


def _over_queries(weights: Tensor, lengths: Tensor) -> float:
    return (weights.argmax(dim=-2).diff(dim=-1) > 0).double().mean().item()


def _cases(draw: Draw) -> list[Case]:
    def alignment(b: int, n_q: int, n_k: int, drift: float) -> Tensor:
        """Weights that go forwards more often than not, and stay or turn back now and then."""
        place = torch.arange(n_k) - drift * torch.arange(n_q)[:, None]
        return (1.5 * draw.normal(b, n_q, n_k) - place.abs()).softmax(dim=-1)

    lengths = torch.cat([torch.tensor([2, 11, 5]), draw.whole(2, 11, 4)])
    return [
        Case("", (alignment(7, 11, 13, 0.8), lengths)),
        Case("with a text of one token", (alignment(3, 5, 7, 1.0), torch.tensor([4, 1, 5])),
             "A text of one token has no step."),
        Case("on one text", (alignment(1, 7, 5, 0.5), torch.tensor([7])), "A batch may hold one text."),
    ]  # fmt: skip


FORWARD_SHARE = Task(
    "forward_share",
    _forward_share,
    _cases,
    (
        Mistake("To stay where one is counts as forwards here. A step forwards ends further right.",
                _other(counts=lambda moved: moved >= 0)),
        Mistake("These are the steps backwards.", _other(counts=lambda moved: moved < 0)),
        Mistake("These are the steps that do not go forwards.", _other(counts=lambda moved: moved <= 0)),
        Mistake("Only steps to the very next state count here. A step forwards may be longer.",
                _other(counts=lambda moved: moved == 1)),
        Mistake("Every move counts as forwards, also one back.", _other(counts=lambda moved: moved != 0)),
        Mistake("The rows behind a text's end are counted too: lengths changes nothing.", _other(longer=1000)),
        Mistake("One step too many: the last one leads from a text's last token to the filling behind it.",
                _other(longer=1)),
        Mistake("One step too few: the step to a text's last token counts.", _other(longer=-1)),
        Mistake("This is the share of texts that go forwards at every step. Single steps are asked for.", _whole),
        Mistake("This is the mean of each text's share. Over all steps of the batch, each counts the same.", _of_means),
        Mistake("The forward steps are divided by the number of tokens. A text of five tokens has four steps.",
                _per_query),
        Mistake("Steps that stay in place were left out of the count. They are steps, and do not go forwards.",
                _moves_alone),
        Mistake("The texts were put behind one another: from the end of one to the start of the next is no step.",
                _one_row),
        Mistake("The largest weight was looked for along the wrong axis: each query looks at its states, dim=-1.",
                _over_queries),
        Mistake("The mean place by weight was followed. The largest weight is asked for.", _other(look=_expected)),
        Mistake("This is how many steps go forwards. Their share is asked for.", _count),
    ),
    returns=("the share",),
)  # fmt: skip


def check_forward_share(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the share of steps that go forwards: forward_share(weights, lengths), one number.

    >>> check_forward_share(_whole)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: forward_share: This is the share of texts that go forwards at every step. ...
    """
    FORWARD_SHARE.check(answer, seed)
