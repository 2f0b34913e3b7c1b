"""Chunked attention: cut the sequence into chunks, and let each attend to itself alone.

This is the simplest way to a cost that grows with the length and not with its square. Its price: two neighbours on
either side of a cut never meet. Windows that overlap (`local`) mend that.
"""

from collections.abc import Iterator

from torch import Tensor

from attnbook._checks import check_count
from attnbook.efficient._inputs import check_inputs
from attnbook.efficient._tiles import ROWS, Tile, attend_tiles, future, pieces, runs


def chunked_attention(
    q: Tensor, k: Tensor, v: Tensor, chunk: int, *, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Let each query attend to the keys of its own chunk.

    Query i sees key j if ⌊i / chunk⌋ = ⌊j / chunk⌋ (and j <= i where causal). Within that pattern it is exact.

    Args:
        q: queries, (..., n, d_k).
        k: keys, (..., n, d_k).
        v: values, (..., n, d_v).
        chunk: tokens in a chunk; the last chunk is shorter where it does not divide n.
        mask: bool, broadcasts to (..., 1, n), hides keys; True = may attend.
        causal: whether to hide the future too.
    Returns:
        output, (..., n, d_v); zeros for a query that may attend to nothing. A NaN or infinity that the mask does not
        hide may reach all queries of a tile (64 neighbours), also those that do not see it.
    Raises:
        ValueError: chunk is below 1, or shapes do not fit; the message gives them.
        TypeError: dtypes do not fit, or the mask is not boolean.
    Cost: O(n · chunk · (d_k + d_v)) time; O(n · (d_k + d_v)) memory, forward and backward.
    Source: Liu et al. (2018), "Generating Wikipedia by Summarizing Long Sequences", section 4.2.4 (local attention).

    >>> import torch
    >>> q = k = torch.zeros(5, 4)
    >>> chunked_attention(q, k, torch.tensor([[1.0], [3.0], [5.0], [7.0], [100.0]]), 2).T
    tensor([[  2.,   2.,   6.,   6., 100.]])
    """
    check_inputs(q, k, v, mask, one_length=True)
    check_count("chunk", chunk)
    n = q.shape[-2]

    def tiles() -> Iterator[Tile]:
        for chunk_places in pieces(0, n, chunk):
            first, last = chunk_places.start, chunk_places.stop
            for rows in pieces(first, last, ROWS):
                yield Tile(rows, runs(first, rows.stop, future(rows, q)) if causal else runs(first, last))

    return attend_tiles(q, k, v, mask, tiles)
