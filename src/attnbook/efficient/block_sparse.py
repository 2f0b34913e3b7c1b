"""Block-sparse attention: neighbouring blocks, a few global blocks, and some drawn at random.

Windows see what is near, global blocks see everything, and random links make the way between any two tokens short.
This is BigBird's pattern (Zaheer et al., 2020). It works on whole blocks, since a processor multiplies blocks fast.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from attnbook import masks
from attnbook._checks import check_count
from attnbook.efficient._inputs import check_inputs
from attnbook.efficient._tiles import ROWS, Tile, attend_tiles, future, pieces, runs


def block_sparse_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    block: int,
    *,
    seed: int,
    window: int = 1,
    num_global: int = 1,
    num_random: int = 3,
    mask: Tensor | None = None,
    causal: bool = False,
) -> Tensor:
    """Let each block of queries attend to the blocks near it, to the first blocks, and to blocks drawn at random.

    It is exact attention under `block_sparse_mask` with the same arguments, where causal `& masks.causal(n)`, but
    neither that mask nor its scores are ever made. A drawn block that is near or global anyway does not count twice.

    Args:
        q: queries, (..., n, d_k).
        k: keys, (..., n, d_k).
        v: values, (..., n, d_v).
        block: tokens in a block; the last block is shorter where it does not divide n.
        seed: draws the random blocks, as `masks.random_blocks` does: the same for all heads and on every device.
        window: blocks on either side, besides the query's own (BigBird has 1).
        num_global: how many of the first blocks see everyone and are seen by everyone.
        num_random: random blocks for each block of queries. It and num_global may exceed what there is.
        mask: bool, broadcasts to (..., 1, n), hides keys; True = may attend.
        causal: whether to hide the future too.
    Returns:
        output, (..., n, d_v); zeros for a query that may attend to nothing. A NaN or infinity that the mask does not
        hide may reach all queries of a tile (64 neighbours), also those that do not see it.
    Raises:
        ValueError: block is below 1, another number is negative, or shapes do not fit; the message gives them.
        TypeError: dtypes do not fit, or the mask is not boolean.
    Cost: O(n · s · (d_k + d_v)) time, where each query sees about s = (2 · window + 1 + 2 · num_global + num_random)
        · block keys; O(n · (d_k + d_v)) memory, forward and backward. The
        draw takes O((n / block)²) time, which is nothing beside it up to some million tokens.
    Source: Zaheer et al. (2020), "Big Bird", section 2 and appendix D.

    >>> import torch
    >>> q = k = torch.zeros(6, 4)
    >>> v = torch.tensor([[1.0], [2.0], [3.0], [4.0], [5.0], [6.0]])
    >>> block_sparse_attention(q, k, v, 2, window=0, num_global=1, num_random=0, seed=0).T
    tensor([[3.5000, 3.5000, 2.5000, 2.5000, 3.5000, 3.5000]])
    """
    check_inputs(q, k, v, mask, one_length=True)
    n = q.shape[-2]
    _check_pattern(n, block, window, num_global, num_random)
    seen = _seen_blocks(*_constants(-(-n // block), window, num_global, num_random, seed))

    def tiles() -> Iterator[Tile]:
        for number, blocks in enumerate(seen):
            for rows in pieces(number * block, min((number + 1) * block, n), ROWS):
                if causal:  # the queries' own block comes last, and ends with the tile's own keys
                    past = _joined([other for other in blocks if other <= number], block, rows.stop)
                    *before, (first, last) = past
                    own = runs(first, last, future(rows, q))
                else:
                    before, own = _joined(blocks, block, n), []
                yield Tile(rows, [run for places in before for run in runs(*places)] + own)

    return attend_tiles(q, k, v, mask, tiles)


def block_sparse_mask(
    n: int,
    block: int,
    *,
    seed: int,
    window: int = 1,
    num_global: int = 1,
    num_random: int = 3,
    device: masks.Device = None,
) -> Tensor:
    """The pattern of `block_sparse_attention` as a mask: to look at, and to compare.

    Args:
        n: number of queries and keys.
        block, seed, window, num_global, num_random: as in `block_sparse_attention`.
        device: where to make the mask.
    Returns:
        mask, bool, (n, n); True = may attend.
    Raises:
        ValueError: n or another number is negative, or block is below 1.
    Cost: O(n²) time and memory.
    Source: Zaheer et al. (2020), "Big Bird", section 2.

    >>> block_sparse_mask(6, 2, window=0, num_global=1, num_random=0, seed=0).int()
    tensor([[1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 1, 1],
            [1, 1, 1, 1, 0, 0],
            [1, 1, 1, 1, 0, 0],
            [1, 1, 0, 0, 1, 1],
            [1, 1, 0, 0, 1, 1]], dtype=torch.int32)
    """
    _check_pattern(n, block, window, num_global, num_random)
    total = -(-n // block)
    near = masks.sliding_window(total, window, device=device)
    crossroads = masks.global_tokens(total, range(min(num_global, total)), device=device)
    blocks = (near | crossroads).repeat_interleave(block, dim=0).repeat_interleave(block, dim=1)
    return blocks[:n, :n] | masks.random_blocks(n, block, min(num_random, total), seed=seed, device=device)


def _check_pattern(n: int, block: int, window: int, num_global: int, num_random: int) -> None:
    check_count("n", n, least=0)
    check_count("block", block)
    for name, value in [("window", window), ("num_global", num_global), ("num_random", num_random)]:
        check_count(name, value, least=0)


def _constants(*numbers: int) -> list[int]:
    """The same numbers. But where torch.compile would make one a symbol, as it does when a length or a seed changes
    from call to call, a range that must be counted out makes it a constant again."""
    return [number for n in numbers for number in range(n, n + 1)]


# The links follow from a few whole numbers, so a compiled graph may take them as given.
@torch.compiler.assume_constant_result
def _seen_blocks(total: int, window: int, num_global: int, num_random: int, seed: int) -> list[list[int]]:
    """For each block of queries, the blocks of keys that it sees, in order."""
    num_global = min(num_global, total)
    drawn = masks.draw_blocks(total, min(num_random, total), seed=seed).tolist()
    seen = []
    for number in range(total):
        near = range(max(0, number - window), min(number + window + 1, total))
        seen.append(sorted({*range(num_global), *near, *drawn[number]}) if number >= num_global else [*range(total)])
    return seen


def _joined(blocks: list[int], block: int, stop: int) -> list[tuple[int, int]]:
    """The first place of each run of neighbouring blocks and the one after its last, up to before `stop`."""
    joined: list[tuple[int, int]] = []
    for number in blocks:
        first, last = number * block, min((number + 1) * block, stop)
        if joined and joined[-1][1] == first:
            first, _ = joined.pop()
        joined.append((first, last))
    return joined
