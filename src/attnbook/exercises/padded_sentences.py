"""Sentences of different lengths in one batch: turning them around without the padding."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.seq2seq import reverse_padded


def _gather(words: Tensor, index: Tensor) -> Tensor:
    return words.gather(1, index[..., None].expand_as(words))


def _mirrored(words: Tensor, last: Tensor) -> Tensor:
    """The rows up to place `last` (b, 1) turned around, the others left alone."""
    place = torch.arange(words.shape[1], device=words.device).expand(words.shape[:2])
    return _gather(words, torch.where(last - place >= 0, last - place, place))


def _reverse_cases(draw: Draw) -> list[Case]:
    b, n, d = draw.sizes(3, least=5)
    words = draw.normal(b, n, d)
    lengths = torch.cat([torch.tensor([2, n - 1, 1]), draw.whole(1, n - 1, b - 3)])
    mixed = torch.cat([torch.tensor([n, 0]), draw.whole(1, n, b - 2)])
    return [
        Case("on a padded batch", (words, lengths)),
        Case("on a batch with a full and an empty sentence", (words, mixed), "A length may be 0, and it may be n."),
        Case("on a batch of one", (words[:1], mixed[:1]), "A batch may hold one sentence."),
    ]


def _reverse(words: Tensor, lengths: Tensor) -> Tensor:
    return reverse_padded(words, lengths)


TOO_FAR = "One place too far: where the last true word should come first, there is what stands behind it. At which \
place does the last of m words stand, when places count from 0?"


def _planted(words: Tensor, lengths: Tensor) -> Tensor:
    """The function with the planted bug that the task hands out."""
    place = torch.arange(words.shape[1]).expand(words.shape[:2])
    return _gather(words, torch.where(place < lengths[:, None], (lengths[:, None] - place) % words.shape[1], place))


REVERSE_WORDS = Task(
    "reverse_words",
    _reverse,
    _reverse_cases,
    (
        Mistake("The padding has come to the front: turn around the true words alone.",
                lambda x, lengths: x.flip(1)),
        Mistake(TOO_FAR, _planted),
        Mistake(TOO_FAR, lambda x, lengths: _mirrored(x, lengths.clamp(max=x.shape[1] - 1)[:, None])),
        Mistake("One place too few: the last true word is left where it was.",
                lambda x, lengths: _mirrored(x, lengths[:, None] - 2)),
        Mistake("Every sentence is turned around as if it had the length of the first.",
                lambda x, lengths: _mirrored(x, lengths[:1, None] - 1)),
        Mistake("Every sentence is turned around as if it were as long as the longest.",
                lambda x, lengths: _mirrored(x, lengths.max() - 1)),
        Mistake("The padding is lost: behind the words everything should stay as it was.",
                lambda x, lengths: reverse_padded(x, lengths)
                * (torch.arange(x.shape[1]) < lengths[:, None])[..., None]),
        Mistake("The numbers inside each word are turned around; the words should be.",
                lambda x, lengths: x.flip(2)),
        Mistake("Nothing is turned around.", lambda x, lengths: x),
        Mistake("The padding is turned around too, behind the words: it should stay where it was.",
                lambda x, lengths: _gather(x, (lengths[:, None] - 1 - torch.arange(x.shape[1])) % x.shape[1])),
    ),
)  # fmt: skip


def check_reverse_words(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a function that turns padded sentences around: reverse_words(words, lengths), words (b, n, d).

    >>> check_reverse_words(lambda words, lengths: words.flip(1))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: reverse_words: The padding has come to the front: turn around the true ...
    """
    REVERSE_WORDS.check(answer, seed)
