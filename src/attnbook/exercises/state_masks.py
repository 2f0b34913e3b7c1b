"""Which states of sound are true, after convolutions have shortened time."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _halved(n: Any, layers: int) -> Any:
    """A length, or several, after so many convolutions of stride 2."""
    for _ in range(layers):
        n = (n + 1) // 2
    return n


def _other(true: Callable[[Tensor, int, int], Tensor]) -> Callable[[Tensor, int, int], Tensor]:
    """The mask, with another number of true states."""

    def answer(lengths: Tensor, n: int, layers: int) -> Tensor:
        place = torch.arange(_halved(n, layers), device=lengths.device)
        return place < true(lengths, n, layers)[:, None]

    return answer


_state_mask = _other(lambda lengths, n, layers: _halved(lengths, layers))


def _share(lengths: Tensor, n: int, layers: int) -> Tensor:
    """What the task's planted bug counts: the same share of the states as of the frames."""
    return lengths / n * _halved(n, layers)


def _touched(lengths: Tensor, n: int, layers: int) -> Tensor:
    for _ in range(layers):
        lengths = torch.where(lengths > 0, lengths // 2 + 1, 0)
    return lengths


def _inner(lengths: Tensor, n: int, layers: int) -> Tensor:
    for _ in range(layers):
        lengths = (lengths - 1) // 2
    return lengths


def _nearest(lengths: Tensor, n: int, layers: int) -> Tensor:
    for _ in range(layers):
        lengths = torch.round(lengths / 2)
    return lengths


def _cases(draw: Draw) -> list[Case]:
    n = 37 + 8 * int(draw.whole(0, 5))  # divided by 8, it leaves 5
    # Divided by 4 they leave 1, 2, 3 and 0, and what is short is hit by every way to round.
    lengths = torch.cat([torch.tensor([n, 1, 6, 11, 16, n - 1, n - 2, n - 9]), draw.whole(1, n, 3)])
    empty = torch.tensor([n + 3, 0, 5, n - 5])
    return [
        Case("", (lengths, n, 2)),
        Case("with one layer", (lengths, n, 1), "There may be any number of layers."),
        Case("with three layers", (lengths, n, 3), "There may be any number of layers."),
        Case("with an empty sound", (empty, n + 3, 2), "A length may be 0, and it may be n."),
        Case("with no layer", (empty, n + 3, 0), "With no layer the states are the frames."),
    ]


SHARE = (
    "True states are counted as a share of all states. Then it hangs on the rest of the batch how many a sound has. \
What becomes of its own length at each layer?"
)
ROUNDED_DOWN = "A last state is hidden that is true: the lengths are rounded down. A convolution of stride 2 makes 3 \
states of 5 frames."

STATE_MASK = Task(
    "state_mask",
    _state_mask,
    _cases,
    (
        Mistake(SHARE, _other(lambda *x: _share(*x).ceil())),
        Mistake(SHARE, _other(lambda *x: _share(*x).round())),
        Mistake(SHARE, _other(lambda *x: _share(*x).long())),
        Mistake(SHARE, _other(lambda *x: _share(*x).long() + 1)),
        Mistake(ROUNDED_DOWN, _other(lambda lengths, n, layers: lengths // 2**layers)),
        Mistake("One state too many is open where a length can be halved without rest: add before you divide, not "
                "after.",
                _other(lambda lengths, n, layers: lengths // 2**layers + 1)),
        Mistake("A state is open as soon as its window touches a true frame. It should be when its middle does.",
                _other(_touched)),
        Mistake("A state is open only when the whole window around it holds true frames. It should be when its middle "
                "does.", _other(_inner)),
        Mistake("Half a length is rounded now up, now down. A convolution of stride 2 makes 3 states of 5 frames.",
                _other(_nearest)),
        Mistake("The lengths are those of frames: they were not halved.", _other(lambda lengths, n, layers: lengths)),
        Mistake("The lengths are halved once. Each layer halves them.",
                _other(lambda lengths, n, layers: (lengths + 1) // 2)),
        Mistake("The lengths are divided by the number of layers; each layer halves them.",
                _other(lambda lengths, n, layers: lengths // max(layers, 1))),
        Mistake("The lengths are divided by twice the number of layers. Each layer halves them: 2, 4, 8.",
                _other(lambda lengths, n, layers: -(-lengths // max(2 * layers, 1)))),
        Mistake("The lengths are always divided by 4: `layers` changes nothing.",
                _other(lambda lengths, n, layers: _halved(lengths, 2))),
        Mistake("Turned around: True where a state stands for filling.", lambda *x: ~_state_mask(*x)),
        Mistake("All states are open: lengths changes nothing.",
                lambda *x: torch.ones_like(_state_mask(*x))),
        Mistake("The length of the first sound serves for all.",
                _other(lambda lengths, n, layers: _halved(lengths[:1].expand(len(lengths)), layers))),
        Mistake("The filling was looked for in front; it stands behind.",
                lambda *x: _state_mask(*x).flip(-1)),
        Mistake("One state too few is open.", _other(lambda lengths, n, layers: _halved(lengths, layers) - 1)),
        Mistake("One state too many is open.", _other(lambda lengths, n, layers: _halved(lengths, layers) + 1)),
    ),
    returns=("the mask",),
)  # fmt: skip


def check_state_mask(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a mask of states behind strided convolutions: state_mask(lengths, n, layers), bool, (b, number of states).

    >>> check_state_mask(lambda lengths, n, layers: ~_state_mask(lengths, n, layers))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: state_mask: Turned around: True where a state stands for filling....
    """
    STATE_MASK.check(answer, seed)
