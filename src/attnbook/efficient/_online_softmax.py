"""The online softmax: attention over keys that come block by block, none of which stays.

Scores are turned into powers of two, s' = s · log2(e), so that 2^s' = e^s. Of the keys read so far, each query keeps

    peak = max s'        total = Σ 2^(s' - peak)        summed = Σ 2^(s' - peak) · value

A block with a higher score raises the peak, and what was summed before shrinks by 2^(old peak - new peak). After the
last block, summed / total is the softmax's average. No power overflows, since no exponent exceeds 0. The backward pass
is given log_total = peak + log2(total), and so can compute a block's weights again: 2^(s' - log_total).

All tensors here have one leading axis b, in which heads and sequences lie side by side.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from attnbook.attention import mend

LOG2_E = math.log2(math.e)  # a CPU takes half as long for 2^x as for e^x
INF, NAN = float("inf"), float("nan")


class Keys(NamedTuple):
    """Keys, their values, and what is added to their scores."""

    k: Tensor  # (b, n_k, d_k)
    v: Tensor  # (b, n_k, d_v)
    bias: Tensor | None = (
        None  # (b, n_k, 1): 0, or -inf for a hidden key, or NaN for a broken one (with NaN or infinity)
    )


class Running(NamedTuple):
    """What is known of each query after some of the keys, in the working dtype."""

    summed: Tensor  # (b, n_q, d_v)
    total: Tensor  # (b, n_q, 1)
    peak: Tensor  # (b, n_q, 1)


class Answer(NamedTuple):
    """What the backward pass needs to know of each query."""

    grad: Tensor  # of the output, (b, n_q, d_v)
    log_total: Tensor  # (b, n_q, 1)
    delta: Tensor  # grad · output, (b, n_q, 1)


class Gradients(NamedTuple):
    """The gradients of q, k and v, in the working dtype, to which each pair of blocks adds its part."""

    q: Tensor
    k: Tensor
    v: Tensor


def working_dtype(x: Tensor) -> torch.dtype:
    """Sums over many keys need more digits than 16 bits hold."""
    return torch.promote_types(x.dtype, torch.float32)


def lay_out(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, hides: bool) -> tuple[Tensor, Keys]:
    """Lay the leading axes of checked inputs side by side in one, and find the keys that are hidden or broken.

    Where nothing `hides` a key, by a mask or as future, there is no need to: a NaN spreads to all queries by itself.
    """
    leading = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    bias = None
    if hides:
        broken = mend(k.detach())[1] | mend(v.detach())[1]  # (..., n_k, 1)
        bias = torch.zeros_like(broken, dtype=working_dtype(q)).masked_fill(broken, NAN)
        bias = bias if mask is None else torch.where(torch.atleast_2d(mask).mT, bias, -INF)

    def side_by_side(x: Tensor) -> Tensor:
        return x.expand(*leading, *x.shape[-2:]).reshape(math.prod(leading), *x.shape[-2:])

    return side_by_side(q), Keys(side_by_side(k), side_by_side(v), None if bias is None else side_by_side(bias))


# --- Forward ---------------------------------------------------------------------------------------------------------


def begin(q: Tensor, v: Tensor) -> Running:
    dtype = working_dtype(q)
    summed = q.new_zeros(*q.shape[:-1], v.shape[-1], dtype=dtype)
    total = q.new_zeros(*q.shape[:-1], 1, dtype=dtype)
    # The lowest finite number, not -inf: where all keys are hidden, 2^(-inf - lowest) = 0, but -inf - -inf is NaN.
    return Running(summed, total, torch.full_like(total, torch.finfo(dtype).min))


def take_in(running: Running, q: Tensor, keys: Keys, block: int, shift: int | None) -> None:
    """Let the queries q (b, n_q, d_k) attend to more keys, in place.

    Args:
        running: of these queries.
        block: queries and keys in a block.
        shift: query i sees the keys up to i + shift; None = all keys.
    """
    scale = LOG2_E / math.sqrt(q.shape[-1])
    tile = _tile(q, keys.k, block)  # all the memory that scores and weights ever take
    for rows, columns in _key_blocks(keys.k, block, len(tile)):
        k, v, bias = _read(keys, rows, columns, tile.dtype)
        for queries in _query_blocks(q, columns, block, shift):
            qi = q[rows, queries].to(tile.dtype)
            summed, total, peak = (x[rows, queries] for x in running)
            scores = _fit(tile, qi, k).baddbmm_(qi, k.mT, beta=0, alpha=scale)
            _hide(scores, bias, queries, columns, shift)
            higher = torch.maximum(peak, scores.amax(dim=-1, keepdim=True))
            weights = scores.sub_(higher).exp2_()
            shrink = torch.exp2(peak - higher)
            total.mul_(shrink).add_(weights.sum(dim=-1, keepdim=True))
            summed.mul_(shrink).baddbmm_(weights, v)
            peak.copy_(higher)


def finish(running: Running) -> tuple[Tensor, Tensor]:
    """The output (b, n_q, d_v), in the place of what was summed, and log_total (b, n_q, 1)."""
    summed, total, peak = running
    total.clamp_(min=1)  # at least 1 is the highest key's share, unless no key was visible: then the output is zero
    # A query that sees a broken key has NaN as its output. In the backward pass it weighs nothing, 2^(s' - inf), so
    # that it does not spoil the gradients of the others.
    log_total = (peak + total.log2()).nan_to_num(nan=INF, posinf=INF)
    return summed.div_(total), log_total


# --- Backward --------------------------------------------------------------------------------------------------------


def answer(grad: Tensor, output: Tensor, log_total: Tensor) -> Answer:
    dtype = log_total.dtype
    delta = (grad.to(dtype) * output.to(dtype)).sum(dim=-1, keepdim=True)
    return Answer(grad, log_total, torch.where(log_total.isinf(), 0.0, delta))


def add_gradients(grads: Gradients, q: Tensor, keys: Keys, block: int, shift: int | None, back: Answer) -> None:
    """Add what these queries and keys have to do with the output's gradient, in place.

    The softmax's gradient is grad_s_ij = p_ij (grad_i · v_j - delta_i). Its delta_i = Σ_j p_ij (grad_i · v_j) is
    grad_i · output_i, so that it needs no pass over the keys (Dao et al., 2022, appendix B.2).
    """
    scale = 1 / math.sqrt(q.shape[-1])
    if keys.bias is not None:  # who sees a broken key weighs nothing already; here the key is merely hidden
        keys = keys._replace(bias=keys.bias.nan_to_num(nan=-INF, neginf=-INF))
    # Tiles lie the other way round here, (keys, queries), since two of three sums then read them along their rows.
    tile = _tile(keys.k, q, block)
    other_tile = torch.empty_like(tile)
    for rows, columns in _key_blocks(keys.k, block, len(tile)):
        k, v, bias = _read(keys, rows, columns, tile.dtype)
        grad_k, grad_v = grads.k[rows, columns], grads.v[rows, columns]
        for queries in _query_blocks(q, columns, block, shift):
            qi, grad, log_total, delta = (x[rows, queries].to(tile.dtype) for x in (q, *back))
            scores = _fit(tile, k, qi).baddbmm_(k, qi.mT, beta=0, alpha=scale * LOG2_E)
            _hide(scores.mT, bias, queries, columns, shift)
            weights = scores.sub_(log_total.mT).exp2_()
            grad_v.baddbmm_(weights, grad)
            grad_scores = _fit(other_tile, k, qi).baddbmm_(v, grad.mT, beta=0).sub_(delta.mT).mul_(weights)
            grad_k.baddbmm_(grad_scores, qi, alpha=scale)
            grads.q[rows, queries].baddbmm_(grad_scores.mT, k, alpha=scale)


# --- Blocks ----------------------------------------------------------------------------------------------------------


def _tile(left: Tensor, right: Tensor, block: int) -> Tensor:
    """Room for the scores of one block with another, of as much of the leading axis as is computed at once."""
    b, n_left, n_right = left.shape[0], min(block, left.shape[1]), min(block, right.shape[1])
    # A CPU is fast with what fits its cache, a GPU with much work at once.
    together = max(1, 2**18 // max(1, n_left * n_right)) if left.device.type == "cpu" else b
    return left.new_empty(max(1, min(b, together)), n_left, n_right, dtype=working_dtype(left))


def _fit(tile: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """The corner of the tile for these vectors: the last blocks may be smaller."""
    return tile[: left.shape[0], : left.shape[1], : right.shape[1]]


def _key_blocks(k: Tensor, block: int, together: int) -> Iterator[tuple[slice, slice]]:
    b, n_k = k.shape[:2]
    for row in range(0, b, together):
        for start in range(0, n_k, block):
            yield slice(row, min(row + together, b)), slice(start, min(start + block, n_k))


def _query_blocks(q: Tensor, columns: slice, block: int, shift: int | None) -> Iterator[slice]:
    """Blocks of the queries that see at least the first of these keys. To the others the whole block is future."""
    n_q = q.shape[1]
    for start in range(0 if shift is None else max(0, columns.start - shift), n_q, block):
        yield slice(start, min(start + block, n_q))


def _read(keys: Keys, rows: slice, columns: slice, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor | None]:
    """A block of keys, values and biases. What is hidden or broken is read as zeros, for 0 · NaN would be NaN."""
    k, v = keys.k[rows, columns].to(dtype), keys.v[rows, columns].to(dtype)
    if keys.bias is None:
        return k, v, None
    bias = keys.bias[rows, columns]
    whole = bias == 0
    return torch.where(whole, k, 0.0), torch.where(whole, v, 0.0), bias.mT


def _hide(scores: Tensor, bias: Tensor | None, queries: slice, columns: slice, shift: int | None) -> None:
    """Set the scores (b, n_q, n_k) of hidden and of future keys to -inf, those of broken keys to NaN, in place."""
    if bias is not None:
        scores.add_(bias)
    # The first query of the block sees the fewest keys. If it sees the last one, none of them is future.
    last_seen = 0 if shift is None else queries.start + shift - columns.start
    if shift is not None and last_seen < columns.stop - columns.start - 1:
        future = torch.ones_like(scores[0], dtype=torch.bool).triu(last_seen + 1)
        scores.masked_fill_(future, -INF)
