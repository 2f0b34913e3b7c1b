"""A sliding window in little memory: each query sees its neighbourhood, and no n × n matrix is ever made."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.attention import attend, scaled_dot_product_attention
from attnbook.efficient.local import sliding_window_attention
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function
from attnbook.exercises._task import Mistake, Task
from attnbook.measuring import peak_bytes
from attnbook.scores import dot, scaled_dot

Pattern = Callable[[Tensor, Tensor, int], Tensor]


def _window(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    return sliding_window_attention(q, k, v, window)


def _cases(draw: Draw) -> list[Case]:
    d, d_v, b = draw.sizes(3)
    w = int(draw.whole(2, 4))
    n = w * int(draw.whole(4, 5))

    def inputs(n: int, w: int, *leading: int) -> tuple[Any, ...]:
        return draw.normal(*leading, n, d), draw.normal(*leading, n, d), draw.normal(*leading, n, d_v), w

    q, k, v, _ = inputs(n, w)
    return [
        Case("", (q, k, v, w)),
        Case("where window does not divide n", inputs(n + 1, w), "What is left when all chunks are full?"),
        Case("with a window of 0", inputs(n, 0), "Then each query sees its own key alone."),
        Case("with a window longer than the text", inputs(w + 1, w + 3), "Then each query sees all keys."),
        Case("with two batch axes", inputs(n + 1, w, b, 2), "Any number of axes may stand before the tokens'."),
        Case("with scores in the thousands", (1000 * q, 5 * k, v, w), "e to the power 1000 overflows."),
        Case(
            "with scores far below zero",
            (1000 * (q.abs() + 1), -50 * (k.abs() + 1), v, w),
            "A hidden key must lie below every score, however low that is.",
        ),
    ]


def _under(pattern: Pattern) -> Function:
    """Plain attention under another mask, which is made of the places of query and key and of the window."""

    def attention(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
        place = torch.arange(q.shape[-2], device=q.device)
        return scaled_dot_product_attention(q, k, v, pattern(place[:, None], place, window))[0]

    return attention


def _fetched(places: Callable[[Tensor, int], Tensor], *, zeros: bool = False) -> Function:
    """Keys fetched for each query by their places; those outside are brought inside, or zeros."""

    def attention(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
        n = q.shape[-2]
        place = torch.arange(n, device=q.device)[:, None] + torch.arange(-window, window + 1, device=q.device)
        inside = ((place >= 0) & (place < n))[..., None]
        near_k, near_v = (x[..., places(place, n), :] for x in (k, v))
        if zeros:
            near_k, near_v = (torch.where(inside, x, 0.0) for x in (near_k, near_v))
        return scaled_dot_product_attention(q.unsqueeze(-2), near_k, near_v)[0].squeeze(-2)

    return attention


def _band(q: Tensor, window: int) -> Tensor:
    place = torch.arange(q.shape[-2], device=q.device)
    return (place[:, None] - place).abs() <= window


def _zeroed(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    return attend(scaled_dot(q, k) * _band(q, window), v)[0]


def _cut_weights(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    return (scaled_dot(q, k).softmax(dim=-1) * _band(q, window)) @ v


def _whole_chunks(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    return _window(q, k, v, window)[..., : q.shape[-2] // max(window, 1) * max(window, 1), :]


def _nothing_in_front(q: Tensor, k: Tensor, v: Tensor, window: int) -> Tensor:
    """What a slice that begins at a negative place leads to."""
    place = torch.arange(q.shape[-2], device=q.device)[:, None]
    return torch.where(place < window, 0.0, _window(q, k, v, window))


def _memory(answer: Function) -> str:
    n, window = 4096, 4
    q, k, v = torch.ones(3, n, 8)
    with torch.no_grad():
        peak = peak_bytes(lambda: answer(q, k, v, window))
    if peak < 3 * n * n / 4:  # a boolean mask of all pairs alone takes n²
        return ""
    return (
        f"window_attention: The numbers are right, but the peak of memory is {peak:,} bytes for {n:,} tokens and a "
        f"window of {window}. Somewhere there is something for each of the {n * n:,} pairs, be it scores or a mask."
    )


WINDOW_ATTENTION = Task(
    "window_attention",
    _window,
    _cases,
    (
        Mistake("The zeros behind the borders count as keys. A score of 0 is still a score: they need a mask.",
                _fetched(lambda place, n: place.clamp(0, n - 1), zeros=True)),
        Mistake("At the borders the first and the last key count several times.",
                _fetched(lambda place, n: place.clamp(0, n - 1))),
        Mistake("The window goes around: the first token sees the last ones.", _fetched(lambda place, n: place % n)),
        Mistake("These are chunks: across a cut nobody sees their neighbour.",
                _under(lambda i, j, w: i // max(w, 1) == j // max(w, 1))),
        Mistake("Each query sees the three chunks whole. Some of these keys are further than the window from it.",
                _under(lambda i, j, w: (i // max(w, 1) - j // max(w, 1)).abs() <= 1)),
        Mistake("Off by one: the last key of the window is missing, on both sides.",
                _under(lambda i, j, w: (i - j).abs() < w)),
        Mistake("Off by one: a key too many on both sides.", _under(lambda i, j, w: (i - j).abs() <= w + 1)),
        Mistake("Off by one: the last key on the right is missing.",
                _under(lambda i, j, w: (i - j <= w) & (j - i < w))),
        Mistake("Off by one: the last key on the left is missing.",
                _under(lambda i, j, w: (i - j < w) & (j - i <= w))),
        Mistake("The window is open to the left alone.", _under(lambda i, j, w: (i - j <= w) & (j <= i))),
        Mistake("The window is open to the right alone.", _under(lambda i, j, w: (j - i <= w) & (i <= j))),
        Mistake("The window is half as wide as it should be: it counts the keys on one side.",
                _under(lambda i, j, w: (i - j).abs() <= w // 2)),
        Mistake("A query does not see its own key. It should.",
                _under(lambda i, j, w: ((i - j).abs() <= w) & (i != j))),
        Mistake("This is plain attention: the window hides nothing.", _under(lambda i, j, w: i - j == i - j)),
        Mistake("This shows what the window should hide: the mask is turned around.",
                _under(lambda i, j, w: (i - j).abs() > w)),
        Mistake("As if the √d were missing.", lambda q, k, v, w: _window(q * q.shape[-1] ** 0.5, k, v, w)),
        Mistake("As if √d were applied twice.", lambda q, k, v, w: _window(q / q.shape[-1] ** 0.5, k, v, w)),
        Mistake("The scores are divided by d; its root is meant.",
                lambda q, k, v, w: attend((dot(q, k) / q.shape[-1]).masked_fill(~_band(q, w), -torch.inf), v)[0]),
        Mistake("All keys of the window count the same: the queries change nothing.",
                lambda q, k, v, w: _window(torch.zeros_like(q), k, v, w)),
        Mistake("Hidden scores are 0, and a score of 0 is still a chance.", _zeroed),
        Mistake("The weights were cut off behind the softmax, and those that are left do not sum to 1.", _cut_weights),
        Mistake("The first queries get nothing. A slice that begins at a negative place counts from the end.",
                _nothing_in_front),
        Mistake("Queries and keys have changed places.", lambda q, k, v, w: _window(k, q, v, w)),
        Mistake("The window lies to the left of its query, with all of its keys.",
                _under(lambda i, j, w: (i - j <= 2 * w) & (j <= i))),
        Mistake("The last queries are missing: what is left over when chunks are full wants an answer too.",
                _whole_chunks),
    ),
    returns=("the output",),
    beyond=_memory,
)  # fmt: skip


def check_window_attention(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check attention in a sliding window: window_attention(q, k, v, window), (..., n, d_v), in little memory.

    >>> check_window_attention(lambda q, k, v, window: scaled_dot_product_attention(q, k, v)[0])  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: window_attention: This is plain attention: the window hides nothing....
    """
    WINDOW_ATTENTION.check(answer, seed)
