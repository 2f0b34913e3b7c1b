"""The engine of the sparse methods: each tile of queries meets its own few keys, and nothing else is computed.

A tile is a few dozen queries and the pieces of the sequence whose keys they may see. Its scores fit into a processor's
cache, where they are born, used and forgotten. The forward pass keeps the output and one number a query, the logarithm
of the sum in its softmax. From it the backward pass computes a tile's weights again rather than fetch them from memory
(Dao et al., 2022, "FlashAttention", section 3.1 and appendix B).
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

Piece = slice | Tensor  # places in the sequence: a run of them, or an index (m,)

# How many scores to hold at once. On a CPU they should stay in its cache; a GPU wants few and large pieces of work.
SCORES_AT_ONCE = {"cpu": 2**18}
SCORES_AT_ONCE_ELSEWHERE = 2**26


ROWS = 128  # queries in a tile; more of them make the products faster, and the window's useless corners larger


class Tile(NamedTuple):
    """Some queries, the keys that they may see, and which of the last keys each may not.

    The bias is added to the scores of the last keys: 0 = may attend, -inf = may not. Without it every query sees every
    key. A key should stand in one piece only, or it counts twice.
    """

    rows: slice
    keys: tuple[Piece, ...]
    bias: Tensor | None = None  # (rows, m), for the last m keys


Tiles = Callable[[], Iterator[Tile]]


def row_tiles(first: int, last: int) -> Iterator[slice]:
    """Cut the queries from `first` to before `last` into runs of ROWS or fewer."""
    for start in range(first, last, ROWS):
        yield slice(start, min(start + ROWS, last))


def future(rows: slice, q: Tensor) -> Tensor:
    """The bias of a causal tile whose last keys are its queries' own: no query sees those after itself."""
    m = rows.stop - rows.start
    return q.new_full((m, m), -math.inf).triu_(1)


def band(before: int, after: int, q: Tensor) -> Tensor:
    """The bias of a whole tile in a window: row i sees the columns from i to i + before + after, (ROWS, columns)."""
    columns = q.new_ones(ROWS, before + ROWS + after, dtype=torch.bool)
    return torch.where(columns.triu().tril(before + after), q.new_zeros(()), -math.inf)


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
    with _no_autocast(q.device):
        output = _TiledAttention.apply(q, k, v, bias, tiles)
    return output.view(*leading, *output.shape[-2:])


class _TiledAttention(torch.autograd.Function):
    """q (heads, n_q, d_k), k, v and the mask's bias (heads, 1, n_k) -> output (heads, n_q, d_v).

    Scores are in units of log 2, since 2^x takes half the time of e^x: softmax(s) = 2^(s log2 e) / its sum.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask_bias: Tensor | None, tiles: Tiles) -> Tensor:
        output = q.new_empty(*q.shape[:2], v.shape[-1])
        log_total = q.new_empty(*q.shape[:2], 1, dtype=_precision(q))
        for heads, (rows, keys, bias) in _work(q, k, tiles):
            scores = _scores(_take(q, heads, (rows,)), _take(k, heads, keys), bias, mask_bias, heads, keys)
            top = scores.amax(dim=-1, keepdim=True).clamp_(min=torch.finfo(scores.dtype).min)  # -inf: sees nothing
            weights = scores.sub_(top).exp2_()
            total = weights.sum(dim=-1, keepdim=True).clamp_(min=torch.finfo(scores.dtype).tiny)
            output[heads, rows] = (weights @ _take(v, heads, keys)).div_(total)
            log_total[heads, rows] = total.log2_().add_(top)
        ctx.save_for_backward(q, k, v, mask_bias, output, log_total)
        ctx.tiles = tiles
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, mask_bias, output, log_total = ctx.saved_tensors
        dq = torch.empty_like(q)
        dk, dv = (torch.zeros_like(x, dtype=_precision(x)) for x in (k, v))
        scale = 1 / math.sqrt(q.shape[-1])
        for heads, (rows, keys, bias) in _work(q, k, ctx.tiles):
            q_t, grad_t, output_t = (_take(x, heads, (rows,)) for x in (q, grad, output))
            k_t, v_t = (_take(x, heads, keys) for x in (k, v))
            weights = _scores(q_t, k_t, bias, mask_bias, heads, keys).sub_(log_total[heads, rows]).exp2_()
            # The softmax's gradient is w (dw - sum of w dw over the keys), and that sum is grad . output.
            d_scores = (grad_t @ v_t.mT).sub_((grad_t * output_t).sum(dim=-1, keepdim=True)).mul_(weights)
            _add_product(dv, heads, keys, weights.mT, grad_t)
            _add_product(dk, heads, keys, d_scores.mT, q_t * scale)
            dq[heads, rows] = (d_scores @ k_t).mul_(scale)
        return dq, dk.to(k.dtype), dv.to(v.dtype), None, None


def _work(q: Tensor, k: Tensor, tiles: Tiles) -> Iterator[tuple[slice, Tile]]:
    """Each tile for as many heads at once as SCORES_AT_ONCE allows."""
    at_once = SCORES_AT_ONCE.get(q.device.type, SCORES_AT_ONCE_ELSEWHERE)
    for tile in tiles():
        scores = _length(tile.rows, q) * sum(_length(piece, k) for piece in tile.keys)
        group = max(1, at_once // scores)
        for first in range(0, q.shape[0], group):
            yield slice(first, first + group), tile


def _scores(
    q: Tensor, k: Tensor, bias: Tensor | None, mask_bias: Tensor | None, heads: slice, keys: tuple[Piece, ...]
) -> Tensor:
    scores = (q * (math.log2(math.e) / math.sqrt(q.shape[-1]))) @ k.mT
    if bias is not None:
        scores[..., -bias.shape[-1] :] += bias
    if mask_bias is not None:
        scores += _take(mask_bias.mT, heads, keys).mT
    return scores


def _take(x: Tensor, heads: slice, pieces: tuple[Piece, ...]) -> Tensor:
    """The pieces' rows of x (heads, n, d), one after the other; a view if there is one piece, and a copy else."""
    taken = [x[heads, piece] for piece in pieces]
    return (taken[0] if len(taken) == 1 else torch.cat(taken, dim=1)).to(_precision(x))


def _add_product(total: Tensor, heads: slice, pieces: tuple[Piece, ...], a: Tensor, b: Tensor) -> None:
    """total[heads, pieces] += a b."""
    if len(pieces) == 1 and isinstance(pieces[0], slice):
        total[heads, pieces[0]].baddbmm_(a, b)
        return
    parts = (a @ b).split([_length(piece, total) for piece in pieces], dim=1)
    for piece, part in zip(pieces, parts, strict=True):
        if isinstance(piece, slice):
            total[heads, piece] += part
        else:
            total[heads].index_add_(1, piece, part)


def _length(piece: Piece, x: Tensor) -> int:
    return len(range(*piece.indices(x.shape[1]))) if isinstance(piece, slice) else piece.shape[0]


def _precision(x: Tensor) -> torch.dtype:
    """Half precision is read and written as it is, but tiles are computed in single precision."""
    return torch.promote_types(x.dtype, torch.float32)


def _no_autocast(device: torch.device) -> AbstractContextManager:
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()
