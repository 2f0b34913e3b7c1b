"""Scores: how well does each key answer each query?

Every score maps queries (..., n_q, d_q) and keys (..., n_k, d_k) to scores (..., n_q, n_k). The first two have no
parameters; the other two are modules that learn theirs.

| score          | formula                | source                          |
|----------------|------------------------|---------------------------------|
| dot            | q · k                  | Luong et al. (2015)             |
| scaled dot     | q · k / √d_k           | Vaswani et al. (2017)           |
| multiplicative | qᵀ W k                 | Luong et al. (2015), "general"  |
| additive       | vᵀ tanh(W_q q + W_k k) | Bahdanau et al. (2014)          |
"""

import math

from torch import Tensor, nn

from attnbook._checks import check_count, check_input, check_leading, check_same_width, check_vectors, check_width


def dot(q: Tensor, k: Tensor) -> Tensor:
    """Score by the dot product: large where the query and the key point the same way.

        score(q, k) = q · k

    Args:
        q: queries, (..., n_q, d).
        k: keys, (..., n_k, d).
    Returns:
        scores, (..., n_q, n_k).
    Raises:
        ValueError: the widths of q and k differ, or their leading axes do not broadcast; with both shapes.
        TypeError: q or k is not floating-point, or their dtypes differ.
    Cost: O(n_q n_k d) time, O(n_q n_k) memory.
    Source: Luong, Pham and Manning (2015), eq. 8.

    >>> import torch
    >>> dot(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[11.,  2.]])
    """
    check_same_width(q, k)
    return q @ k.transpose(-2, -1)


def scaled_dot(q: Tensor, k: Tensor) -> Tensor:
    """Score by the dot product divided by √d, so that its variance does not grow with the width d.

        score(q, k) = q · k / √d

    Args:
        q: queries, (..., n_q, d).
        k: keys, (..., n_k, d).
    Returns:
        scores, (..., n_q, n_k).
    Raises:
        ValueError: the widths of q and k differ, or their leading axes do not broadcast; with both shapes.
        TypeError: q or k is not floating-point, or their dtypes differ.
    Cost: O(n_q n_k d) time, O(n_q n_k) memory.
    Source: Vaswani et al. (2017), section 3.2.1.

    >>> import torch
    >>> scaled_dot(torch.ones(1, 4), torch.ones(2, 4))
    tensor([[2., 2.]])
    """
    check_vectors("q", q)
    # Dividing q costs n_q · d divisions instead of n_q · n_k, and keeps the products small: float16 ends at 65504.
    return dot(q / math.sqrt(q.shape[-1]), k)


class MultiplicativeScore(nn.Module):
    """Score by a learned bilinear form, so that queries and keys may live in different spaces.

        score(q, k) = qᵀ W k        W: (d_q, d_k)

    Args:
        d_q: width of the queries.
        d_k: width of the keys.
    Raises (when called):
        ValueError: the width of q is not d_q, or that of k is not d_k; with the shape that was given.
        TypeError: q or k is not floating-point, or not of the parameters' dtype.
    Cost: O(n_k d_q d_k + n_q n_k d_q) time, O(n_q n_k) memory; d_q · d_k parameters.
    Source: Luong, Pham and Manning (2015), eq. 8, "general".

    >>> import torch
    >>> MultiplicativeScore(2, 3)(torch.ones(5, 2), torch.ones(7, 3)).shape
    torch.Size([5, 7])
    """

    def __init__(self, d_q: int, d_k: int) -> None:
        super().__init__()
        check_count("d_q", d_q)
        check_count("d_k", d_k)
        self.key = nn.Linear(d_k, d_q, bias=False)  # its weight is the formula's W, (d_q, d_k)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (..., n_q, n_k) of queries (..., n_q, d_q) and keys (..., n_k, d_k)."""
        check_width("q", q, self.key.out_features)
        check_input("k", k, self.key.weight)
        return dot(q, self.key(k))


class AdditiveScore(nn.Module):
    """Score by a small network with one hidden layer that reads the query and the key together.

        score(q, k) = vᵀ tanh(W [q; k]) = vᵀ tanh(W_q q + W_k k)

    A matrix times a concatenation is the sum of two products. So W = [W_q  W_k] is applied to each query once and to
    each key once, and the n_q · n_k concatenations [q; k] are never built.

    Args:
        d_q: width of the queries.
        d_k: width of the keys.
        d_hidden: width of the hidden layer.
    Raises (when called):
        ValueError: the width of q is not d_q, or that of k is not d_k; with the shape that was given.
        TypeError: q or k is not floating-point, or not of the parameters' dtype.
    Cost: O(n_q d_q d_hidden + n_k d_k d_hidden + n_q n_k d_hidden) time, O(n_q n_k d_hidden) memory;
        (d_q + d_k + 1) · d_hidden parameters.
    Source: Bahdanau, Cho and Bengio (2014), appendix A.1.2.

    >>> import torch
    >>> AdditiveScore(2, 3, 4)(torch.ones(5, 2), torch.ones(7, 3)).shape
    torch.Size([5, 7])
    """

    def __init__(self, d_q: int, d_k: int, d_hidden: int) -> None:
        super().__init__()
        check_count("d_q", d_q)
        check_count("d_k", d_k)
        check_count("d_hidden", d_hidden)
        self.query = nn.Linear(d_q, d_hidden, bias=False)  # W_q
        self.key = nn.Linear(d_k, d_hidden, bias=False)  # W_k
        self.v = nn.Linear(d_hidden, 1, bias=False)

    def forward(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (..., n_q, n_k) of queries (..., n_q, d_q) and keys (..., n_k, d_k)."""
        check_input("q", q, self.query.weight)
        check_input("k", k, self.key.weight)
        check_leading("q", q, "k", k)
        # (..., n_q, 1, d_hidden) + (..., 1, n_k, d_hidden) -> (..., n_q, n_k, d_hidden)
        hidden = (self.query(q).unsqueeze(-2) + self.key(k).unsqueeze(-3)).tanh()
        return self.v(hidden).squeeze(-1)
