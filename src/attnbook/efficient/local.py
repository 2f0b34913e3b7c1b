"""Sliding-window attention: each query sees its neighbourhood, and a few global tokens see and are seen by all.

Far tokens meet through several layers, as rumours pass from neighbour to neighbour, or in one step through a global
token. This is Longformer's pattern (Beltagy et al., 2020). Longformer projects the global queries, keys and values by
weights of their own; here local and global attention share q, k and v.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from attnbook._checks import check_count
from attnbook.efficient._inputs import check_inputs
from attnbook.efficient._tiles import COLUMNS, ROWS, Run, Tile, attend_tiles, pieces, runs


def sliding_window_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    window: int,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    dilation: int = 1,
    global_tokens: Sequence[int] = (),
) -> Tensor:
    """Let each query attend to itself and `window` keys on either side, and to the global tokens.

    It is exact attention under `masks.sliding_window(n, window, dilation) | masks.global_tokens(n, global_tokens)`,
    where causal `& masks.causal(n)`, but neither that mask nor its scores are ever made.

    Args:
        q: queries, (..., n, d_k).
        k: keys, (..., n, d_k).
        v: values, (..., n, d_v).
        window: keys on either side, 0 or more; where causal on the left side only.
        mask: bool, broadcasts to (..., 1, n), hides keys; True = may attend.
        causal: whether to hide the future too.
        dilation: distance from one key of the window to the next.
        global_tokens: places of the tokens that see everyone and that everyone sees, each from 0 to n - 1.
    Returns:
        output, (..., n, d_v); zeros for a query that may attend to nothing. A NaN or infinity that the mask does not
        hide may reach all queries of a tile (64 neighbours), also those that do not see it.
    Raises:
        ValueError: window is negative, dilation is below 1, a global token is outside the sequence, or shapes do not
            fit; the message gives them.
        TypeError: dtypes do not fit, or the mask is not boolean.
    Cost: O(n · (window + g) · (d_k + d_v)) time for g global tokens; O(n · (d_k + d_v)) memory, forward and backward.
    Source: Beltagy, Peters and Cohan (2020), "Longformer", section 3.1.

    >>> import torch
    >>> q = k = torch.zeros(5, 4)
    >>> v = torch.tensor([[1.0], [2.0], [3.0], [4.0], [50.0]])
    >>> sliding_window_attention(q, k, v, 1).T  # each the mean of itself and its neighbours
    tensor([[ 1.5000,  2.0000,  3.0000, 19.0000, 27.0000]])
    >>> sliding_window_attention(q, k, v, 0, global_tokens=[4]).T
    tensor([[25.5000, 26.0000, 26.5000, 27.0000, 12.0000]])
    """
    check_inputs(q, k, v, mask, one_length=True)
    check_count("window", window, least=0)
    check_count("dilation", dilation)
    n = q.shape[-2]
    for place in global_tokens:
        if not 0 <= place < n:
            raise ValueError(f"global_tokens should lie between 0 and n - 1 = {n - 1}, got {place}")
    if not global_tokens:
        return attend_tiles(q, k, v, mask, lambda: _window_tiles(q, window, dilation, causal))
    at = torch.tensor(sorted(set(global_tokens)), device=q.device)
    # The global keys once more, side by side behind the others
    k_all, v_all = (torch.cat([x, x[..., at, :]], dim=-2) for x in (k, v))
    mask_all = None if mask is None else torch.cat([mask, mask[..., at]], dim=-1)
    output = attend_tiles(q, k_all, v_all, mask_all, lambda: _window_and_global_tiles(q, window, dilation, causal, at))
    of_global = attend_tiles(q[..., at, :], k, v, mask, lambda: _global_tiles(q, causal, at))
    return output.index_copy(-2, at, of_global)


def _window_tiles(q: Tensor, window: int, dilation: int, causal: bool) -> Iterator[Tile]:
    """Every `dilation`-th token makes a sequence of its own, in which the window has no gaps."""
    n = q.shape[-2]
    before = min(window, n)
    after = 0 if causal else before
    # Row i of a tile sees the columns i to i + before + after.
    square = q.new_ones(ROWS, before + ROWS + after, dtype=torch.bool)
    band = _bias(square.tril(-1) | square.triu(before + after + 1), q)
    for offset in range(min(dilation, n)):
        m = len(range(offset, n, dilation))
        for rows in pieces(0, m, ROWS):
            start = rows.start - before  # the key of the band's column 0, if there is one
            keys = pieces(max(0, start), min(m, rows.stop + after), COLUMNS)
            bias = band[: rows.stop - rows.start]
            yield Tile(
                _spread(rows, offset, dilation),
                [Run(_spread(run, offset, dilation), bias[:, run.start - start : run.stop - start]) for run in keys],
            )


def _spread(places: slice, offset: int, step: int) -> slice:
    """Places in a sequence that is every step-th token from `offset` on, as places among all tokens."""
    return slice(offset + places.start * step, offset + (places.stop - 1) * step + 1, step)


def _window_and_global_tiles(q: Tensor, window: int, dilation: int, causal: bool, at: Tensor) -> Iterator[Tile]:
    """The window's tiles and the global keys, each of which is hidden where the window already holds it."""
    n = q.shape[-2]
    place = torch.arange(n, device=q.device)
    keys = slice(n, n + at.shape[0])
    for rows, window_runs in _window_tiles(q, window, dilation, causal):
        distance = place[rows, None] - at  # (rows, g)
        hidden = (distance.abs() <= window * dilation) & (distance % dilation == 0)
        if causal:
            hidden |= distance < 0
        yield Tile(rows, [*window_runs, Run(keys, _bias(hidden, q))])


def _global_tiles(q: Tensor, causal: bool, at: Tensor) -> Iterator[Tile]:
    """The global queries, and all keys."""
    place = torch.arange(q.shape[-2], device=q.device)
    for rows in pieces(0, at.shape[0], ROWS):
        every = runs(0, q.shape[-2])
        if causal:
            every = [Run(keys, _bias(place[keys] > at[rows, None], q)) for keys, _ in every]
        yield Tile(rows, every)


def _bias(hidden: Tensor, q: Tensor) -> Tensor:
    return q.new_zeros(hidden.shape).masked_fill_(hidden, -math.inf)
