"""Sums over the keys, block by block: what linear attention and the Performer have in common.

Both write the similarity of a query and a key as a product of features, φ(q)·φ(k). Then the sum over the keys can be
taken before any query is seen:

    Σ_j (φ(q_i)·φ(k_j)) v_j = φ(q_i) S        S = Σ_j φ(k_j) v_jᵀ   (m, d_v)

The state S has the same size however many keys went into it. Below, features are made for a block of tokens at a time,
which fits into a processor's cache, are used and forgotten. The backward pass makes them again: that is cheaper than
to write (n, m) numbers to memory and read them back.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from attnbook.efficient._autocast import backward_without_autocast, without_autocast


class FeatureMap(NamedTuple):
    """φ and its derivative."""

    forward: Callable[..., Tensor]  # x (h, n, d), parameters -> φ(x) (h, n, m)
    backward: Callable[..., Tensor]  # gradient of φ(x), which it may use up, φ(x), parameters -> that of x


def weighted_average(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    key_weights: Tensor,
    feature_map: FeatureMap,
    parameters: Tensor | None,
    *,
    causal: bool,
    block: int,
) -> Tensor:
    """Average the values by the weights φ(q_i)·φ(k_j) key_weights_j, over all keys or over those up to the query's.

    Args:
        q, k, v: (..., n_q, d_k), (..., n_k, d_k) and (..., n_k, d_v), with leading axes that broadcast.
        key_weights: (..., n_k, 1), 0 or more.
        feature_map, parameters: φ; the parameters get no gradient.
        causal: whether query i sees no key beyond i + n_k - n_q.
        block: tokens for which there are features at one time.
    Returns:
        (..., n_q, d_v); zeros for a query whose weights are all zero.
    """
    leading = torch.broadcast_shapes(*(x.shape[:-2] for x in (q, k, v, key_weights)))
    q, k, v, key_weights = (
        x.expand(*leading, *x.shape[-2:]).reshape(math.prod(leading), *x.shape[-2:]) for x in (q, k, v, key_weights)
    )
    # The weights are a last column of the values. So the sum by which we divide comes out of the same products.
    v = torch.cat([v * key_weights, key_weights], dim=-1)
    with without_autocast(q.device):
        if causal:
            before = k.shape[1] - q.shape[1]  # keys older than the first query
            state = _State.apply(k[:, :before], v[:, :before], parameters, feature_map, block)
            sums = _CausalSums.apply(q, k[:, before:], v[:, before:], state, parameters, feature_map, block)
        else:
            state = _State.apply(k, v, parameters, feature_map, block)
            sums = _Sums.apply(q, state, parameters, feature_map, block)
    values, total = sums.split([sums.shape[-1] - 1, 1], dim=-1)
    average = values * torch.where(total == 0, 1.0, total).reciprocal()
    return average.reshape(*leading, *average.shape[-2:])


class _State(Function):
    """S = Σ_j φ(k_j) v_jᵀ: k (h, n_k, d), v (h, n_k, d_v) -> (h, m, d_v)."""

    @staticmethod
    def forward(ctx: Any, k: Tensor, v: Tensor, parameters: Tensor | None, phi: FeatureMap, block: int) -> Tensor:
        ctx.save_for_backward(k, v, parameters)
        ctx.phi, ctx.block = phi, block
        state: Any = 0
        for kb, vb in _blocks(block, k, v):
            state = state + phi.forward(kb, parameters).mT @ vb
        return state

    @staticmethod
    @once_differentiable
    @backward_without_autocast
    def backward(ctx: Any, d_state: Tensor) -> tuple[Tensor | None, ...]:
        k, v, parameters = ctx.saved_tensors
        dk, dv = torch.empty_like(k), torch.empty_like(v)
        turned = d_state.mT.contiguous()  # once, so that the products below read it in order
        for kb, vb, dkb, dvb in _blocks(ctx.block, k, v, dk, dv):
            phi_k = ctx.phi.forward(kb, parameters)
            dvb.copy_(phi_k @ d_state)
            dkb.copy_(ctx.phi.backward(vb @ turned, phi_k, parameters))
        return dk, dv, None, None, None


class _Sums(Function):
    """φ(q_i) S: q (h, n_q, d), S (h, m, d_v) -> (h, n_q, d_v)."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, state: Tensor, parameters: Tensor | None, phi: FeatureMap, block: int) -> Tensor:
        ctx.save_for_backward(q, state, parameters)
        ctx.phi, ctx.block = phi, block
        sums = q.new_empty(*q.shape[:-1], state.shape[-1])
        for qb, sb in _blocks(block, q, sums):
            sb.copy_(phi.forward(qb, parameters) @ state)
        return sums

    @staticmethod
    @once_differentiable
    @backward_without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, state, parameters = ctx.saved_tensors
        dq, d_state = torch.empty_like(q), torch.zeros_like(state)
        turned = state.mT.contiguous()
        for qb, gb, dqb in _blocks(ctx.block, q, grad, dq):
            phi_q = ctx.phi.forward(qb, parameters)
            d_state += phi_q.mT @ gb
            dqb.copy_(ctx.phi.backward(gb @ turned, phi_q, parameters))
        return dq, d_state, None, None, None


class _CausalSums(Function):
    """φ(q_i) (S + Σ_{j ≤ i} φ(k_j) v_jᵀ): q, k (h, n, d), v (h, n, d_v), S (h, m, d_v) -> (h, n, d_v).

    Keys of earlier blocks come by the state. Those of the query's own block come by a small product, (block, block),
    from which the future is cut. The states between the blocks are kept for the backward pass, n / block of them.
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, state: Tensor, parameters: Tensor | None, phi: FeatureMap, block: int
    ) -> Tensor:
        states, sums = [], torch.empty_like(v)
        for qb, kb, vb, sb in _blocks(block, q, k, v, sums):
            states.append(state)
            phi_q, phi_k = phi.forward(qb, parameters), phi.forward(kb, parameters)
            sb.copy_(phi_q @ state + (phi_q @ phi_k.mT).tril_() @ vb)
            state = state + phi_k.mT @ vb
        ctx.save_for_backward(q, k, v, parameters, *states)
        ctx.phi, ctx.block = phi, block
        return sums

    @staticmethod
    @once_differentiable
    @backward_without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, parameters, *states = ctx.saved_tensors
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        d_state = torch.zeros_like(states[0])  # what the queries of later blocks ask of the state
        blocks = _blocks(ctx.block, q, k, v, grad, dq, dk, dv)
        for (qb, kb, vb, gb, dqb, dkb, dvb), state in zip(reversed(blocks), reversed(states), strict=True):
            phi_q, phi_k = ctx.phi.forward(qb, parameters), ctx.phi.forward(kb, parameters)
            weights, d_weights = (phi_q @ phi_k.mT).tril_(), (gb @ vb.mT).tril_()
            dvb.copy_(phi_k @ d_state + weights.mT @ gb)
            dqb.copy_(ctx.phi.backward(gb @ state.mT + d_weights @ phi_k, phi_q, parameters))
            dkb.copy_(ctx.phi.backward(vb @ d_state.mT + d_weights.mT @ phi_q, phi_k, parameters))
            d_state = d_state + phi_q.mT @ gb
        return dq, dk, dv, d_state, None, None, None


def _blocks(block: int, *tensors: Tensor) -> list[tuple[Tensor, ...]]:
    """The tensors (h, n, ...), cut into pieces of `block` tokens (views, so that what is written there stays)."""
    return list(zip(*(x.split(block, dim=1) for x in tensors), strict=True))
