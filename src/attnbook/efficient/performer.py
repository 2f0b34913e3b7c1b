"""The Performer: the softmax's own similarity, estimated by random features.

For w drawn from a normal distribution, the mean of exp(w·q - |q|²/2) exp(w·k - |k|²/2) over w is exp(q·k). So m draws
of w turn a query and a key into m positive numbers each, whose product is near to what the softmax wants. It is a
guess: its relative variance is (exp(|q + k|²) - 1) / m, so long vectors need very many draws.
"""

import math

import torch
from torch import Tensor

from attnbook._checks import check_alike, check_count, check_vectors, shape
from attnbook.efficient._inputs import check_inputs
from attnbook.efficient._prefix_sums import FeatureMap, weighted_average

BLOCK = 128  # tokens whose features exist at one time: (heads, 128, m) numbers should fit into a processor's cache
CAUSAL_BLOCK = 64  # here the work within a block grows with its size too


def orthogonal_features(
    num_features: int,
    d_k: int,
    *,
    seed: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Draw the directions w of a Performer's random features.

    Each w stands for two features, exp(w·x) and exp(-w·x), whose errors partly cancel. Within a block of d_k, the w are
    orthogonal and equally long, so that no direction is seen twice while another is missed. Over the blocks, the
    lengths spread as those of normal vectors do.

    Args:
        num_features: m, even.
        d_k: width of queries and keys.
        seed: draws the same directions on every device.
        dtype, device: of the result.
    Returns:
        (m / 2, d_k).
    Raises:
        ValueError: num_features is odd or below 2, or d_k is below 1.
    Cost: O(m d_k²) time, once.
    Source: Choromanski et al. (2021), "Rethinking Attention with Performers", section 2.4; the pairs are their
        hyperbolic features (lemma 1). They draw each length by itself; equal ones in a block err less.

    >>> w = orthogonal_features(8, 4, seed=0, dtype=torch.float64)
    >>> w.shape
    torch.Size([4, 4])
    >>> torch.allclose(w @ w.T, torch.eye(4, dtype=torch.float64) * w[0].norm() ** 2)
    True
    """
    check_count("num_features", num_features, least=2)
    check_count("d_k", d_k)
    if num_features % 2:
        raise ValueError(f"num_features should be even, for each direction gives two; got {num_features}")
    count = num_features // 2
    blocks = -(-count // d_k)  # count / d_k, rounded up
    # On the CPU, since a GPU's generator would draw other numbers from the same seed.
    normal = torch.randn(2, blocks, d_k, d_k, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    turned, triangle = torch.linalg.qr(normal[0])
    turned = turned * triangle.diagonal(dim1=-2, dim2=-1).sign().unsqueeze(-2)  # makes all turns equally likely
    # The lengths of as many normal vectors, in order; each block takes the next d_k and gives all its rows their mean
    # square. One block has length √d_k but for 1%; many have the chi distribution's lengths.
    squares = normal[1].square().sum(dim=-1).flatten().sort().values.view(blocks, d_k).mean(dim=-1)
    return (turned.mT * squares.sqrt()[:, None, None]).flatten(0, 1)[:count].to(device, dtype)


def norm_limit(num_features: int) -> float:
    """The longest query or key, √(ln m) / 2, whose similarities m features can still tell.

    Then |q + k|² is at most ln m, and the relative variance of each estimated weight, below exp(|q + k|²) / m, is at
    most 1.

    Args:
        num_features: m.
    Returns:
        the limit for |x| / d_k^¼.

    >>> round(norm_limit(256), 3)
    1.177
    """
    check_count("num_features", num_features, least=2)
    return math.sqrt(math.log(num_features)) / 2


def performer_attention(
    q: Tensor, k: Tensor, v: Tensor, features: Tensor, *, mask: Tensor | None = None, causal: bool = False
) -> Tensor:
    """Estimate softmax attention in time that grows with the length, not with its square.

        output_i = φ(q_i) Σ_j φ(k_j) v_jᵀ / (φ(q_i)·Σ_j φ(k_j))        φ(x) = exp(±w·x - |x|²/2) for each w

    Queries and keys are first divided by d_k^¼, which gives the scores their 1/√d_k. Then those longer than
    `norm_limit(m)` are shortened to it: their attention becomes softer than the softmax's. Without it, a few features
    would outweigh all others, and the output would be much further from the softmax's than the plain mean of the values
    is. It also bounds every exponent: up to widths of about a thousand nothing overflows in float32. So no ε is added,
    and no maximum over all keys is taken, through which the future would leak into causal attention.

    Take m of at least 2 d_k, so that the directions fill a block. With fewer, some axes are not seen at all.

    Args:
        q: queries, (..., n_q, d_k).
        k: keys, (..., n_k, d_k).
        v: values, (..., n_k, d_v).
        features: directions, (m / 2, d_k), as `orthogonal_features` draws them; constants, which get no gradient.
        mask: bool, hides keys: broadcasts to (..., 1, n_k); True = may attend.
        causal: whether each query sees its own position and the past; the last query stands at the last key.
    Returns:
        output, (..., n_q, d_v); zeros for a query that may attend to nothing.
    Raises:
        ValueError: shapes do not fit; the message gives them.
        TypeError: a tensor is not floating-point, the dtypes differ, or the mask is not boolean.
    Cost: O(n m (d_k + d_v)) time; O(n (d_k + d_v) + m d_v) memory, causal also O(n m d_v / 64) for training: the state
        after every 64 tokens.
    Source: Choromanski et al. (2021), "Rethinking Attention with Performers", section 2 and lemma 2. The limit is ours.

    >>> import torch
    >>> q, k, v = torch.zeros(1, 4), torch.zeros(3, 4), torch.tensor([[1.0], [2.0], [6.0]])
    >>> performer_attention(q, k, v, orthogonal_features(8, 4, seed=0))
    tensor([[3.]])
    """
    check_inputs(q, k, v, mask, causal=causal)
    _check_features(features, q)
    dtype = q.dtype
    q, k, v = (x.to(torch.promote_types(x.dtype, torch.float32)) for x in (q, k, v))
    seen = None if mask is None else torch.atleast_2d(mask).mT  # (..., n_k, 1)
    if seen is not None:
        k, v = torch.where(seen, k, 0.0), torch.where(seen, v, 0.0)
    limit = norm_limit(2 * features.shape[0])
    q, k = _scale_and_shorten(q, limit), _scale_and_shorten(k, limit)
    # The factor exp(-|q|²/2) is the same for all keys, and cancels. That of a key weighs its value.
    weights = (k.square().sum(dim=-1, keepdim=True) / -2).exp()
    weights = weights if seen is None else torch.where(seen, weights, 0.0)
    block = CAUSAL_BLOCK if causal else BLOCK
    return weighted_average(q, k, v, weights, _EXP, features.detach().to(q.dtype), causal=causal, block=block).to(dtype)


def _check_features(features: Tensor, q: Tensor) -> None:
    check_vectors("features", features)
    if features.dim() != 2 or features.shape[0] < 1 or features.shape[1] != q.shape[-1]:
        raise ValueError(f"features should have shape (m / 2, d_k) with the width d_k of q, got features "
                         f"{shape(features)} and q {shape(q)}")  # fmt: skip
    if features.device != q.device:
        check_alike("features", features, "q", q)


def _scale_and_shorten(x: Tensor, limit: float) -> Tensor:
    """x / d^¼, and no longer than the limit."""
    longest = limit * x.shape[-1] ** 0.25
    return x * (limit / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=longest))


def _forward(x: Tensor, w: Tensor) -> Tensor:
    plus = (x @ w.mT).exp_()
    return torch.cat([plus, plus.reciprocal()], dim=-1)  # exp(w·x) and exp(-w·x)


def _backward(grad: Tensor, phi: Tensor, w: Tensor) -> Tensor:
    plus, minus = grad.mul_(phi).chunk(2, dim=-1)
    return (plus - minus) @ w


_EXP = FeatureMap(_forward, _backward)
