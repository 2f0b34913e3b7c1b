"""The loss of next tokens: over those that are true, and not over what fills up."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _is_true(targets: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(targets.shape[1], device=targets.device) < lengths.unsqueeze(-1)  # (b, n)


def _surprises(logits: Tensor, targets: Tensor) -> Tensor:
    return -logits.log_softmax(dim=-1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)  # (b, n)


def _token_loss(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    true = _is_true(targets, lengths)
    return cross_entropy(logits[true], targets[true])


def _over(which: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The mean over other tokens."""

    def answer(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
        return _surprises(logits, targets)[which(targets, lengths)].mean()

    return answer


def _of(total: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Something else made of the surprises (b, n) and of which are true (b, n)."""
    return lambda logits, targets, lengths: total(_surprises(logits, targets), _is_true(targets, lengths))


def _flattened(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    hidden = logits * _is_true(targets, lengths).unsqueeze(-1)
    return _surprises(hidden, targets).mean()


def _over_places(logits: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    wrong = -logits.log_softmax(dim=1).gather(-1, targets.unsqueeze(-1)).squeeze(-1)
    return wrong[_is_true(targets, lengths)].mean()


def _of_mixed(logits: Tensor, targets: Tensor) -> Tensor:
    b, n, vocabulary = logits.shape
    return cross_entropy(logits.reshape(b, vocabulary, n), targets, reduction="none")


def _loss_cases(draw: Draw) -> list[Case]:
    b, n, vocabulary = draw.sizes(3, least=5)

    def inputs(lengths: Tensor, bad: bool = False) -> tuple[Tensor, ...]:
        logits, targets = 2 * draw.normal(b, n, vocabulary), draw.whole(0, vocabulary - 1, b, n)
        targets[:, 0] = draw.whole(0, 1, b)  # a true target may be 0
        targets[0, 0] = 0
        filling = ~_is_true(targets, lengths)
        targets[filling] = -1 if bad else 0
        if bad:
            logits[filling] = math.nan
        return logits, targets, lengths

    lengths = torch.cat([torch.tensor([2, n - 1]), draw.whole(1, n - 1, b - 2)])
    ends = torch.cat([torch.tensor([n, 0]), draw.whole(1, n, b - 2)])
    return [
        Case("", inputs(lengths), backward=True),
        Case("on a full and an empty text", inputs(ends), "A length may be 0, and it may be n."),
        Case("with filling that is no token", inputs(lengths, bad=True), "Filling may hold NaN as logits, and −1 as "
             "target. 0 · NaN is NaN, and no token is −1: take the true places alone, before you compute."),
    ]  # fmt: skip


TOKEN_LOSS = Task(
    "token_loss",
    _token_loss,
    _loss_cases,
    (
        Mistake("Filling counts too: this is the mean over all places.", _of(lambda s, true: s.mean())),
        Mistake("Each text counts the same here, however long it is. Each *token* should.",
                _of(lambda s, true: ((s * true).sum(dim=1) / true.sum(dim=1)).mean())),
        Mistake("The sum over the true tokens was divided by all places, filling among them.",
                _of(lambda s, true: (s * true).mean())),
        Mistake("This is the sum over the true tokens; the mean is asked for.",
                _of(lambda s, true: (s * true).sum())),
        Mistake("The sum was divided by the number of texts, not of tokens.",
                _of(lambda s, true: (s * true).sum() / len(s))),
        Mistake("The sum was divided by the length of the longest text.",
                _of(lambda s, true: (s * true).sum() / true.sum(dim=1).max())),
        Mistake("The means of the texts were added up. And each text counts the same, however long it is.",
                _of(lambda s, true: ((s * true).sum(dim=1) / true.sum(dim=1)).sum())),
        Mistake("The sum was divided as if all texts were as long as the longest.",
                _of(lambda s, true: (s * true).sum() / true.sum(dim=1).max() / len(s))),
        Mistake("There is a mean for each text. One number is asked for.",
                _of(lambda s, true: (s * true).sum(dim=1) / true.sum(dim=1))),
        Mistake("There is a number for each place. One is asked for.", _of(lambda s, true: s * true)),
        Mistake("The *logits* of filling were set to 0, and filling still counts: every token is as likely there.",
                _flattened),
        Mistake("Only filling counts: the mask is turned around.",
                _over(lambda targets, lengths: ~_is_true(targets, lengths))),
        Mistake("Off by one: the first filling of each text counts.",
                _over(lambda targets, lengths: _is_true(targets, lengths + 1))),
        Mistake("Off by one: the last token of each text does not count.",
                _over(lambda targets, lengths: _is_true(targets, lengths - 1))),
        Mistake("True targets of 0 were taken for filling. The lengths tell what is filling.",
                _over(lambda targets, lengths: targets != 0)),
        Mistake("True targets of 0 were taken for filling, too.",
                _over(lambda targets, lengths: _is_true(targets, lengths) & (targets != 0))),
        Mistake("The length of the first text serves for all.",
                _over(lambda targets, lengths: _is_true(targets, lengths[:1].expand_as(lengths)))),
        Mistake("The length of the longest text serves for all.",
                _over(lambda targets, lengths: _is_true(targets, lengths.max().expand_as(lengths)))),
        Mistake("Measured in bits. The task asks for the natural logarithm.",
                _of(lambda s, true: s[true].mean() / math.log(2))),
        Mistake("The sign is turned around: a surprise is minus the logarithm.", _of(lambda s, true: -s[true].mean())),
        Mistake("This is the mean of the probabilities: their logarithm is missing.",
                _of(lambda s, true: (-s[true]).exp().mean())),
        Mistake("This is the mean of 1 − p. The surprise is −log p.",
                _of(lambda s, true: 1 - (-s[true]).exp().mean())),
        Mistake("The logarithm was taken of the mean probability. The mean is of the logarithms.",
                _of(lambda s, true: -(-s[true]).exp().mean().log())),
        Mistake("Softmax was taken twice: cross_entropy wants logits, not probabilities.",
                lambda logits, targets, lengths: _token_loss(logits.softmax(dim=-1), targets, lengths)),
        Mistake("The softmax runs over the places of the text. It should run over the vocabulary, dim=-1.",
                _over_places),
        Mistake("The softmax is missing: these are the logits of the targets.",
                lambda logits, targets, lengths: -logits.gather(-1, targets.unsqueeze(-1)).squeeze(-1)[
                    _is_true(targets, lengths)].mean()),
        Mistake("Places and vocabulary were exchanged by a reshape, which moves no axis: the numbers are mixed.",
                lambda logits, targets, lengths: _of_mixed(logits, targets)[_is_true(targets, lengths)].mean()),
        Mistake("This is e to the loss, the perplexity.", _of(lambda s, true: s[true].mean().exp())),
    ),
    returns=("the loss",),
)  # fmt: skip


def check_token_loss(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the mean loss over true tokens: token_loss(logits, targets, lengths), one number.

    >>> check_token_loss(lambda logits, targets, lengths: cross_entropy(logits.mT, targets))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: token_loss: Filling counts too: this is the mean over all places....
    """
    TOKEN_LOSS.check(answer, seed)
