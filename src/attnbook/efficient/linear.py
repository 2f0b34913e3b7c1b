"""Linear attention: a similarity that factors, so that the keys can be summed before the queries ask.

The softmax's exp(q·k) forces us to form every pair. With φ(q)·φ(k) in its place, the keys and values go into one matrix
of fixed size, which each query reads. Written for one token after the other, that is a recurrent network: Katharopoulos
et al. call their paper "Transformers are RNNs".
"""

from typing import NamedTuple

import torch
from torch import Tensor

from attnbook._checks import shape
from attnbook.efficient._inputs import check_inputs
from attnbook.efficient._prefix_sums import FeatureMap, weighted_average

BLOCK = 128  # tokens; their features and those of a few heads fit into a processor's cache


def elu_features(x: Tensor) -> Tensor:
    """φ(x) = elu(x) + 1: x + 1 where x is positive, exp(x) where it is not. So it is positive everywhere.

    Args:
        x: (..., d).
    Returns:
        (..., d).
    Source: Katharopoulos et al. (2020), eq. 7.

    >>> import torch
    >>> elu_features(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0.3679, 1.0000, 3.0000])
    """
    # Not elu(x) + 1 as it stands: exp(-20) - 1 + 1 would round to 0.
    return x.clamp(max=0).exp() + x.relu()


def linear_attention(q: Tensor, k: Tensor, v: Tensor, *, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    """Average the values by the weights φ(q)·φ(k), in time that grows with the length, not with its square.

        output_i = φ(q_i) Σ_j φ(k_j) v_jᵀ / (φ(q_i)·Σ_j φ(k_j))        φ(x) = elu(x) + 1

    This is no approximation of the softmax but another attention: its weights cannot become as sharp. As in the paper,
    the scores are not divided by √d_k.

    Args:
        q: queries, (..., n_q, d_k).
        k: keys, (..., n_k, d_k).
        v: values, (..., n_k, d_v).
        mask: bool, hides keys: broadcasts to (..., 1, n_k); True = may attend.
        causal: whether each query sees its own position and the past; the last query stands at the last key.
    Returns:
        output, (..., n_q, d_v); zeros for a query that may attend to nothing.
    Raises:
        ValueError: shapes do not fit; the message gives them.
        TypeError: a tensor is not floating-point, the dtypes differ, or the mask is not boolean.
    Cost: O(n d_k d_v) time, causal O(n d_k d_v + n · block · (d_k + d_v)); O(n (d_k + d_v)) memory.
    Source: Katharopoulos et al. (2020), "Transformers are RNNs", eqs. 5, 7 and 9.

    >>> import torch
    >>> q, k, v = torch.zeros(1, 4), torch.zeros(3, 4), torch.tensor([[1.0], [2.0], [6.0]])
    >>> linear_attention(q, k, v)
    tensor([[3.]])
    """
    check_inputs(q, k, v, mask, causal=causal)
    dtype = q.dtype
    q, k, v = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (q, k, v))
    weights = torch.ones_like(v[..., :1])
    if mask is not None:
        seen = torch.atleast_2d(mask).mT  # (..., n_k, 1)
        k, v, weights = torch.where(seen, k, 0.0), torch.where(seen, v, 0.0), torch.where(seen, weights, 0.0)
    return weighted_average(q, k, v, weights, _ELU, None, causal=causal, block=BLOCK).to(dtype)


class LinearAttentionState(NamedTuple):
    """All that causal linear attention remembers of the tokens so far, of one size however many they were.

    Attributes:
        values: Σ_j φ(k_j) v_jᵀ, (..., d_k, d_v).
        keys: Σ_j φ(k_j), (..., d_k).

    >>> import torch
    >>> _, state = linear_attention_step(torch.zeros(1, 2), torch.zeros(1, 2), torch.ones(1, 3))
    >>> state.values.shape, state.keys.shape
    (torch.Size([2, 3]), torch.Size([2]))
    """

    values: Tensor
    keys: Tensor


def linear_attention_step(
    q: Tensor, k: Tensor, v: Tensor, state: LinearAttentionState | None = None
) -> tuple[Tensor, LinearAttentionState]:
    """Causal linear attention of one new token, as a model that writes needs it: no cache of keys that grows.

        S ← S + φ(k) vᵀ        z ← z + φ(k)        output = φ(q) S / (φ(q)·z)

    Args:
        q, k: query and key of the new token, (..., 1, d_k).
        v: its value, (..., 1, d_v).
        state: what the step before returned; None at the first token.
    Returns:
        output (..., 1, d_v), the row that `linear_attention(..., causal=True)` would give, and the new state.
    Raises:
        ValueError: shapes do not fit, or there is more than one token.
        TypeError: a tensor is not floating-point, or the dtypes differ.
    Cost: O(d_k d_v) time and memory, whatever came before.
    Source: Katharopoulos et al. (2020), eqs. 16 to 20.

    >>> import torch
    >>> state = None
    >>> for value in (1.0, 2.0, 6.0):
    ...     output, state = linear_attention_step(torch.zeros(1, 4), torch.zeros(1, 4), torch.tensor([[value]]), state)
    >>> output
    tensor([[3.]])
    """
    check_inputs(q, k, v, None)
    if q.shape[-2] != 1 or k.shape[-2] != 1:
        raise ValueError(f"q and k should be those of one token, (..., 1, d_k), got q {shape(q)} and k {shape(k)}")
    dtype = q.dtype
    q, k, v = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (q, k, v))
    phi_q, phi_k = elu_features(q), elu_features(k)
    values, keys = phi_k.mT @ v, phi_k.squeeze(-2)
    if state is not None:
        values, keys = values + state.values, keys + state.keys
    total = phi_q @ keys.unsqueeze(-1)  # (..., 1, 1)
    output = phi_q @ values / torch.where(total == 0, 1.0, total)
    return output.to(dtype), LinearAttentionState(values, keys)


def _forward(x: Tensor, parameters: Tensor | None) -> Tensor:
    return elu_features(x)


def _backward(grad: Tensor, phi: Tensor, parameters: Tensor | None) -> Tensor:
    return grad.mul_(phi.clamp(max=1))  # φ' = exp(x) = φ where x < 0, and 1 where φ > 1


_ELU = FeatureMap(_forward, _backward)
