"""The engine of the sparse methods: each tile of queries meets its own few keys, and nothing else is computed.

A tile is some neighbouring queries, and the runs of keys that they may see. Its scores fit into a processor's cache,
where they are born, used and forgotten. The forward pass keeps the output and one number a query, the logarithm of the
sum in its softmax. From it the backward pass computes the weights again rather than fetch them from memory (Dao et
al., 2022, "FlashAttention", section 3.1 and appendix B).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attnbook.efficient._autocast import backward_without_autocast, without_autocast

ROWS = 64  # most queries in a tile: more make the products a little faster, and the corners of a window's tile larger
COLUMNS = 1024  # most keys in a run

# How many scores to hold at once. A CPU should keep them in its cache; a GPU wants few and large pieces of work.
SCORES_AT_ONCE = {"cpu": 2**19}
SCORES_AT_ONCE_ELSEWHERE = 2**26


class Run(NamedTuple):
    """Keys that stand side by side (or at equal distances), and which of the last ones each query may not see."""

    keys: slice
    bias: Tensor | None = None  # (rows, m) of the last m keys: 0 = may attend, -inf = may not; None = all see all


class Tile(NamedTuple):
    """Some queries, and the runs of keys that they see. A key should stand in one run only, or it counts twice."""

    rows: slice
    runs: Sequence[Run]


Tiles = Callable[[], Iterator[Tile]]


def pieces(first: int, last: int, size: int) -> list[slice]:
    """Cut the places from `first` to before `last` into slices of `size` or fewer.

    >>> pieces(2, 9, 3)
    [slice(2, 5, None), slice(5, 8, None), slice(8, 9, None)]
    """
    return [slice(start, min(start + size, last)) for start in range(first, last, size)]


def runs(first: int, last: int, bias: Tensor | None = None) -> list[Run]:
    """The keys from `first` to before `last`, in runs of some COLUMNS; the bias belongs to the last of them."""
    if bias is None:
        return [Run(keys) for keys in pieces(first, last, COLUMNS)]
    free = last - bias.shape[-1] - first  # keys without a bias; what is left of them after whole runs joins the others
    cut = last - bias.shape[-1] - free % COLUMNS
    return [*runs(first, cut), Run(slice(cut, last), bias)]


def future(rows: slice, q: Tensor) -> Tensor:
    """The bias of a causal tile whose last keys are its queries' own: no query sees those after itself."""
    m = rows.stop - rows.start
    return q.new_full((m, m), -math.inf).triu_(1)


def attend_tiles(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, tiles: Tiles) -> Tensor:
    """Scaled dot-product attention of each tile's queries to its keys.

    Args:
        q, k, v, mask: as for every method; already checked.
        tiles: makes the tiles, once for the forward and once for the backward pass. Each query is in one tile.
    Returns:
        output, (..., n_q, d_v).
    """
    leading = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    heads = math.prod(leading)
    dtype = torch.promote_types(torch.promote_types(q.dtype, k.dtype), v.dtype)  # they differ in mixed precision only
    bias = None
    if mask is not None:
        mask = torch.atleast_2d(mask)
        k, v = (torch.where(mask.mT, x, 0.0) for x in (k, v))  # 0 · NaN = NaN: a weight of 0 alone would not hide it
        bias = torch.zeros_like(mask, dtype=dtype).masked_fill_(~mask, -math.inf)
        bias = bias.expand(*leading, -1, -1).reshape(heads, 1, k.shape[-2])
    # (..., n, d) -> (heads, n, d): to the tiles all leading axes are alike
    q, k, v = (x.to(dtype).expand(*leading, -1, -1).reshape(heads, *x.shape[-2:]) for x in (q, k, v))
    with without_autocast(q.device):
        output = _TiledAttention.apply(q, k, v, bias, tiles)
    return output.view(*leading, *output.shape[-2:])


class _TiledAttention(torch.autograd.Function):
    """q (heads, n_q, d_k), k, v and the mask's bias (heads, 1, n_k) -> output (heads, n_q, d_v).

    Scores are in units of log 2, since 2^x takes half the time of e^x: softmax(s) = 2^(s log2 e) / its sum.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask_bias: Tensor | None, tiles: Tiles) -> Tensor:
        output = q.new_zeros(*q.shape[:2], v.shape[-1])
        log_total = q.new_zeros(*q.shape[:2], 1, dtype=_precision(q))
        for heads, rows, tile_runs in _work(q, k, tiles):
            q_t = _scaled(_take(q, heads, rows))
            done = None
            for run in tile_runs:
                new = _average(_scores(q_t, k, mask_bias, heads, run), _take(v, heads, run.keys))
                done = new if done is None else _merge(*done, *new)
            if done is not None:
                output[heads, rows], log_total[heads, rows] = done
        ctx.save_for_backward(q, k, v, mask_bias, output, log_total)
        ctx.tiles = tiles
        return output

    @staticmethod
    @once_differentiable
    @backward_without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, mask_bias, output, log_total = ctx.saved_tensors
        dq, dk, dv = (torch.zeros_like(x, dtype=_precision(x)) for x in (q, k, v))
        for heads, rows, tile_runs in _work(q, k, ctx.tiles):
            q_t, g_t, log_t = _scaled(_take(q, heads, rows)), _take(grad, heads, rows), log_total[heads, rows]
            # The softmax's gradient is w (dw - sum of w dw over the keys), and that sum is grad · output.
            mean = (g_t * _take(output, heads, rows)).sum(dim=-1, keepdim=True)
            for run in tile_runs:
                k_t, v_t = _take(k, heads, run.keys), _take(v, heads, run.keys)
                weights = _scores(q_t, k, mask_bias, heads, run).sub_(log_t).exp2_()
                d_scores = (g_t @ v_t.mT).sub_(mean).mul_(weights)
                dv[heads, run.keys].baddbmm_(weights.mT, g_t)
                dk[heads, run.keys].baddbmm_(d_scores.mT, q_t, alpha=math.log(2))  # q_t holds log2 e = 1 / log 2
                dq[heads, rows].baddbmm_(d_scores, k_t, alpha=1 / math.sqrt(q.shape[-1]))
        return dq.to(q.dtype), dk.to(k.dtype), dv.to(v.dtype), None, None


def _work(q: Tensor, k: Tensor, tiles: Tiles) -> Iterator[tuple[slice, slice, Sequence[Run]]]:
    """Each tile, for as many heads at once as SCORES_AT_ONCE allows."""
    at_once = SCORES_AT_ONCE.get(q.device.type, SCORES_AT_ONCE_ELSEWHERE)
    for rows, tile_runs in tiles():
        longest = max(_length(run.keys, k) for run in tile_runs)
        for heads in pieces(0, q.shape[0], max(1, at_once // (_length(rows, q) * longest))):
            yield heads, rows, tile_runs


def _scores(q_t: Tensor, k: Tensor, mask_bias: Tensor | None, heads: slice, run: Run) -> Tensor:
    scores = q_t @ _take(k, heads, run.keys).mT
    if run.bias is not None:
        scores[..., -run.bias.shape[-1] :] += run.bias
    if mask_bias is not None:
        scores += mask_bias[heads, :, run.keys]
    return scores


def _average(scores: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """The average of the values by softmax(scores), and the logarithm of its sum. It takes the scores' memory."""
    number = torch.finfo(scores.dtype)
    top = scores.amax(dim=-1, keepdim=True).clamp_(min=number.min)  # a query that sees nothing has -inf
    weights = scores.sub_(top).exp2_()
    total = weights.sum(dim=-1, keepdim=True).clamp_(min=number.tiny)
    return (weights @ values).div_(total), total.log2_().add_(top)


def _merge(output: Tensor, log_total: Tensor, new: Tensor, log_new: Tensor) -> tuple[Tensor, Tensor]:
    """Two averages over different keys make one: each counts by its share of the sum."""
    log_both = torch.logaddexp2(log_total, log_new)
    both = output.mul_((log_total - log_both).exp2_()).addcmul_(new, (log_new - log_both).exp2_())
    return both, log_both


def _scaled(q: Tensor) -> Tensor:
    return q * (math.log2(math.e) / math.sqrt(q.shape[-1]))


def _take(x: Tensor, heads: slice, places: slice) -> Tensor:
    """A part of x (heads, n, d). Half precision is stored as it is, but computed in single precision."""
    return x[heads, places].to(_precision(x))


def _precision(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _length(places: slice, x: Tensor) -> int:
    return len(range(*places.indices(x.shape[1])))
