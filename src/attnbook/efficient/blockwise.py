"""Blockwise attention: plain attention, exactly, without ever holding its weights.

Dense attention writes n_q · n_k weights to memory, reads them to average the values, and keeps them for the backward
pass. Here a block of queries meets a block of keys, their weights are used at once, and the next block's take their
place. The backward pass computes each block's weights a second time, which costs less than to keep them.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from attnbook._checks import check_count
from attnbook.efficient._autocast import backward_without_autocast, without_autocast
from attnbook.efficient._inputs import check_inputs
from attnbook.efficient._online_softmax import (
    Gradients,
    Keys,
    add_gradients,
    answer,
    begin,
    finish,
    lay_out,
    take_in,
    working_dtype,
)


def blockwise_attention(
    q: Tensor, k: Tensor, v: Tensor, block: int = 512, *, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Average the values exactly as dense attention does, in memory that grows with n instead of n².

        output = softmax(q kᵀ / √d_k) v

    A softmax needs the largest score and the sum of all before its first weight is known. The *online softmax* does
    not wait for them: it averages block by block, and corrects what it has whenever a higher score comes.

    Args:
        q: queries, (..., n_q, d_k).
        k: keys, (..., n_k, d_k).
        v: values, (..., n_k, d_v).
        block: queries, and keys, in a block. It changes time and memory, not the result.
        mask: bool, broadcasts to (..., 1, n_k), as `masks.padding` makes it; True = may attend.
        causal: whether each query sees only the keys up to its own; the last query stands at the last key.
    Returns:
        output (..., n_q, d_v), zeros where nothing may be attended to. bfloat16 and float16 are summed in float32.
    Raises:
        ValueError: the shapes do not fit, block is below 1, or k is shorter than q where causal; with what was given.
        TypeError: a tensor is not floating-point, the dtypes differ, or the mask is not boolean.
    Cost: O(n_q n_k (d_k + d_v)) time, and where causal half of it, for blocks in the future are skipped. Forward and
        backward together are 7 products of q's size with k's, dense attention's are 6. O((n_q + n_k) (d_k + d_v) +
        block²) memory. Gradients of gradients are not offered.
    Source: Milakov and Gimelshein (2018); Rabe and Staats (2021); Dao et al. (2022), "FlashAttention".

    >>> import torch
    >>> from attnbook.attention import scaled_dot_product_attention
    >>> q, k, v = torch.randn(3, 2, 1000, 16)
    >>> dense, _ = scaled_dot_product_attention(q, k, v)
    >>> torch.allclose(blockwise_attention(q, k, v, block=128), dense, atol=1e-6)
    True
    """
    check_count("block", block)
    check_inputs(q, k, v, mask, causal=causal)
    shift = k.shape[-2] - q.shape[-2] if causal else None
    leading = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    rows, keys = lay_out(q, k, v, mask, hides=causal or mask is not None)
    with without_autocast(q.device):
        output = _Blockwise.apply(rows, *keys, block, shift)  # (b, n_q, d_v)
    return output.reshape(*leading, q.shape[-2], v.shape[-1])


class _Blockwise(torch.autograd.Function):
    """Keeps q, k, v, the output and one number a query for the backward pass, and no weights."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None, block: int, shift: int | None
    ) -> Tensor:
        running = begin(q, v)
        take_in(running, q, Keys(k, v, bias), block, shift)
        output, log_total = finish(running)
        output = output.to(v.dtype)
        ctx.save_for_backward(q, k, v, bias, output, log_total)
        ctx.block, ctx.shift = block, shift
        return output

    @staticmethod
    @once_differentiable
    @backward_without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, bias, output, log_total = ctx.saved_tensors
        back = answer(grad, output, log_total)
        grads = Gradients(*(torch.zeros_like(x, dtype=working_dtype(x)) for x in (q, k, v)))
        add_gradients(grads, q, Keys(k, v, bias), ctx.block, ctx.shift, back)
        return grads.q.to(q.dtype), grads.k.to(k.dtype), grads.v.to(v.dtype), None, None, None
