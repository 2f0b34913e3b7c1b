"""Where words look: their weight on a given patch, in multiples of an even share."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.multimodal import place_weight


def _share(weights: Tensor, cells: Tensor) -> Tensor:
    return place_weight(weights, cells).mean(dim=(0, 1)) * weights.shape[-1]


def _hits(weights: Tensor, cells: Tensor) -> Tensor:
    most = weights.argmax(dim=-1)  # (b, q, h, n)
    return (most == cells[..., None, None]).to(weights).mean(dim=(0, 1))


def _first_question(weights: Tensor, cells: Tensor) -> Tensor:
    return _share(weights, cells[:, :1].expand_as(cells))


def _first_picture(weights: Tensor, cells: Tensor) -> Tensor:
    return _share(weights, cells[:1].expand_as(cells))


def _cases(draw: Draw) -> list[Case]:
    b, q, h, n, p = draw.sizes(5)

    def inputs(b: int, q: int, h: int, n: int, p: int) -> tuple[Tensor, Tensor]:
        return draw.normal(b, q, h, n, p).softmax(dim=-1), draw.whole(0, p - 1, b, q)

    return [
        Case("", inputs(b, q, h, n, p)),
        Case("with other numbers of pictures and patches", inputs(p, q, h, n, b), "Is p taken from the weights?"),
        Case("with one question a picture", inputs(b, 1, h, n, p), "There may be one question."),
    ]


LOOK_SHARE = Task(
    "look_share",
    _share,
    _cases,
    (
        Mistake("This is the mean weight. Divide it by an even share, 1/p.", lambda w, c: _share(w, c) / w.shape[-1]),
        Mistake("The mean weight was multiplied by the even share. It should be divided by it.",
                lambda w, c: _share(w, c) / w.shape[-1] ** 2),
        Mistake("The even share was taken away, and not divided by.",
                lambda w, c: (_share(w, c) - 1) / w.shape[-1]),
        Mistake("This counts how often the cell has the largest weight. The task asks for the weight itself.", _hits),
        Mistake("This counts how often the cell has the largest weight. The task asks for the weight itself.",
                lambda w, c: _hits(w, c) * w.shape[-1]),
        Mistake("The pictures and questions were summed up, not averaged.",
                lambda w, c: _share(w, c) * c.numel()),
        Mistake("The pictures were summed up, not averaged.", lambda w, c: _share(w, c) * c.shape[0]),
        Mistake("The questions were summed up, not averaged.", lambda w, c: _share(w, c) * c.shape[1]),
        Mistake("Every picture and question is still there: take the mean over both.",
                lambda w, c: place_weight(w, c) * w.shape[-1]),
        Mistake("The questions are still there: take the mean over them too.",
                lambda w, c: place_weight(w, c).mean(dim=0) * w.shape[-1]),
        Mistake("The pictures are still there: take the mean over them too.",
                lambda w, c: place_weight(w, c).mean(dim=1) * w.shape[-1]),
        Mistake("The heads were averaged too. Each head has a number of its own.",
                lambda w, c: _share(w, c).mean(dim=0)),
        Mistake("The words were averaged too. Each word has a number of its own.",
                lambda w, c: _share(w, c).mean(dim=-1)),
        Mistake("The even share is that of the words, 1/n. A word divides its look among the p patches.",
                lambda w, c: _share(w, c) / w.shape[-1] * w.shape[-2]),
        Mistake("Words and heads have changed places: the result is (h, n).", lambda w, c: _share(w, c).mT),
        Mistake("The cell of the first question was used for all questions of a picture.", _first_question),
        Mistake("The cells of the first picture were used for all pictures.", _first_picture),
        Mistake("Cells are counted from 0, not from 1.",
                lambda w, c: _share(w, torch.remainder(c - 1, w.shape[-1]))),
    ),
    returns=("the result",),
)  # fmt: skip


def check_look_share(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check where words look: look_share(weights, cells), (b, q, h, n, p) and (b, q) -> (h, n).

    >>> check_look_share(lambda weights, cells: weights.mean(dim=(0, 1, 4)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: look_share: ...
    """
    LOOK_SHARE.check(answer, seed)
