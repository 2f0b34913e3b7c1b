"""An online softmax: plain attention, block of keys by block of keys, however the scores rise and fall."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.attention import scaled_dot_product_attention
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function
from attnbook.exercises._task import Mistake, Task
from attnbook.measuring import peak_bytes
from attnbook.scores import scaled_dot


def _in_blocks(q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
    return scaled_dot_product_attention(q, k, v)[0]


def _cases(draw: Draw) -> list[Case]:
    n_q, d, d_v, b = draw.sizes(4, least=3)
    q, k, v = draw.normal(n_q, d), draw.normal(12, d), draw.normal(12, d_v)
    rising = torch.linspace(0.0, 60.0, 12, dtype=q.dtype)[:, None] * torch.ones_like(k)
    up = q.abs() + 50
    return [
        Case("with 12 keys in blocks of 3", (q, k, v, 3)),
        Case("with 12 keys in blocks of 5", (q, k, v, 5), "The last block may be shorter than the others."),
        Case("with a block that holds all", (q, k, v, 15), "A block may be larger than the number of keys."),
        Case("on a batch", (draw.normal(b, n_q, d), draw.normal(b, 12, d), draw.normal(b, 12, d_v), 1),
             "Other axes may stand before the tokens', and a block may be a single key."),
        Case("with scores that rise into the thousands", (up, rising + k / 100, v, 3),
             "e to the power 1000 overflows."),
        Case("with scores that fall from the thousands", (up, rising.flip(0) + k / 100, v, 3),
             "The largest score so far may lie in an earlier block."),
        Case("with one query much longer than the others", (torch.cat([up[:1], up[1:] / 1000]), rising, v, 3),
             "Each query has a largest score of its own."),
        Case("with scores far below zero", (up, k / 100 - 60, v, 3),
             "If every score is far below zero, every power of it is 0 until the largest is taken off."),
    ]  # fmt: skip


def _online(
    *, output_shrinks: bool = True, total_shrinks: bool = True, new_shrinks: bool = False, divides: bool = False,
    ends: bool = True, sums: bool = True, to_block: bool = False, scaled: bool = True,
) -> Function:  # fmt: skip
    """The loop with its faults.

    Args:
        output_shrinks, total_shrinks: whether the running output (the running sum) shrinks when the maximum grows.
        new_shrinks: whether the new block shrinks with what is old.
        divides: whether the output is divided by the sum in every block.
        ends: whether the output is divided by the sum at the end.
        sums: whether earlier sums are kept.
        to_block: whether the powers are measured against the block's own maximum, and nothing shrinks.
        scaled: whether the scores are divided by √d.
    """

    def attention(q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
        top = q.new_full((*q.shape[:-1], 1), -torch.inf)
        total, output = torch.zeros_like(top), q.new_zeros(*q.shape[:-1], v.shape[-1])
        for keys, values in zip(k.split(block, -2), v.split(block, -2), strict=True):
            scores = scaled_dot(q, keys) if scaled else q @ keys.mT
            highest = scores.amax(dim=-1, keepdim=True)
            new_top = highest if to_block else torch.maximum(top, highest)
            shrink, one = (top - new_top).exp(), torch.ones_like(top)
            powers = (scores - new_top).exp() * (shrink if new_shrinks else one)
            total = (shrink if total_shrinks else one) * total * sums + powers.sum(dim=-1, keepdim=True)
            output = (shrink if output_shrinks else one) * output + powers @ values
            output = output / total if divides else output
            top = new_top
        return output if divides or not ends else output / total

    return attention


def _each_block(q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
    """Attention to each block by itself, stacked in front."""
    pairs = zip(k.split(block, -2), v.split(block, -2), strict=True)
    return torch.stack([scaled_dot_product_attention(q, keys, values)[0] for keys, values in pairs])


def _whole_blocks(q: Tensor, k: Tensor, v: Tensor, block: int) -> Tensor:
    end = k.shape[-2] // block * block
    return scaled_dot_product_attention(q, k[..., :end, :], v[..., :end, :])[0]


def _memory(answer: Function) -> str:
    n, block = 2048, 64
    q, k, v = torch.ones(3, n, 8)
    with torch.no_grad():
        peak = peak_bytes(lambda: answer(q, k, v, block))
    if peak < 3 * n * n:  # all scores take 4 n²
        return ""
    return (
        f"in_blocks: The numbers are right, but the peak of memory is {peak:,} bytes for {n:,} queries and keys in "
        f"blocks of {block}. All {n * n:,} scores or weights stand in memory at once."
    )


IN_BLOCKS = Task(
    "in_blocks",
    _in_blocks,
    _cases,
    (
        Mistake("The running output keeps its size when the maximum grows. The sum shrinks, and the output does not.",
                _online(output_shrinks=False)),
        Mistake("The running sum keeps its size when the maximum grows. The output shrinks, and the sum does not.",
                _online(total_shrinks=False)),
        Mistake("Neither the running sum nor the running output shrinks when the maximum grows.",
                _online(total_shrinks=False, output_shrinks=False)),
        Mistake("Each block is measured against its own maximum, and then they are added as if it were the same.",
                _online(to_block=True, total_shrinks=False, output_shrinks=False)),
        Mistake("The new block shrinks too. It is measured against the new maximum already.",
                _online(new_shrinks=True)),
        Mistake("The output is divided by the sum in each block. What is divided cannot be added to any more.",
                _online(divides=True)),
        Mistake("The output was never divided by the sum.", _online(ends=False)),
        Mistake("The sum is that of the last block alone.", _online(sums=False)),
        Mistake("As if the √d were missing.", _online(scaled=False)),
        Mistake("The mean of what the blocks give, as if all blocks weighed the same.",
                lambda q, k, v, block: _each_block(q, k, v, block).mean(dim=0)),
        Mistake("What the blocks give was added up: each of them is an average already.",
                lambda q, k, v, block: _each_block(q, k, v, block).sum(dim=0)),
        Mistake("The last block alone came back.", lambda q, k, v, block: _each_block(q, k, v, block)[-1]),
        Mistake("The first block alone came back.", lambda q, k, v, block: _each_block(q, k, v, block)[0]),
        Mistake("The last keys are missing: what is left over when blocks are full is a block too.", _whole_blocks),
    ),
    returns=("the output",),
    beyond=_memory,
)  # fmt: skip


def check_in_blocks(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check an online softmax: in_blocks(q, k, v, block), (..., n_q, d_v), never all scores at once.

    >>> check_in_blocks(_online(output_shrinks=False))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: in_blocks: The running output keeps its size when the maximum grows....
    """
    IN_BLOCKS.check(answer, seed)
