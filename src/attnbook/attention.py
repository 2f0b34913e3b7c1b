"""Attention: turn scores into weights, and average the values by them.

This is the book's central idea, and everything above it is built from these two functions.
"""

import torch
from torch import Tensor

from attnbook._checks import (
    check_alike,
    check_leading,
    check_mask,
    check_qkv,
    check_vectors,
    shape,
)
from attnbook.scores import scaled_dot


def attend(scores: Tensor, values: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Average the values, each query by its own weights: the softmax of its scores.

        weights = softmax(scores)        output = weights · values

    What the mask hides counts for nothing, not even if it is NaN or infinite. A query that may attend to such a value
    gets NaN.

    Args:
        scores: (..., n_q, n_k), numbers of any size; the softmax runs over the keys (last axis).
        values: (..., n_k, d_v).
        mask: bool, broadcasts to (..., n_q, n_k); True = may attend.
    Returns:
        output (..., n_q, d_v) and weights (..., n_q, n_k), each row summing to 1. A query that may attend to nothing
        gets weights and output of zeros.
    Raises:
        ValueError: the number of keys in scores and values differs, or the mask or the leading axes do not fit; with
            both shapes.
        TypeError: a tensor is not floating-point, the dtypes differ, or the mask is not boolean.
    Cost: O(n_q n_k d_v) time, O(n_q n_k) memory.
    Source: Bahdanau, Cho and Bengio (2014), eqs. 5 and 6.

    >>> import torch
    >>> scores = torch.tensor([[0.1, 0.3, 0.5, 0.1]]).log()
    >>> output, weights = attend(scores, torch.tensor([[0.0], [1.0], [2.0], [3.0]]))
    >>> weights
    tensor([[0.1000, 0.3000, 0.5000, 0.1000]])
    >>> output
    tensor([[1.6000]])
    """
    check_vectors("scores", scores)
    check_vectors("values", values)
    check_alike("scores", scores, "values", values)
    if scores.shape[-1] != values.shape[-2]:
        raise ValueError(
            "scores (..., n_q, n_k) and values (..., n_k, d_v) should agree on n_k, "
            f"got scores {shape(scores)} and values {shape(values)}"
        )
    check_leading("scores", scores, "values", values)
    if mask is None:
        weights = scores.softmax(dim=-1)
        return weights @ values, weights
    check_mask(mask, scores)
    weights = _masked_softmax(scores, mask)
    # A weight of zero does not hide a NaN: 0 · NaN = NaN. So broken values are taken out of the average, and only the
    # queries that do give them weight get the NaN that they would have spread to all.
    values, broken = mend(values)
    reached = (weights * broken.mT).sum(dim=-1, keepdim=True) > 0  # (..., n_q, 1)
    return torch.where(reached, float("nan"), weights @ values), weights


def _masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    # exp(-inf) = 0: a masked key gets no weight, and the others share the whole. A row with no key left would be
    # 0/0 = NaN, so its scores become zeros before the softmax, and so do its weights after it.
    nobody = ~mask.any(dim=-1, keepdim=True)
    floor = torch.zeros_like(nobody, dtype=scores.dtype).masked_fill(~nobody, float("-inf"))
    return torch.where(nobody, 0.0, torch.where(mask, scores, floor).softmax(dim=-1))


def mend(x: Tensor) -> tuple[Tensor, Tensor]:
    """Set the vectors of x (..., n, d) that hold a NaN or an infinity to zero; say which they were, (..., n, 1).

    >>> import torch
    >>> mend(torch.tensor([[1.0, 2.0], [float("nan"), 3.0]]))
    (tensor([[1., 2.],
            [0., 0.]]), tensor([[False],
            [ True]]))
    """
    broken = (x.detach() * 0).sum(dim=-1, keepdim=True) != 0  # 0 · x is NaN exactly where x is not finite
    return torch.where(broken, 0.0, x), broken


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Average the values, weighted by how well each key answers each query.

        output = softmax(q kᵀ / √d_k) v

    Args:
        q: queries, (..., n_q, d_k).
        k: keys, (..., n_k, d_k).
        v: values, (..., n_k, d_v).
        mask: bool, broadcasts to (..., n_q, n_k); True = may attend.
    Returns:
        output (..., n_q, d_v) and weights (..., n_q, n_k), each row summing to 1 (0 where nothing may be attended).
    Raises:
        ValueError: the widths of q and k, or the lengths of k and v, differ; the message gives both shapes.
        TypeError: a tensor is not floating-point, the dtypes differ, or the mask is not boolean.
    Cost: O(n_q n_k (d_k + d_v)) time, O(n_q n_k) memory.
    Source: Vaswani et al. (2017), eq. 1.

    >>> import torch
    >>> q, k, v = torch.zeros(1, 4), torch.randn(3, 4), torch.tensor([[1.0], [2.0], [6.0]])
    >>> scaled_dot_product_attention(q, k, v)[0]
    tensor([[3.]])
    """
    check_qkv(q, k, v)
    if mask is None:
        return attend(scaled_dot(q, k), v)
    k, broken = mend(k)  # else a NaN under the mask would still reach the gradient of q, which is a sum over the keys
    return attend(torch.where(broken.mT, float("nan"), scaled_dot(q, k)), v, mask)
