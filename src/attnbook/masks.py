"""Masks: which query may attend to which key?

A mask is a boolean tensor (..., n_q, n_k) in which True means *may attend*. So `&` keeps what both masks allow, `|`
allows what either does, and `~` turns one around. The name of each mask tells what it lets through.

| mask           | query i may attend to key j if                        | source                            |
|----------------|-------------------------------------------------------|-----------------------------------|
| causal         | j is not in i's future                                | Vaswani et al. (2017)             |
| padding        | j is a token and not filling                          |                                   |
| sliding window | j is at most `width` steps away                       | Longformer, Beltagy et al. (2020) |
| global tokens  | i or j is one of the chosen tokens                    | Longformer                        |
| random blocks  | j's block was drawn for i's block                     | BigBird, Zaheer et al. (2020)     |
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from attnbook._checks import check_count

Device = torch.device | str | None


def causal(n_q: int, n_k: int | None = None, *, device: Device = None) -> Tensor:
    """Let each query see its own position and the past, as a model that writes from left to right must.

    The last query stands at the last key. So with a cache of earlier keys (n_k > n_q), the last query sees all keys.

    Args:
        n_q: number of queries.
        n_k: number of keys, at least n_q; n_q if left out.
        device: where to make the mask.
    Returns:
        mask, bool, (n_q, n_k).
    Raises:
        ValueError: n_q is negative, or n_k is smaller than n_q.
    Cost: O(n_q n_k) time and memory.
    Source: Vaswani et al. (2017), section 3.2.3.

    >>> causal(3).int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [1, 1, 1]], dtype=torch.int32)
    >>> causal(2, 4).int()
    tensor([[1, 1, 1, 0],
            [1, 1, 1, 1]], dtype=torch.int32)
    """
    check_count("n_q", n_q, least=0)
    n_k = n_q if n_k is None else n_k
    check_count("n_k", n_k, least=0)
    if n_k < n_q:
        raise ValueError(f"n_k should be at least n_q, for each query has a key of its own; got n_q {n_q}, n_k {n_k}")
    return torch.ones(n_q, n_k, dtype=torch.bool, device=device).tril(n_k - n_q)


def padding(lengths: Tensor, n: int) -> Tensor:
    """Hide what fills up the shorter sequences of a batch.

    Args:
        lengths: int, (...), the number of true tokens of each sequence, from 0 to n.
        n: number of keys, filling included.
    Returns:
        mask, bool, (..., 1, n), on the device of lengths: the same keys for all queries.
    Raises:
        ValueError: n is negative.
        TypeError: lengths is not a tensor of whole numbers.
    Cost: O(b n) time and memory for b sequences.

    >>> import torch
    >>> padding(torch.tensor([1, 3]), 4).int()
    tensor([[[1, 0, 0, 0]],
    <BLANKLINE>
            [[1, 1, 1, 0]]], dtype=torch.int32)
    """
    check_count("n", n, least=0)
    if not isinstance(lengths, Tensor) or lengths.dtype not in (torch.int64, torch.int32):
        given = lengths.dtype if isinstance(lengths, Tensor) else type(lengths).__name__
        raise TypeError(f"lengths should be a tensor of whole numbers (torch.int64), got {given}")
    return (torch.arange(n, device=lengths.device) < lengths.unsqueeze(-1)).unsqueeze(-2)


def sliding_window(n: int, width: int, dilation: int = 1, *, device: Device = None) -> Tensor:
    """Let each query see itself and `width` keys on either side: a band along the diagonal.

    Dilation d spreads the same number of keys over d times the distance: it takes every d-th. With `causal`, only the
    left half is left: `causal(n) & sliding_window(n, width)`.

    Args:
        n: number of queries and keys.
        width: how many keys on either side, 0 or more; 2 · width + 1 in all (Longformer's w is 2 · width).
        dilation: distance from one key to the next.
        device: where to make the mask.
    Returns:
        mask, bool, (n, n).
    Raises:
        ValueError: n or width is negative, or dilation is below 1.
    Cost: O(n²) time and memory for the mask; a method that uses the band needs O(n · width).
    Source: Beltagy, Peters and Cohan (2020), "Longformer", section 3.1.

    >>> sliding_window(5, 1).int()
    tensor([[1, 1, 0, 0, 0],
            [1, 1, 1, 0, 0],
            [0, 1, 1, 1, 0],
            [0, 0, 1, 1, 1],
            [0, 0, 0, 1, 1]], dtype=torch.int32)
    >>> sliding_window(5, 1, dilation=2)[2].int()
    tensor([1, 0, 1, 0, 1], dtype=torch.int32)
    """
    check_count("n", n, least=0)
    check_count("width", width, least=0)
    check_count("dilation", dilation)
    position = torch.arange(n, device=device)
    distance = (position[:, None] - position).abs()
    return (distance <= width * dilation) & (distance % dilation == 0)


def global_tokens(n: int, positions: Sequence[int], *, device: Device = None) -> Tensor:
    """Let the chosen tokens see everyone and be seen by everyone: crossroads through which far tokens meet.

    Args:
        n: number of queries and keys.
        positions: the chosen tokens, each from 0 to n - 1.
        device: where to make the mask.
    Returns:
        mask, bool, (n, n).
    Raises:
        ValueError: n is negative, or a position is outside 0 to n - 1.
    Cost: O(n²) time and memory for the mask; a method that uses it needs O(n · len(positions)).
    Source: Beltagy, Peters and Cohan (2020), "Longformer", section 3.1.

    >>> global_tokens(4, [1]).int()
    tensor([[0, 1, 0, 0],
            [1, 1, 1, 1],
            [0, 1, 0, 0],
            [0, 1, 0, 0]], dtype=torch.int32)
    """
    check_count("n", n, least=0)
    for position in positions:
        if not 0 <= position < n:
            raise ValueError(f"positions should lie between 0 and n - 1 = {n - 1}, got {position}")
    chosen = torch.zeros(n, dtype=torch.bool, device=device)
    chosen[list(positions)] = True
    return chosen[:, None] | chosen


def random_blocks(n: int, block: int, num_blocks: int, *, seed: int, device: Device = None) -> Tensor:
    """Cut the sequence into blocks, and let each block of queries see some blocks of keys drawn at random.

    Random links make every token reach every other in few layers, as strangers on Earth are a few handshakes apart.

    Args:
        n: number of queries and keys; the last block is shorter where `block` does not divide n.
        block: tokens in a block.
        num_blocks: how many different blocks of keys each block of queries sees.
        seed: draws the blocks, the same ones on every device.
        device: where to make the mask.
    Returns:
        mask, bool, (n, n).
    Raises:
        ValueError: n or num_blocks is negative, block is below 1, or there are fewer than num_blocks blocks.
    Cost: O(n²) time and memory for the mask; a method that uses it needs O(n · num_blocks · block).
    Source: Zaheer et al. (2020), "Big Bird", section 2.

    >>> random_blocks(6, 2, 1, seed=0).int()
    tensor([[0, 0, 1, 1, 0, 0],
            [0, 0, 1, 1, 0, 0],
            [0, 0, 0, 0, 1, 1],
            [0, 0, 0, 0, 1, 1],
            [0, 0, 1, 1, 0, 0],
            [0, 0, 1, 1, 0, 0]], dtype=torch.int32)
    """
    check_count("n", n, least=0)
    check_count("block", block)
    check_count("num_blocks", num_blocks, least=0)
    total = -(-n // block)  # n / block, rounded up
    if num_blocks > total:
        raise ValueError(f"num_blocks should be at most the {total} blocks of {block} in {n}, got {num_blocks}")
    chosen = torch.zeros(total, total, dtype=torch.bool).scatter(1, draw_blocks(total, num_blocks, seed=seed), True)
    return chosen.repeat_interleave(block, dim=0).repeat_interleave(block, dim=1)[:n, :n].to(device)


def draw_blocks(total: int, num_blocks: int, *, seed: int) -> Tensor:
    """Draw the blocks of keys that each block of queries sees in `random_blocks`.

    Args:
        total: how many blocks there are.
        num_blocks: how many different ones to draw for each block, at most total.
        seed: draws the blocks, the same ones on every device.
    Returns:
        the drawn blocks' numbers, int, (total, num_blocks), on the CPU.
    Raises:
        ValueError: a number is negative, or num_blocks is above total.
    Cost: O(total²) time, O(total · num_blocks) memory: blocks, not tokens.
    Source: Zaheer et al. (2020), "Big Bird", section 2.

    >>> draw_blocks(3, 1, seed=0)
    tensor([[1],
            [2],
            [1]])
    """
    check_count("total", total, least=0)
    check_count("num_blocks", num_blocks, least=0)
    if num_blocks > total:
        raise ValueError(f"num_blocks should be at most the total of {total}, got {num_blocks}")
    # The places of the num_blocks largest of `total` random numbers: a draw without replacement for each row. A
    # generator on the CPU, since a GPU's would draw other numbers from the same seed.
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.rand(total, generator=generator).topk(num_blocks).indices for _ in range(total)]
    return torch.stack(drawn) if drawn else torch.zeros(0, num_blocks, dtype=torch.long)
