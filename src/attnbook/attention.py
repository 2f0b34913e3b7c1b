"""Attention: turn scores into weights, and average the values by them.

This is the book's central idea, and everything above it is built from these two functions.
"""

from torch import Tensor

from attnbook._checks import check_alike, check_mask, check_vectors, shape
from attnbook.scores import scaled_dot


def attend(scores: Tensor, values: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Average the values, each query by its own weights: the softmax of its scores.

        weights = softmax(scores)        output = weights · values

    Args:
        scores: (..., n_q, n_k), any finite numbers; the softmax runs over the keys (last axis).
        values: (..., n_k, d_v).
        mask: bool, broadcasts to (..., n_q, n_k); True = may attend.
    Returns:
        output (..., n_q, d_v) and weights (..., n_q, n_k), each row summing to 1. A query that may attend to nothing
        gets weights and output of zeros.
    Raises:
        ValueError: the number of keys in scores and values differs, or the mask does not fit; with both shapes.
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
    if mask is None:
        weights = scores.softmax(dim=-1)
    else:
        check_mask(mask, scores)
        # exp(-inf) = 0: a masked key gets no weight, and the others share the whole. A row with no key left would be
        # 0/0 = NaN, so its scores stay as they are and its weights are set to zero after the softmax.
        mask = mask.expand(scores.shape)
        someone = mask.any(dim=-1, keepdim=True)
        weights = scores.masked_fill(~mask & someone, float("-inf")).softmax(dim=-1).masked_fill(~someone, 0.0)
    return weights @ values, weights


def scaled_dot_product_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
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
    check_vectors("v", v)
    if k.dim() > 1 and k.shape[-2] != v.shape[-2]:
        raise ValueError(f"k and v should have the same length, got k {shape(k)} and v {shape(v)}")
    return attend(scaled_dot(q, k), v, mask)
